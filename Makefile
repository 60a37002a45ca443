# make setup   everything to serve and to train, in .venv (later runs take a moment)
# make demo    a classifier on real photographs, from upload to prediction
# make serve   start the emulator
# make test    all tests         make lint   style, types, layers
# make bench   measurements      make clean  remove what make made
# make coverage-page   all tests, and docs/coverage.md from what they show

.DELETE_ON_ERROR:
.NOTPARALLEL:
.SUFFIXES:
.PHONY: help setup demo serve test coverage-page lint bench clean

VENV = .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
# A person sees what is downloaded; a log does not need to.
QUIET := $(shell test -t 2 || echo --quiet)
PIP := $(BIN)/python -m pip --disable-pip-version-check install $(QUIET)
# Tests that start servers are independent of each other.
WORKERS ?= 2
JAVASCRIPT := tests/sdk/javascript tests/vision/exports/javascript tests/azurite

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

# --- Environment: each stamp is newer than what it was made from ------------------------------------------------

$(VENV)/made:
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    echo "Making $(VENV) with $$($$python --version)"; \
	    $$python -m venv $(VENV) || { \
	      echo "make: this Python cannot make virtual environments (Debian, Ubuntu: apt install python3-venv)" >&2; \
	      exit 1; }; \
	    touch $@; exit 0; \
	  fi; \
	done; \
	echo "make: Python 3.11 or newer is needed and was not found (make PYTHON=/path/to/python3 ...)" >&2; exit 1

$(VENV)/torch: $(VENV)/made tools/install_torch.py
	@$(BIN)/python tools/install_torch.py
	@touch $@

$(VENV)/train: $(VENV)/torch pyproject.toml
	@echo "Installing the emulator and what training needs ..."
	@$(PIP) --editable '.[train]'
	@touch $@

$(VENV)/demo: $(VENV)/train
	@echo "Installing the official SDK and the photographs of the demonstration ..."
	@$(PIP) --editable '.[train,demo]'
	@touch $@

$(VENV)/test: $(VENV)/train
	@echo "Installing what the tests need ..."
	@$(PIP) --editable '.[train,demo,test]'
	@touch $@

# Older versions of the official SDK are driven by tests beside the newest one.
.cache/sdks: $(VENV)/test tools/install_sdks.py
	@$(BIN)/python tools/install_sdks.py && touch $@ || true

# With Node, tests drive the JavaScript SDK, load exports and use Azurite; without it they say so.
%/node_modules/made: %/package.json %/package-lock.json
	@if command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1; then \
	  echo "Installing what $* needs ..."; \
	  (cd $* && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error) && touch $@; \
	else \
	  echo "Node or npm is missing: the tests in $* are skipped (install Node 20 or newer)"; \
	fi

# --- What there is to do ----------------------------------------------------------------------------------------

setup: $(VENV)/train
	@echo "Ready. Start with: make demo, make serve, or $(BIN)/custom-vision-emulator serve"

demo: $(VENV)/demo
	@$(BIN)/python tools/demo.py $(if $(IMAGES),--images "$(IMAGES)") $(if $(PORT),--port "$(PORT)")

serve: $(VENV)/train
	@exec $(BIN)/custom-vision-emulator serve $(if $(PORT),--port "$(PORT)")

test: $(VENV)/test .cache/sdks $(JAVASCRIPT:%=%/node_modules/made)
	@$(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=loadfile $(ARGUMENTS)

coverage-page: ARGUMENTS += --write-coverage-page
coverage-page: test

lint: $(VENV)/test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/test
	@$(MAKE) --no-print-directory --directory=bench peers PYTHON=../$(BIN)/python
	@$(BIN)/python -m bench $(ARGUMENTS)

clean:
	@$(MAKE) --no-print-directory --directory=bench clean
	rm -rf $(VENV) $(JAVASCRIPT:%=%/node_modules) build dist *.egg-info .cache
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
