# Everything a person or CI runs. `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory --no-builtin-rules

WORKERS ?= 2
GATEWAYS ?= 1
SECONDS_ ?= 600
ROUNDS ?= 3
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# Stopping and cleaning work without the virtual environment too.
ANY_PYTHON := $(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON))
STUBS := clients/python/headrace/jobs clients/python/headrace/gateway services/stubs
COMPILE := .run/tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
    --no-annotate

.PHONY: help demo test chaos bench simulate check up down clean setup images compose-test format protos lock \
        check-format check-lint check-types check-imports check-protos check-breaking check-stubs check-docs \
        reference check-reference

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
	    while IFS='|' read -r target line; do printf '  make %-12s %s\n' "$$target" "$$line"; done

demo: $(READY) ## The main job on real postings, all in one process; ends by itself
	@$(BIN)/python -m examples.demo

test: $(READY) ## Run every test, on real servers; TESTS=path and ARGS=options narrow it down
	@$(BIN)/python -m deploy.local install
	@unset $${!OPENAI_@}; $(BIN)/python -m pytest $(TESTS) $(ARGS)

chaos: $(READY) ## Break everything under load and check what holds: SEED=N SECONDS_=600 ONLY="kill results"
	@$(BIN)/python -m deploy.local install
	@unset $${!OPENAI_@}; $(BIN)/python -m tests.chaos --seconds $(SECONDS_) $(if $(SEED),--seed $(SEED)) \
	    $(if $(ONLY),--only "$(ONLY)")

bench: $(READY) ## Measure beside FastAPI + Celery and plain asyncio: PARTS="A C" ROUNDS=3; half an hour
	@$(BIN)/python -m deploy.local install
	@unset $${!OPENAI_@}; $(BIN)/python -m tests.bench $(PARTS) --rounds $(ROUNDS)

simulate: $(READY) ## 1,000 workers on a virtual clock: fairness, recovery, load: PARTS="tenants load"; half an hour
	@$(BIN)/python -m tests.simulation $(PARTS)

check: check-format check-lint check-types check-imports check-protos check-breaking check-stubs check-docs check-reference ## Format, lint, types, import rules, protos (-k: all of them)

up: $(READY) ## Start the real stack on loopback: WORKERS=2 GATEWAYS=1
	@$(BIN)/python -m deploy.local up --workers $(WORKERS) --gateways $(GATEWAYS)

down: ## Stop the stack, keep its data
	@$(ANY_PYTHON) -m deploy.local down

images: $(READY) ## Build the Docker image headrace: PYTHON_IMAGE=python:3.13-slim
	@$(BIN)/python -m deploy.docker images

compose-test: $(READY) ## Run jobs on deploy/compose.yaml, workers scaled in the middle; takes minutes
	@$(BIN)/python -m deploy.docker compose-test

clean: ## Stop the stack, remove its data, logs and all caches; .venv stays
	@$(ANY_PYTHON) -m deploy.local clean
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist \
	    examples/node/node_modules examples/cpp/build
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

setup: $(READY) ## Make .venv from requirements.lock (the other targets do so by themselves)

format: $(READY) ## Format the code and the protos
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/buf format -w

protos: $(READY) ## Generate the Python stubs of protos/, and the API reference in docs/
	@$(BIN)/python -m deploy.protos.rule_declarations
	@$(BIN)/buf format -w
	@deploy/protos/generate
	@$(BIN)/python -m deploy.protos.reference

reference: $(READY) ## Generate docs/python.md and docs/cli.md from docstrings and help texts
	@$(BIN)/python -m deploy.reference

lock: $(READY) ## Remake the lock files from the pyproject files: for development and for the image
	@test -x .run/tools/bin/uv || { $(BIN)/python -m venv .run/tools && .run/tools/bin/pip install -q uv; }
	@$(COMPILE) --no-emit-package headrace --group dev pyproject.toml -o requirements.lock
	@$(COMPILE) --no-emit-package headrace -c requirements.lock pyproject.toml -o deploy/docker/requirements.lock
	@cd tests/bench/peers && ../../../$(COMPILE) requirements.in -o requirements.lock
	@grep -o 'hatchling[^"]*' pyproject.toml | head -n 1 | $(COMPILE) -c requirements.lock - -o deploy/docker/build.lock

$(READY): requirements.lock pyproject.toml clients/python/pyproject.toml
	@PYTHON=$(PYTHON) deploy/local/setup

check-format: $(READY)
	@$(BIN)/ruff format --check --quiet || { echo 'Not formatted; run: make format'; exit 1; }

check-lint: $(READY)
	@$(BIN)/ruff check --quiet

check-types: $(READY)
	@$(BIN)/mypy

check-imports: $(READY)
	@said=$$($(BIN)/lint-imports --no-cache) || { echo "$$said"; exit 1; }

check-protos: $(READY)
	@$(BIN)/buf lint
	@$(BIN)/buf format -d --exit-code

check-breaking: $(READY)
	@deploy/protos/breaking

check-stubs: $(READY)
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	$(BIN)/python -m deploy.protos.rule_declarations "$$fresh"; $(BIN)/buf format -w "$$fresh"; \
	diff -qr "$$fresh/buf" protos/buf || { echo 'protos/buf is not of the locked protovalidate; run: make protos'; exit 1; }; \
	deploy/protos/generate "$$fresh"; \
	for package in $(STUBS); do \
	    diff -qr -x __pycache__ "$$fresh/$$package" "$$package" || \
	        { echo 'Stubs are not those of protos/; run: make protos'; exit 1; }; \
	done

check-docs: $(READY)
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; $(BIN)/python -m deploy.protos.reference "$$fresh"; \
	for page in api.md internal-api.md; do \
	    diff -q "$$fresh/$$page" "docs/$$page" || \
	        { echo 'The API reference is not that of protos/; run: make protos'; exit 1; }; \
	done

check-reference: $(READY)
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; $(BIN)/python -m deploy.reference "$$fresh"; \
	for page in python.md cli.md; do \
	    diff -q "$$fresh/$$page" "docs/$$page" || \
	        { echo 'The reference is not that of the docstrings and help texts; run: make reference'; exit 1; }; \
	done
