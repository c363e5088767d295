# Everything a person or CI runs. A machine needs Python 3.11 or newer, and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test campaign check format bench lock space clean

help:  ## Say what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*## /\t/' | expand -t 12

demo: $(VENV)/.runtime  ## One real push, one rule, one job, on this machine
	@$(BIN)/jobhook demo

test: $(VENV)/.dev  ## The whole suite, with branch coverage enforced
	@rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder
	@$(BIN)/coverage combine --quiet
	$(BIN)/coverage report $(UNTRIED)
	$(BIN)/coverage report --fail-under=100 --include='*/jobhook/core/*,*/jobhook/flows/*'

# One more than the smallest machine has cores: much of the suite waits for processes.
WORKERS := 3

# Where there is no PostgreSQL, what is only tried on one is left out.
UNTRIED := $(if $(wildcard /usr/lib/postgresql/*/bin/initdb)$(shell command -v initdb),,--omit='*postgres*')

campaign: $(VENV)/.dev  ## Kills, crashes, faults, power cuts and hostile input at full length: hours (NAMES=kills for one)
	PYTHONPATH=tests $(BIN)/python -m campaign $(NAMES)

check: $(VENV)/.dev  ## Lint, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/.dev  ## Put the code in the house's shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)-bench/.bench  ## Measure on this machine, beside others, and write bench/results.md
	PYTHONPATH=service $(VENV)-bench/bin/python -m bench

# `uv` only makes the lock files; installing from them is plain pip.
lock:  ## Make the lock files anew from pyproject.toml
	$(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/pip install --quiet uv
	$(VENV)-lock/bin/uv pip compile $(COMPILE) --group build -o locks/build.txt
	$(VENV)-lock/bin/uv pip compile $(COMPILE) pyproject.toml --extra postgres -o locks/runtime.txt
	$(VENV)-lock/bin/uv pip compile $(COMPILE) pyproject.toml --extra postgres --group dev -c locks/runtime.txt -o locks/dev.txt
	$(VENV)-lock/bin/uv pip compile $(COMPILE) pyproject.toml --extra postgres --group bench -c locks/runtime.txt -o locks/bench.txt
COMPILE := --quiet --no-header --universal --python-version 3.11 --generate-hashes

space: $(VENV)/.runtime  ## Put together build/space, a folder to upload to a Space as it stands
	@$(BIN)/python deploy/space/assemble.py build/space

clean:  ## Remove what was made here
	rm -rf $(VENV) $(VENV)-lock $(VENV)-bench build .coverage .coverage.*

$(VENV)/.runtime: pyproject.toml locks/build.txt locks/runtime.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes -r locks/build.txt -r locks/runtime.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# The wheels are kept for the test that installs the image's environment: tests use no network.
$(VENV)/.dev: $(VENV)/.runtime locks/dev.txt
	$(PIP) install --require-hashes -r locks/dev.txt
	$(PIP) download --require-hashes --dest $(VENV)/wheels -r locks/build.txt -r locks/runtime.txt
	@touch $@

# All sides run in one environment, so that all of them have the same server under them.
$(VENV)-bench/.bench: locks/bench.txt
	$(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r locks/bench.txt
	@touch $@
