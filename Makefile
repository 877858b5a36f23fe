# One target a purpose; `make help` lists them. Needs Python 3.11 or later; sets up what else it needs.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help setup drill up test test-unit prove lint bench dashboards docs screenshots clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready ## Create .venv, install the pins, take Prometheus where it is missing (no root needed)

drill: .venv/.ready ## The main job: one launch profile against three servers, side by side, with a verdict each (6 minutes)
	@$(BIN)/firedrill drill

up: .venv/.ready ## The whole stack in the foreground; Ctrl-C stops it
	@$(BIN)/firedrill up

test: .venv/.ready-dev ## Every test but the proofs: real processes, Docker and a browser (15 minutes)
	@$(BIN)/python -m tests.machine
	@$(BIN)/python -m tests.suite

test-unit: .venv/.ready-dev ## The fast tests: no processes but promtool (1 minute)
	@$(BIN)/pytest -n 2 tests/unit tests/contract tests/rules

prove: .venv/.ready-dev ## What depends on the machine's timing, measured and held against limits; writes docs/proofs.md
	@FIREDRILL_PROOFS=1 $(BIN)/pytest -m proof tests/prove

lint: .venv/.ready-dev ## Style, types, import arrows, YAML
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/yamllint --strict load prometheus grafana

bench: .venv/.ready-dev ## Every figure of docs/performance.md anew (5 minutes; leave the machine alone meanwhile)
	@$(BIN)/python -m bench

dashboards: .venv/.ready-dev ## Build grafana/dashboards/*.json from grafana/source
	@$(BIN)/python -m grafana.source

docs: .venv/.ready-dev ## Generate docs/metrics.md from the contract, docs/run.schema.json, docs/performance.md from bench/, and the alerts' links
	@$(BIN)/python -m firedrill.docs
	@$(BIN)/python -m bench.performance_document

screenshots: .venv/.ready-dev ## Take docs/images anew, of the last drill (or of one that it plays first)
	@$(BIN)/python -m docs.screenshots

clean: ## Remove .venv and .tools; recorded runs stay
	rm -rf .venv .tools build *.egg-info

.venv/.ready: requirements.txt pyproject.toml setup.py firedrill/bootstrap.py
	@$(PYTHON) -m firedrill.bootstrap requirements.txt
	@touch $@

.venv/.ready-dev: .venv/.ready requirements-dev.txt
	@$(PYTHON) -m firedrill.bootstrap requirements-dev.txt
	@touch $@
