# Everything a newcomer, a pipeline or a maintainer types. Each target sets up by itself what it needs.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help setup environment demo test check format bench campaign lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

environment:
	@scripts/setup_python.sh

setup: environment ## .venv from the lock, the flights data, SoftHSM2 and NSS; does nothing twice
	@$(BIN)/python scripts/fetch_flights.py
	@scripts/setup_tokens.sh

demo: setup ## the whole product once, from YAML to ciphertext and back
	@demo/run

test: setup ## all tests
	@$(PYTEST) -q -n 2 --dist loadfile --no-loadscope-reorder

check: environment ## format, lint, types, import rows
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy reconciler plugins tests bench demo scripts examples conftest.py
	@for file in tests/scenarios/*/meanwhile.py; do $(BIN)/mypy --no-error-summary "$$file"; done
	@$(PYTEST) -q tests/test_architecture.py

format: environment ## rewrite the code in the house's form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup ## speed as ratios to peers; N="1000 10000" chooses the sizes
	@for script in load plan apply refresh kms hsm warehouse snapshots dask_workers online; do echo "== bench/$$script.py"; $(BIN)/python "bench/$$script.py" $(N); done

campaign: setup ## the longer programme: every property with many more examples, then a soak of the command line
	@$(PYTEST) -q -n 2 --dist loadfile --no-loadscope-reorder --hypothesis-profile=campaign
	@scripts/test_opencryptoki.sh
	@scripts/test_spark.sh
	@$(BIN)/python -m tests.campaign.soak --seeds 1-20 --steps 30

lock: environment ## requirements.txt again, from pyproject.toml
	@CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --all-extras --strip-extras \
	  --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host $(UPGRADE) \
	  --output-file requirements.txt pyproject.toml
	@scripts/setup_python.sh

clean: ## remove what set-up and tests made
	@rm -rf .venv .tools .data .cache build dist demo/.work manifests/quickstart/data .pytest_cache .mypy_cache .ruff_cache .hypothesis
