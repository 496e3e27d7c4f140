#!/bin/sh
# System packages that tests and benchmarks need: installed where apt and root are there, else named.
set -eu

# program:package
NEEDED="wrk:wrk chromium:chromium ip:iproute2 ssh:openssh-client sshd:openssh-server rsync:rsync
  redis-server:redis-server prometheus:prometheus"

PATH="$PATH:/usr/sbin:/sbin" # where sshd and ip may be
missing=""
for pair in $NEEDED; do
  command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair##*:}"
done
if [ -z "$missing" ]; then
  echo "all system packages for tests and benchmarks are there"
elif command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  apt-get update -q
  # Tests start servers themselves: none shall run because its package was installed (101: forbidden).
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod +x "$policy"
  fi
  # shellcheck disable=SC2086 - a list
  DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing
else
  echo "please install:$missing (on Debian: sudo apt-get install$missing)"
  echo "without them, the tests and benchmarks that need them are skipped"
fi
