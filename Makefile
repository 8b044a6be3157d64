# Everything a developer or a newcomer runs. Each target does its own set-up, once.
PYTHON ?= python3
# One more than there are cores: many a test waits for somebody else.
JOBS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
PINS := $(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-emit-index-url \
	--no-emit-find-links --custom-compile-command 'make pins' pyproject.toml
PACKAGE := pyproject.toml README.md $(wildcard frontend/*.js frontend/*.css frontend/*.json frontend/*.py) \
	$(wildcard plugin/dashboard/translations/*/LC_MESSAGES/*.po)
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test soak live check format pins bench-intake clean

help: ## Show this list
	@sed -n 's/^\([a-z%-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS='	' read -r name what; do \
		printf '  make %-12s %s\n' "$$name" "$$what"; done

demo: .venv/.runtime .venv/.package ## Start the app, a worker and a sandbox shop, and print the address to open
	@exec $(BIN)/herkend demo

test: .venv/.developer .venv/.package ## Run the whole suite but what takes minutes
	$(BIN)/python -m pytest -p tests.no_skips -m "not soak" -n $(JOBS) --cov --cov-report=term $(ARGS)

soak: .venv/.developer .venv/.package ## Run what takes minutes
	$(BIN)/python -m pytest -p tests.no_skips -m soak -n 2 --dist loadgroup $(ARGS)

live: .venv/.developer .venv/.package ## Try it on the real Saleor of HERKEND_LIVE_API_URL; CONTRIBUTING.md says how
	@test -n "$$HERKEND_LIVE_API_URL" || { echo "Set HERKEND_LIVE_API_URL and what else CONTRIBUTING.md names."; exit 1; }
	$(BIN)/python -m pytest -p tests.no_skips tests/live $(ARGS)

check: .venv/.developer .venv/.package ## Lint, check the format, the types and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.developer ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

pins: .venv/.developer ## Write the pins again from pyproject.toml; ARGS=--upgrade takes newer versions
	$(PINS) --extra sandbox --output-file requirements.txt $(ARGS)
	$(PINS) --extra sandbox --extra dev --constraint requirements.txt --output-file requirements-dev.txt $(ARGS)

bench-intake: .venv/.developer .venv/.package ## Measure how many deliveries a second are accepted and durable
	@$(BIN)/python bench/intake.py $(ARGS)

clean: ## Remove all that was made here; the demo's data stand elsewhere and stay
	rm -rf .venv frontend/node_modules plugin/dashboard/static/bundle dist .coverage .coverage.* \
		.pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find plugin/dashboard/translations -name '*.mo' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The set-up. A stamp is written when its step has ended well, so a second run finds nothing to do.

.venv/.made:
	@test -w . || { echo "This folder cannot be written to by $$(id -un): clone it into a folder of your own."; exit 1; }
	@command -v $(PYTHON) >/dev/null 2>&1 || \
		{ echo "python3 is missing. On Debian or Ubuntu: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Herkend needs Python 3.11 or newer; this is $$($(PYTHON) --version 2>&1)." \
		"Install a newer one and name it: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "Python's venv module is missing. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || \
		{ echo "Making the virtual environment .venv"; rm -rf .venv && $(PYTHON) -m venv .venv; }
	@touch $@

.venv/.runtime: requirements.txt | .venv/.made
	@echo "Installing what Herkend runs on (about 40 MB, once)"
	@$(PIP) install --no-deps --require-hashes -r requirements.txt
	@touch $@

.venv/.developer: requirements-dev.txt | .venv/.made
	@echo "Installing what Herkend runs on and is tested with (about 130 MB, once)"
	@$(PIP) install --no-deps --require-hashes -r requirements-dev.txt
	@touch $@

.venv/.package: $(PACKAGE) | .venv/.made
	@echo "Building the page's script and style and installing Herkend itself (some 10 to 40 seconds, once)"
	@$(PIP) install --no-deps --editable .
	@touch $@
