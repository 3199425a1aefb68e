# Everything that a person does with this repository. Each target makes what it needs first.

PYTHON ?= python3
FAULTS_ON ?= both
FUZZ ?= 52
PRESETS ?= quick --seeds 5
# one for each core of a small machine; a third has the cores where a test waits, and slows those that do not
TESTERS ?= 2
# what Python compiles is kept: each process of the tests would rewrite all asserts again
unexport PYTHONDONTWRITEBYTECODE
VENV := .venv
BIN := $(VENV)/bin
STEP := ./scripts/step
# what a start needs; `setup` adds what tests and checks need
STARTED := $(BIN)/.started webui/static/node_modules/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo up test check format lint types imports tests faults fuzz lock browser \
	compose-test wheel wheel-test bench-api bench-training bench-steps bench-together bench-presets bench-neighbor bench-latency bench-recovery bench-idle bench-ingest bench-streams bench-scale bench-bulk bench-submits bench-up bench-compare bench-pages bench-coach chaos harness fairness simulate catalog screenshots clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STARTED) ## Train MNIST through the real queue and download the checkpoint: one command, no set-up
	@$(STEP) "demo" $(BIN)/trainyard demo

up: $(STARTED) ## Start dashboard, broker and worker on this machine; Ctrl-C stops them
	@exec $(BIN)/trainyard up

setup: $(BIN)/.ready webui/static/node_modules/.ready ## Install what tests and checks need besides

test: setup browser tests ## Run all tests, on real services that they start themselves

check: setup browser format lint types imports tests ## Format, lint, types, import rules, tests

format: $(BIN)/.ready ## Say what is not formatted (fix it: .venv/bin/ruff format)
	@$(STEP) "format" $(BIN)/ruff format --check --quiet .

lint: $(BIN)/.ready
	@$(STEP) "lint" $(BIN)/ruff check --quiet .

types: $(BIN)/.ready
	@$(STEP) "types" $(BIN)/mypy --no-error-summary

imports: $(BIN)/.ready
	@$(STEP) "import rules" $(BIN)/lint-imports --no-logo

tests: setup
	@$(STEP) "tests" $(BIN)/python -m pytest -q -n $(TESTERS) --dist loadgroup --faults-on postgresql -m "not variant" $(PYTEST)

faults: setup ## All tests of faults and of whole runs, on both databases (FAULTS_ON=sqlite: on one)
	@$(STEP) "faults" $(BIN)/python -m pytest -q -n 2 --dist loadgroup --faults-on $(FAULTS_ON) tests/faults tests/worker/supervisor tests/upgrade

fuzz: setup ## Ask the API for all that its document allows, and more, on both databases (FUZZ=30: examples of each address)
	@$(STEP) "fuzz" env FUZZ=$(FUZZ) $(BIN)/python -m pytest -q -s -n 0 tests/webui/test_fuzz.py

browser: ## Have a Chromium for the tests, where this machine's packages bring one
	@$(STEP) "browser" scripts/ensure-chromium

bench-api: setup ## Time GET /jobs while a run trains
	@$(STEP) "bench" $(BIN)/python -m bench.api

bench-training: setup ## The engine against the tutorial's loop and a bare one, side by side
	@$(STEP) "bench" $(BIN)/python -m bench.training $(TRAINING)

bench-steps: setup ## From the tutorial to the quick preset, step by step
	@$(STEP) "bench" $(BIN)/python -m bench.steps $(STEPS)

bench-together: setup ## Several small runs on one device at once (TOGETHER=8)
	@$(STEP) "bench" $(BIN)/python -m bench.together $(TOGETHER)

bench-presets: setup ## Train presets over several seeds (PRESETS="quick best --seeds 3")
	@$(STEP) "bench" $(BIN)/python -m bench.presets $(PRESETS)

bench-neighbor: setup ## Steps of each preset beside busy processes (NEIGHBOR="quick --rounds 5")
	@$(STEP) "bench" $(BIN)/python -m bench.neighbor $(NEIGHBOR)

bench-latency: setup ## Time from submit to first batch on an idle worker, part by part
	@$(STEP) "bench" $(BIN)/python -m bench.latency

bench-recovery: setup ## Time cancels, and runs that resume after a kill
	@$(STEP) "bench" $(BIN)/python -m bench.recovery

bench-scale: setup ## What the queue and the lists cost among 100,000 runs (SCALE="--rows 1000000")
	@$(STEP) "bench" $(BIN)/python -m bench.scale $(SCALE)

bench-bulk: setup ## Time a submit of a thousand runs, on both databases (BULK="--rounds 5")
	@$(STEP) "bench" $(BIN)/python -m bench.bulk $(BULK)

bench-submits: setup ## Submits by the API, one client and several (SUBMITS="--clients 8 --on sqlite")
	@$(STEP) "bench" $(BIN)/python -m bench.submits $(SUBMITS)

bench-streams: setup ## Many viewers of one run (STREAMS="--viewers 1000 --database sqlite")
	@$(STEP) "bench" $(BIN)/python -m bench.streams $(STREAMS)

bench-up: setup ## Time from `trainyard up` to the first page and to a worker (UP="--rounds 5")
	@$(STEP) "bench" $(BIN)/python -m bench.up $(UP)

bench-compare: setup ## What comparing fifty runs costs the server (COMPARE="--runs 50")
	@$(STEP) "bench" $(BIN)/python -m bench.compare $(COMPARE)

bench-pages: setup ## What the pages weigh, and how soon they answer in a browser (PAGES="--rounds 5")
	@$(STEP) "bench" $(BIN)/python -m bench.pages $(PAGES)

bench-coach: setup ## How often the coach is right about runs that were really made (COACH=--all)
	@$(STEP) "bench" $(BIN)/python -m bench.coach $(COACH)

bench-idle: setup ## Measure what an idle worker and a running job cost
	@$(STEP) "bench" $(BIN)/python -m bench.idle

bench-ingest: setup ## Metric samples a second from eight runs, as rows and in segments (INGEST="--runs 8")
	@$(STEP) "bench" $(BIN)/python -m bench.ingest $(INGEST)

chaos: setup ## A storm of faults over a hundred jobs, then the checker (CHAOS="--seed 1 --faults 60")
	@$(STEP) "chaos" $(BIN)/python -m tests.faults.chaos $(CHAOS)

harness: setup ## Five faults that queues on PostgreSQL are tried with, and a table (HARNESS="--jobs 50")
	@$(STEP) "harness" $(BIN)/python -m tests.faults.harness $(HARNESS)
fairness: setup ## What each of 50 people waits who share 20 workers, in simulated time (FAIRNESS="--seed 7")
	@$(STEP) "fairness" $(BIN)/python -m tests.simulation.fairness $(FAIRNESS)

simulate: setup ## 10,000 schedules of the queue under faults, and each call of some failing (SIMULATE="--seed 7")
	@$(STEP) "simulation" $(BIN)/python -m tests.simulation $(SIMULATE)

compose-test: setup ## Build the images, bring docker-compose.yml up, and send a run through it
	@$(STEP) "compose" $(BIN)/python tests/deploy/compose_run.py

wheel: setup ## Build the wheel, front-end libraries included, into dist/
	@rm -rf dist
	@$(STEP) "wheel" $(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .
	@rm -rf build

wheel-test: wheel ## Install the wheel where nothing else is, train the demo with it, look at its page
	@$(STEP) "wheel, installed" $(BIN)/python tests/deploy/wheel_run.py dist/*.whl

catalog: setup ## Bring the texts' catalogs up to date, and say what is not translated
	@$(STEP) "catalog" $(BIN)/python -m scripts.catalog $(CATALOG)

screenshots: setup browser ## Take a picture of every page, wide and narrow, light and dark, in each language
	@TRAINYARD_SCREENSHOTS=1 $(STEP) "screenshots" $(BIN)/python -m pytest -q tests/browser -k "whole or barriers or fit"

lock: $(BIN)/.ready ## Resolve the packages again, within pyproject.toml
	@$(STEP) "lock" scripts/lock

clean: ## Remove what set-up and builds made
	rm -rf $(VENV) webui/static/node_modules build dist

# compat: a path, so that a folder named trainyard, such as a clone, does not stand in for the package
$(BIN)/.started: requirements/run.lock pyproject.toml scripts/step
	@$(STEP) "virtualenv" scripts/ensure-virtualenv $(PYTHON) $(VENV)
	@$(STEP) "Python packages" $(BIN)/python scripts/install_packages.py requirements/run.lock
	@$(STEP) "Trainyard itself" $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --config-settings editable_mode=compat --editable .
	@touch $@

$(BIN)/.ready: requirements/dev.lock $(BIN)/.started
	@$(STEP) "Python packages of tests and checks" $(BIN)/python scripts/install_packages.py requirements/dev.lock
	@touch $@

webui/static/node_modules/.ready: webui/static/package-lock.json $(BIN)/.started
	@$(STEP) "front-end libraries" scripts/npm $(BIN) ci --prefix webui/static --no-audit --no-fund --silent
	@touch $@
