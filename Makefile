# Targets for people and CI. `make` alone lists them.
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
# `down` and `clean` work without the virtual environment too.
ANY_PYTHON := $(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON))
# Parallel test processes. Each has its own servers and ports. The tests of one file stay in one process.
JOBS ?= 2
IN_PARALLEL := --numprocesses $(JOBS) --dist loadgroup --no-loadscope-reorder
FAST_TESTS := tests/unit tests/providers
GENERATED := clients/python/headrace/jobs clients/python/headrace/gateway clients/python/headrace/reasons.py \
    services/stubs clients/protos
COMPILE := .run/tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
    --no-annotate

.PHONY: help demo test test-fast chaos bench simulate real-model check up down clean setup images compose-test format protos \
        proto-baseline lock \
        check-format check-lint check-types check-imports check-protos check-breaking check-stubs check-docs \
        check-licences check-prose licences reference check-reference

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
	    while IFS='|' read -r target line; do printf '  make %-12s %s\n' "$$target" "$$line"; done

demo: $(READY) ## Run the main job on real postings, all in one process, then exit
	@$(BIN)/python -m examples.demo

test: $(READY) ## Run all tests on real servers: TESTS=path ARGS=options
	@$(BIN)/python -m deploy.local install
	@unset $${!OPENAI_@}; $(BIN)/python -m pytest $(if $(TESTS),$(TESTS),$(IN_PARALLEL)) $(ARGS)

test-fast: $(READY) ## Run the tests that need no servers
	@unset $${!OPENAI_@}; $(BIN)/python -m pytest -m "not server" $(IN_PARALLEL) $(FAST_TESTS) $(ARGS)

chaos: $(READY) ## Inject faults under load and check every guarantee: SEED=N SECONDS_=600 ONLY="kill results"
	@$(BIN)/python -m deploy.local install
	@unset $${!OPENAI_@}; $(BIN)/python -m tests.chaos --seconds $(SECONDS_) $(if $(SEED),--seed $(SEED)) \
	    $(if $(ONLY),--only "$(ONLY)")

bench: $(READY) ## Measure next to FastAPI + Celery and plain asyncio: PARTS="A C" ROUNDS=3; takes over an hour
	@$(BIN)/python -m deploy.local install
	@unset $${!OPENAI_@}; $(BIN)/python -m tests.bench $(PARTS) --rounds $(ROUNDS)

simulate: $(READY) ## Simulate 1,000 workers on a virtual clock: PARTS="tenants load"; takes half an hour
	@$(BIN)/python -m tests.simulation $(PARTS)

real-model: $(READY) ## Run on a small real model that llama.cpp serves: downloads 130 MB, takes some minutes
	@$(BIN)/python -m tests.real_model

check: check-format check-lint check-types check-imports check-protos check-breaking check-stubs check-docs check-reference check-licences check-prose ## Check format, lint, types, imports, protos, docs, licences and prose (-k: keep going)

up: $(READY) ## Start the real stack on loopback: WORKERS=2 GATEWAYS=1
	@$(BIN)/python -m deploy.local up --workers $(WORKERS) --gateways $(GATEWAYS)

down: ## Stop the stack and keep its data
	@$(ANY_PYTHON) -m deploy.local down

images: $(READY) ## Build the Docker image headrace: PYTHON_IMAGE=python:3.13-slim
	@$(BIN)/python -m deploy.docker images

compose-test: $(READY) ## Run jobs on deploy/compose.yaml and scale workers meanwhile; takes minutes
	@$(BIN)/python -m deploy.docker compose-test

clean: ## Stop the stack and remove its data, logs and all caches, but not .venv
	@$(ANY_PYTHON) -m deploy.local clean
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist \
	    examples/node/node_modules examples/cpp/build
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

setup: $(READY) ## Create .venv from requirements.lock (the other targets do it automatically)

format: $(READY) ## Format the code and the protos
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/buf format -w

protos: $(READY) ## Generate stubs, error reasons, plain protos and API reference from protos/
	@$(BIN)/python -m deploy.protos.rule_declarations
	@$(BIN)/buf format -w
	@deploy/protos/generate
	@$(BIN)/python -m deploy.protos.reference

proto-baseline: $(READY) ## Permit a deliberate break of protos/: compare with them as they are now until main has them
	@$(BIN)/buf build --exclude-source-info -o deploy/protos/baseline.binpb

licences: $(READY) ## Write NOTICE from the packages that are installed
	@$(BIN)/python -m deploy.licences

reference: $(READY) ## Generate docs/python.md and docs/cli.md from docstrings and help texts
	@$(BIN)/python -m deploy.reference

lock: $(READY) ## Update the lock files from the pyproject files, for development and for the image
	@test -x .run/tools/bin/uv || { $(BIN)/python -m venv .run/tools && .run/tools/bin/pip install -q uv; }
	@$(COMPILE) --no-emit-package headrace --group dev pyproject.toml -o requirements.lock
	@$(COMPILE) --no-emit-package headrace -c requirements.lock pyproject.toml -o deploy/docker/requirements.lock
	@cd tests/bench/peers && ../../../$(COMPILE) requirements.in -o requirements.lock
	@$(COMPILE) -c requirements.lock examples/fastapi/requirements.in -o examples/fastapi/requirements.txt
	@$(COMPILE) -c requirements.lock examples/notebook-requirements.in -o examples/notebook-requirements.txt
	@cd tests/real_model && ../../$(COMPILE) --no-deps requirements.in -o requirements.lock
	@grep -o 'hatchling[^"]*' pyproject.toml | head -n 1 | $(COMPILE) -c requirements.lock - -o deploy/docker/build.lock

$(READY): requirements.lock pyproject.toml clients/python/pyproject.toml clients/python/headrace/_version.py
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
	diff -qr "$$fresh/buf" protos/buf || { echo 'protos/buf does not match the locked protovalidate; run: make protos'; exit 1; }; \
	deploy/protos/generate "$$fresh"; \
	for generated in $(GENERATED); do \
	    diff -qr -x __pycache__ -x README.md "$$fresh/$$generated" "$$generated" || \
	        { echo 'Generated files do not match protos/; run: make protos'; exit 1; }; \
	done

check-docs: $(READY)
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; $(BIN)/python -m deploy.protos.reference "$$fresh"; \
	for page in api.md internal-api.md errors.md; do \
	    diff -q "$$fresh/$$page" "docs/$$page" || \
	        { echo 'The API reference is out of date; run: make protos'; exit 1; }; \
	done

check-licences: $(READY)
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; $(BIN)/python -m deploy.licences "$$fresh"; \
	diff "$$fresh/NOTICE" NOTICE || { echo 'NOTICE does not match the installed packages; run: make licences'; exit 1; }

check-prose: $(READY)
	@$(BIN)/python -m deploy.prose

check-reference: $(READY)
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; $(BIN)/python -m deploy.reference "$$fresh"; \
	for page in python.md cli.md settings.md; do \
	    diff -q "$$fresh/$$page" "docs/$$page" || \
	        { echo 'The reference is not that of the docstrings and help texts; run: make reference'; exit 1; }; \
	done
