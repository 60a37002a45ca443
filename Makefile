# make setup          create .venv with everything to serve and to train, and build the portal
# make demo           train a classifier on real photographs and predict with it; IMAGES=folder, PORT=number
# make serve          start the emulator; PORT=number
#
# make test           run all tests; T=core/images runs one folder or file below tests/
# make test-long      run all tests, with searches of full length; T as above
# make test-fast      run the fast tests of store, contract, gateway, api, core and worker
# make test-team      run the tests of the store and of the rules with the rows on PostgreSQL; BLOBS=azurite or
#                     BLOBS=s3 for images and models in an object store, too
# make watch          run fast tests again whenever a file changes; T=core/images
# make check          run ruff, mypy, import-linter and codespell; TypeScript and ESLint of the portal
# make format         format the code and apply ruff's fixes
# make coverage-page  write docs/coverage.md from the tests that ran
# make bench          measure performance
# make portal         build the portal, the web application, where it is not built
# make screenshots    take the pictures of the documentation from the portal; SHOTS='images label'
# make portal-dev     its development server with hot reload; EMULATOR=http://127.0.0.1:10010
# make fuzz           send requests generated from the contract; MINUTES=10, SEED=number
# make clean          remove everything that make created
#
# test, test-long, test-fast, watch, bench and fuzz pass ARGUMENTS on, for example:
#   make test T=core/images ARGUMENTS='-k upload -x'
# Tests run in WORKERS processes (default 2): make test WORKERS=8

.DELETE_ON_ERROR:
.NOTPARALLEL:
.SUFFIXES:
.PHONY: help setup demo serve test test-long test-fast test-team watch check lint format coverage-page bench fuzz portal portal-dev screenshots clean

VENV = .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
# Progress bars of downloads are shown in a terminal only.
QUIET := $(shell test -t 2 || echo --quiet)
PIP := $(BIN)/python -m pip --disable-pip-version-check install $(QUIET)
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest
# Each file is a unit. tests/conftest.py sets their order: long ones first, so that no worker is without work at the end.
PARALLEL = --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder
# The tests start hundreds of processes. With this variable, each of them would compile the emulator again.
unexport PYTHONDONTWRITEBYTECODE
FAST := $(addprefix tests/,store contract gateway api core worker)
# The folders whose tests use the fixture `service`, without those of damage to files. Tests of vision, data sets,
# settings, worker and serving use no store.
TEAM := $(addprefix tests/,store core api contract_chain gateway portal_requests pulling tracing)
JAVASCRIPT := tests/sdk/javascript tests/vision/exports/javascript tests/azurite

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

# --- Environment: each stamp file is newer than its sources ------------------------------------------------------

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

# Tests run older versions of the official SDK beside the newest one.
.cache/sdks: $(VENV)/test tools/install_sdks.py
	@$(BIN)/python tools/install_sdks.py && touch $@ || true

# Tests of the JavaScript SDK, of exports in JavaScript and of Azurite need Node; without it they are skipped.
%/node_modules/made: %/package.json %/package-lock.json
	@if command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1; then \
	  echo "Installing what $* needs ..."; \
	  (cd $* && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error) && touch $@; \
	else \
	  echo "Node or npm is missing: the tests in $* are skipped (install Node 20 or newer)"; \
	fi

# The web application, which the Node of a Python package builds. Nothing is done while it is up to date.
PORTAL := $(BIN)/python tools/build_portal.py
portal: $(VENV)/made
	@$(PORTAL) build --install

# --- Targets -----------------------------------------------------------------------------------------------------

setup: portal $(VENV)/train
	@echo "Ready. Start with: make demo, make serve, or $(BIN)/custom-vision-emulator serve"

demo: portal $(VENV)/demo
	@$(BIN)/python tools/demo.py $(if $(IMAGES),--images "$(IMAGES)") $(if $(PORT),--port "$(PORT)")

serve: portal $(VENV)/train
	@exec $(BIN)/custom-vision-emulator serve $(if $(PORT),--port "$(PORT)")

test: portal $(VENV)/test .cache/sdks $(JAVASCRIPT:%=%/node_modules/made)
	@$(if $(filter-out portal,$(T)),,$(PORTAL) test)
	@$(PYTEST) $(PARALLEL) $(T:%=tests/%) $(ARGUMENTS)

test-long: export EMULATOR_TEST_LONG = 1
test-long: test

test-fast: $(VENV)/test
	@$(PYTEST) $(PARALLEL) -m "not slow" $(FAST) $(ARGUMENTS)

# PostgreSQL is that of the machine's packages; the tests start it and the object store. Those of the data folder's own
# database and files are left out.
test-team: $(VENV)/test $(if $(filter azurite,$(BLOBS)),tests/azurite/node_modules/made)
	@EMULATOR_TEST_STORE=postgresql EMULATOR_TEST_BLOBS=$(or $(BLOBS),files) $(PYTEST) $(PARALLEL) $(or $(T:%=tests/%),$(TEAM)) $(ARGUMENTS)

# One process: a single folder starts sooner than two workers do.
watch: $(VENV)/test
	@$(BIN)/ptw . --now --clear --runner $(BIN)/pytest -m "not slow" -q $(or $(T:%=tests/%),$(FAST)) $(ARGUMENTS)

# These tests give all the evidence on the page; "make test" fails when the page differs from it.
EVIDENCE := tests/recorded tests/sdk/test_every_operation.py
coverage-page: $(VENV)/test .cache/sdks $(JAVASCRIPT:%=%/node_modules/made)
	@$(PYTEST) $(PARALLEL) --override-ini="testpaths=$(EVIDENCE)" --write-coverage-page

check: $(VENV)/test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/codespell
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(PORTAL) check

lint: check

screenshots: portal $(VENV)/test
	@$(BIN)/python tools/screenshots.py $(SHOTS)

portal-dev: $(VENV)/made
	@$(if $(EMULATOR),EMULATOR_URL="$(EMULATOR)") $(PORTAL) dev --install

format: $(VENV)/test
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/test
	@$(MAKE) --no-print-directory --directory=bench peers PYTHON=../$(BIN)/python
	@$(BIN)/python -m bench $(ARGUMENTS)

fuzz: $(VENV)/test
	@$(BIN)/python -m tests.fuzz $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(ARGUMENTS)

clean:
	@$(MAKE) --no-print-directory --directory=bench clean
	rm -rf $(VENV) $(JAVASCRIPT:%=%/node_modules) build dist *.egg-info .cache
	rm -rf portal/node_modules portal/src/api/generated emulator/portal/static
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
