# gonogo. `make run` and `make test` are all there is to set up; both make their own environment.

PYTHON ?= python3
BIN := .venv/bin
FAULT ?=
TARGET ?=
PHASES ?=
SPEED ?=
DRILL = $(if $(FAULT),--fault $(FAULT),) $(if $(TARGET),--target $(TARGET),) $(if $(PHASES),--phases $(PHASES),) $(if $(SPEED),"--speed=$(SPEED)",) $(if $(PLAN),--plan "plans/$(PLAN).yaml",)

.DEFAULT_GOAL := help
SEEDS ?= 2000
ROUNDS ?=
REQUESTS ?=
RATE ?=
BENCH = $(if $(ROUNDS),--rounds $(ROUNDS),) $(if $(REQUESTS),--requests $(REQUESTS),) $(if $(RATE),--rate $(RATE),)
.PHONY: help run test lint bench simulate matrix drill lock clean environment environment-dev

help: ## Explain the commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

run: environment ## Start everything for a rehearsal and print one URL (Ctrl-C stops it; the data stays)
	@exec setpriv --pdeathsig TERM -- "$(BIN)/gonogo" up $(if $(PLAN),--plan "plans/$(PLAN).yaml")

test: environment-dev ## Run all tests: unit, integration on PostgreSQL, end-to-end in Chromium
	@"$(BIN)/python" -m pytest -n 2 --dist loadfile $(ARGS)

lint: environment-dev ## Check style, types, the house's floors and the vendored files
	@"$(BIN)/ruff" check .
	@"$(BIN)/ruff" format --check .
	@"$(BIN)/mypy"
	@"$(BIN)/lint-imports"
	@"$(BIN)/python" .ci/vendor.py --check

bench: environment-dev ## Measure; ARGS=latency, races, moves, triggers, breakglass … (ROUNDS=20, REQUESTS=100000)
	@"$(BIN)/python" -m tests.bench $(ARGS) $(BENCH)

simulate: environment-dev ## Simulate whole courses with faults, and catch the mutants (SEEDS=20000, ARGS=--races)
	@PYTHONHASHSEED=0 "$(BIN)/python" -m tests.simulate --seeds $(SEEDS) $(ARGS)

matrix: environment-dev ## Kill and freeze real workers at every call, the web process, PostgreSQL (30 min; ARGS="--only web postgres")
	@"$(BIN)/python" -m tests.bench.matrix $(ARGS)

drill: environment ## Rehearse unattended and print one JSON line (FAULT=green-slow, green-dead, worker-kill, postgres-restart; TARGET=haproxy, aws; PHASES=all SPEED=60)
	@exec setpriv --pdeathsig TERM -- "$(BIN)/gonogo" drill $(DRILL) $(ARGS)

lock: environment-dev ## Lock the dependencies again, with hashes (needs uv: pip install uv)
	@uv pip compile --quiet --generate-hashes --no-header --no-annotate --python-version 3.11 pyproject.toml -o requirements.lock
	@uv pip compile --quiet --generate-hashes --no-header --no-annotate --python-version 3.11 --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean: ## Remove environment, caches and the rehearsal's data
	@rm -rf .venv .gonogo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

environment:
	@$(PYTHON) .ci/bootstrap.py

environment-dev:
	@$(PYTHON) .ci/bootstrap.py --dev
