#!/bin/sh
# System packages that tests and benchmarks need: installed where apt and root are there, else named.
set -eu

# program:package
NEEDED="wrk:wrk chromium:chromium prometheus:prometheus"

missing=""
for pair in $NEEDED; do
  command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair##*:}"
done
if [ -z "$missing" ]; then
  echo "all system packages for tests and benchmarks are there"
elif command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  apt-get update -q
  # shellcheck disable=SC2086 - a list
  DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing
  case "$missing" in
    *prometheus*) systemctl disable --now prometheus 2>/dev/null || true ;; # tests start their own
  esac
else
  echo "please install:$missing (on Debian: sudo apt-get install$missing)"
  echo "without them, the tests and benchmarks that need them are skipped"
fi
