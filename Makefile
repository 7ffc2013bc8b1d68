# The only task runner. Needs python3 (3.11 or newer) with venv and pip; uses uv where there is one.
SHELL := /bin/sh
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

# Variables of the targets below; give them on the command line: make chaos SEED=7 MINUTES=10
PORT ?= 8000
SEED ?= 1
SEEDS ?= 1-20
MINUTES ?= 2
DB ?= postgres
DEBUG_WORKER ?=
ARGS ?=

# A copy of the lock that is installed: installing again happens only when its content changed.
RUNTIME := $(VENV)/installed/requirements.lock
DEV := $(VENV)/installed/requirements-dev.lock

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z.-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: up
up: $(if $(filter-out 0,$(DEBUG_WORKER)),$(DEV),$(RUNTIME)) ## Start JOST on PORT (8000); Ctrl-C stops everything; DEBUG_WORKER=1 lets a debugger attach
	@PORT=$(PORT) DEBUG_WORKER=$(DEBUG_WORKER) exec $(BIN)/python -m jost.embedded.up

.PHONY: demo
demo: $(RUNTIME) ## The same under a steady load, with a page to break it: http://127.0.0.1:PORT/demo/
	@PORT=$(PORT) JOST_DEMO=1 exec $(BIN)/python -m jost.embedded.up

.PHONY: test
test: $(DEV) ## Unit and integration tests and the short seeded chaos scenarios
	./.ci/test $(BIN)/python $(ARGS)

.PHONY: test-all
test-all: $(DEV) ## The same and the long forms
	./.ci/test $(BIN)/python --soak $(ARGS)

.PHONY: test-brokers
test-brokers: $(DEV) ## On TLS, Sentinel, RabbitMQ and, if there is one, Valkey; installs them by apt as root
	./.ci/test-brokers $(BIN)/python $(ARGS)

.PHONY: test-deploy
test-deploy: $(DEV) ## Deploy files checked by the tools they are for; installs them by apt as root
	./.ci/test-deploy $(BIN)/python $(ARGS)

.PHONY: test-browser
test-browser: $(DEV) ## The console in a real Chromium; installs it by apt as root
	./.ci/test-browser $(BIN)/python $(ARGS)

.PHONY: test-services
test-services: $(DEV) ## The three above, Prometheus, Flower, a bare installation; installs what is missing by apt as root
	./.ci/test-services $(BIN)/python $(ARGS)

.PHONY: test-unit
test-unit: $(DEV) ## Unit tests only: no services, a few seconds
	$(BIN)/python -m pytest tests/unit $(ARGS)

.PHONY: lint
lint: $(DEV) ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports --no-cache

.PHONY: format
format: $(DEV) ## Put the code into its one format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: bench
bench: $(DEV) ## Measure against plain Celery; writes benchmarks/results/core.json
	$(BIN)/python -m benchmarks.run $(ARGS)

PEERS := .venv-peers

.PHONY: bench-peers
bench-peers: $(PEERS)/requirements.lock ## Measure beside other systems; writes benchmarks/results/peers.json
	PYTHONPATH=src:. $(PEERS)/bin/python -m benchmarks.peers $(ARGS)

.PHONY: budgets
budgets: $(DEV) ## Count what a job costs and hold it against the budgets; ARGS=--write records it
	$(BIN)/python -m benchmarks.budgets $(ARGS)

.PHONY: bench-pages
bench-pages: $(DEV) ## Measure the console's pages on ten million jobs; writes benchmarks/results/pages.json
	$(BIN)/python -m benchmarks.pages $(ARGS)

.PHONY: bench-autoscale
bench-autoscale: $(DEV) ## Measure a load step on pools that scale; writes benchmarks/results/autoscale.json and its picture
	$(BIN)/python -m benchmarks.autoscale

.PHONY: bench-simulations
bench-simulations: $(DEV) ## Measure rounds per second of blackjack beside a C loop; ARGS=--write records it
	$(BIN)/python -m benchmarks.simulations $(ARGS)

.PHONY: bench-request
bench-request: $(DEV) ## Measure a heavy request, and the same work as jobs; writes benchmarks/results/request.json
	$(BIN)/python -m benchmarks.request $(ARGS)

.PHONY: bench-scale
bench-scale: $(DEV) ## Measure many workers, rows and jobs; writes benchmarks/results/scale.json
	$(BIN)/python -m benchmarks.scale $(ARGS)

.PHONY: chaos
chaos: $(DEV) ## Random faults for MINUTES (2) from SEED (1) on DB (postgres or sqlite)
	$(BIN)/python -m tests.chaos.soak --seed $(SEED) --minutes $(MINUTES) --db $(DB) $(ARGS)

.PHONY: chaos-campaign
chaos-campaign: $(DEV) ## Many seeds in a row on DB, those that have no result yet; SEEDS (1-20)
	$(BIN)/python -m tests.chaos.series --seeds $(SEEDS) --db $(DB) $(ARGS)

.PHONY: docs
docs: $(DEV) ## Check that the documentation's links and examples hold
	$(BIN)/python -m pytest tests/docs $(ARGS)

SITE := .venv-docs

.PHONY: site
site: $(SITE)/requirements-docs.lock ## Build the documentation site in docs/_build/html; a warning fails it
	$(SITE)/bin/sphinx-build -q -E -W --keep-going -c docs -b html . docs/_build/html

.PHONY: messages
messages: $(DEV) ## Bring the catalogues of translations up to date with the code; ARGS="--language fr" begins one
	DJANGO_SETTINGS_MODULE=tests.django_settings $(BIN)/python -m tests.texts.catalogue --write $(ARGS)

RELEASE := .venv-release

.PHONY: package
package: $(RELEASE)/requirements-release.lock ## Build what a release has into dist/: wheel, sources, bill of materials
	PATH=$(CURDIR)/$(RELEASE)/bin:$$PATH ./.ci/package

.PHONY: lock
lock: ## Resolve the lock files anew (needs uv)
	./.ci/lock

.PHONY: clean
clean: ## Remove the environment and all caches; var/ (JOST's data) stays
	rm -rf $(VENV) $(PEERS) .venv-deploy $(SITE) docs/_build $(RELEASE) .nox .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: .venv
.venv: $(RUNTIME) ## The environment for running JOST (test and lint add their own tools)

$(VENV)/pyvenv.cfg:
	@test -n "$(PYTHON)" || { echo "Holdfast needs Python 3.11 or newer: install it, or run make PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.lock requirements-redis.lock pyproject.toml $(VENV)/pyvenv.cfg
	@./.ci/install $(VENV) requirements.lock

$(DEV): requirements-dev.lock $(RUNTIME)
	@./.ci/install $(VENV) requirements-dev.lock

# The other systems have an environment of their own: nothing of them is in the lock of the tests.
$(PEERS)/requirements.lock: benchmarks/peers/requirements.lock
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	cp $< $@

# Sphinx and what it draws in stay out of the lock of the tests.
$(SITE)/requirements-docs.lock: requirements-docs.lock
	$(PYTHON) -m venv $(SITE)
	$(SITE)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	$(SITE)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	cp $< $@

# What builds a release is not what it is tested with.
$(RELEASE)/requirements-release.lock: requirements-release.lock
	$(PYTHON) -m venv $(RELEASE)
	$(RELEASE)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	cp $< $@
