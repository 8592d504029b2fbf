# Everything runs from .venv; `setup` makes it, and costs a moment when nothing changed.
SHELL := /bin/bash
BIN := .venv/bin
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow ci bench format clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make .venv from uv.lock (PYTHON=python3.13 make setup: with that Python)
	@bash tools/setup.sh

demo: setup ## Run the flights pipeline and ask the pushed model for three predictions
	$(BIN)/penstock run problems/flights.yaml --ask 3

test: setup ## Check style, types and layers; run every test that is not marked slow
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow and not tensorflow"
	$(BIN)/pytest -m "tensorflow and not slow"

test-slow: setup ## Run the end-to-end tests
	$(BIN)/pytest -m slow

ci: test test-slow ## Run all that .ci/run runs

bench: setup ## Measure again every figure that README.md states
	@set -e; for benchmark in benchmarks/[a-z]*.py; do echo "== $$benchmark"; $(BIN)/python "$$benchmark"; done

format: setup ## Format the code and fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove caches and build output (.venv, .penstock and data/ stay)
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
