# On a machine with Python 3.11 to 3.14 and make:  `make run`  and  `make test`.
# Everything is installed into $(VENV) from the hashed lock files; `make clean` removes it again.

VENV ?= .venv
HOST = 127.0.0.1
PORT ?= 8000
PYTEST_ARGS ?=
BENCH_ARGS ?= peers
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c '$(SUPPORTED)' 2>/dev/null && { echo $$python; exit; }; done; echo python3)

# The locked numba has wheels for these versions of Python.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
LOCKED := $(PIP) install --quiet --require-hashes --only-binary :all: --requirement
PROJECT := $(PIP) install --quiet --no-build-isolation --no-deps --editable .
UV_VERSION := 0.13.9
COMPILE = $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--fork-strategy fewest --generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock" $(UPGRADE)

.PHONY: help run test faults lint format lock bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.kernels ## install, compile the kernels, serve on PORT (8000) of HOST (127.0.0.1)
	@exec $(BIN)/kappafit serve --host $(HOST) --port $(PORT)

test: lint ## lint, then the tests (PYTEST_ARGS="-k adjoint -x")
ifeq ($(strip $(PYTEST_ARGS)),)
	$(BIN)/kappafit warm-up
	$(BIN)/python -m pytest -m beside --numprocesses auto --maxprocesses 4 \
		--dist loadfile --no-loadscope-reorder
	$(BIN)/python -m pytest -m "not beside and not faults"
else
	$(BIN)/python -m pytest $(PYTEST_ARGS)
endif

faults: $(VENV)/.dev ## kill workers, schedulers and services, and see that no job is lost (minutes)
	$(BIN)/python -m pytest -m faults $(PYTEST_ARGS)

lint: $(VENV)/.dev ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev ## put imports and layout in order
	$(BIN)/ruff check --select I,RUF100 --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## time kappafit beside its peers (BENCH_ARGS="time DOC.json")
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

lock: $(VENV)/pyvenv.cfg ## write the lock files anew (UPGRADE=--upgrade for newer versions)
	$(PIP) install --quiet uv==$(UV_VERSION)
	$(COMPILE) --group build --output-file requirements.lock
	$(COMPILE) --group dev --constraint requirements.lock --output-file requirements-dev.lock

clean: ## remove the environment and all caches in this folder
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find app solver tests benchmarks examples -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# What has been done stands as a stamp in the environment, so that a second run starts at once.
$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c '$(SUPPORTED)' || { \
		echo "kappafit needs Python 3.11 to 3.14, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1 | tail -n 1)." >&2; \
		echo "Name another one:  make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "'$(PYTHON) -m venv' failed (Debian and Ubuntu have it in the package python3-venv)." >&2; exit 1; }

$(VENV)/.run: $(VENV)/pyvenv.cfg requirements.lock pyproject.toml
	@echo "installing into $(VENV)"
	@$(LOCKED) requirements.lock
	@$(PROJECT)
	@touch $@

$(VENV)/.dev: $(VENV)/pyvenv.cfg requirements-dev.lock pyproject.toml
	@echo "installing into $(VENV), with the tools for tests"
	@$(LOCKED) requirements-dev.lock
	@$(PROJECT)
	@touch $@

$(VENV)/.kernels: $(VENV)/.run $(wildcard solver/*.py solver/kernels/*.py)
	@echo "compiling the kernels (once)"
	@$(BIN)/kappafit warm-up
	@touch $@
