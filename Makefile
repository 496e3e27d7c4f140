# `make demo` and `make test` do all the set-up they need; a second call is quick.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help setup demo test test-deps unit integration e2e test-cluster lint format page clean

help:  ## Show the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/'

setup: $(STAMP)  ## Make the virtual environment and install

$(STAMP): setup.py pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "SEN needs Python 3.11 or newer; name one with make PYTHON=..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: $(STAMP)  ## Learn five tasks, serve them, ask without naming the task
	$(BIN)/sen demo

test-deps:  ## System packages that some tests and benchmarks need (Debian, as root)
	@./tests/install_system_packages.sh

test: $(STAMP) lint unit integration e2e test-cluster  ## Everything CI runs

lint: $(STAMP)  ## Style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: $(STAMP)  ## Without Ray; each module in one of several processes
	$(BIN)/pytest tests/unit -n auto --maxprocesses 8 --dist loadfile

integration: $(STAMP)  ## On one small cluster
	$(BIN)/pytest tests/integration

e2e: $(STAMP)  ## The README's commands as processes, two modules at a time
	$(BIN)/pytest tests/e2e -n 2 --dist loadfile

test-cluster: $(STAMP)  ## `ray up` on hosts made of network namespaces (as root)
	$(BIN)/pytest tests/cluster

format: $(STAMP)  ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

page:  ## Build the web page from web/ into deploy/page/ (needs node)
	cd web && npm ci --no-audit --no-fund --ignore-scripts && npm run build

clean:  ## Remove the virtual environment and caches
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
