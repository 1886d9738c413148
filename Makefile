# Mailgrid. `make help` prints what there is.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help

.PHONY: help
help: ## This list.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: run
run: $(VENV)/.base ## Everything in one process on port 8000 (PORT=... for another).
	@exec $(BIN)/python manage.py up

.PHONY: fleet
fleet: $(VENV)/.test ## Every process of deploy/Procfile, on DATABASE_URL, BROKER_URL and REDIS_URL.
	@$(BIN)/python -m mailgrid.settings.secrets
	@DJANGO_SETTINGS_MODULE=mailgrid.settings.fleet exec $(BIN)/python manage.py fleet

.PHONY: test
test: $(VENV)/.test ## All tests; installs what they need.
	$(BIN)/python -m pytest -n auto -m "not services"
	$(BIN)/python -m tests.services sh -c '\
	  $(BIN)/python -m pytest -n auto -m "not sqlite" tests/unit tests/integration tests/journeys && \
	  $(BIN)/python -m pytest tests/fleet'
	$(BIN)/python -m pytest tests/chaos/test_quick.py

.PHONY: check
check: $(VENV)/.dev ## Style, types, import rules, migrations, OpenAPI document, generated docs.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy mailgrid tenants templates emails workers tests/fakes
	$(BIN)/lint-imports
	$(BIN)/python -W ignore manage.py makemigrations --check --dry-run
	$(BIN)/python -W ignore manage.py spectacular --validate --fail-on-warn --format openapi-json | diff -u docs/openapi.json -
	$(BIN)/python -m mailgrid.env | diff -u docs/configuration.md -

.PHONY: docs
docs: $(VENV)/.dev ## Write the generated documents anew.
	$(BIN)/python -m mailgrid.env > docs/configuration.md
	$(BIN)/python -W ignore manage.py spectacular --format openapi-json > docs/openapi.json

.PHONY: bench
bench: $(VENV)/.test ## Benchmarks; prints tables (ROWS="accept deliver" for some, N=... for their size).
	$(BIN)/python -m tests.bench $(ROWS) $(if $(N),N=$(N)) $(if $(ROUNDS),--rounds $(ROUNDS))

.PHONY: chaos
chaos: $(VENV)/.test ## Break things on purpose, and count what came of it (ROWS=R01,S03 for some, SEED=1 to repeat, SOAK=1 N=100000 for the long form).
	$(BIN)/python -m tests.chaos $(if $(ROWS),--only $(ROWS)) $(if $(SEED),--seed $(SEED)) $(if $(SOAK),--soak) $(if $(N),--n $(N))

.PHONY: pins
pins: $(VENV)/.dev ## Compile requirements/*.in to hashed pins.
	cd requirements && for set in base test dev; do \
	  ../$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet \
	    $$set.in -o $$set.txt $$([ $$set = base ] || echo "-c base.txt"); done

.PHONY: clean
clean: ## Forget the virtual environment and caches; var/ stays.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Mailgrid needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.%: requirements/%.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet -r $<
	@touch $@
