# `make demo` and `make test` are all a new machine with Python 3.11 needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ragloop-setup
SYSTEM_STAMP := $(VENV)/.ragloop-setup-system
DEMO_HOME ?= .ragloop-demo
export RAGLOOP_BENCH_DATA ?= $(if $(wildcard ../shared/data),$(abspath ../shared/data))

.PHONY: setup demo test lint clean-demo

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("ragloop needs Python 3.11 or newer: set PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,postgres]'
	touch $(STAMP)

demo: setup
	@RAGLOOP_HOME=$(DEMO_HOME) RAGLOOP_BIN=$(BIN)/ragloop sh examples/demo.sh

clean-demo:
	rm -rf $(DEMO_HOME)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Two files of tests at a time: half of what they do is wait for processes.
test: lint
	$(BIN)/python -m pytest -m 'not system' --ignore tests/system --numprocesses 2 --dist loadfile --durations 40


# What tests marked `system` need of the operating system is installed here; PostgreSQL without Debian's own cluster.
.PHONY: test-system
test-system: $(SYSTEM_STAMP)
	@missing=; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing=postgresql; \
	command -v chromium >/dev/null || missing="$$missing chromium fonts-dejavu-core"; \
	command -v npm >/dev/null || missing="$$missing nodejs npm"; \
	test -z "$$missing" || { \
	    if [ "$$(id -u)" -eq 0 ]; then run=env; else run=sudo; fi; \
	    if ! command -v apt-get >/dev/null || ! command -v $$run >/dev/null; then \
	        echo "these are missing: $$missing: install the Debian packages of these names" >&2; exit 1; \
	    fi; \
	    $$run env missing="$$missing" sh -ec '$(INSTALL_SYSTEM)'; }
	$(BIN)/python -m pytest -m system --durations 20

# Dask, Ray and an S3 server: 370 MB that neither the demo nor `make test` needs.
$(SYSTEM_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	    -e '.[dev,postgres,dask,ray,s3,privacy,int8,system]'
	$(BIN)/python -m pip check
	touch $(SYSTEM_STAMP)

INSTALL_SYSTEM = conf=/etc/postgresql-common/createcluster.d; mkdir -p $$conf; \
    trap "rm -f $$conf/ragloop.conf" EXIT; echo create_main_cluster = false >$$conf/ragloop.conf; \
    apt-get update -q; DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing
