# What one does with this repository; `make help` explains each in a sentence. It takes Python 3.11 or newer with pip.
#
# PORT, DAFTAR_DATA_DIR and every other setting come from the environment. TEST_ARGS, BENCH_ARGS and FUZZ_ARGS are passed on.
# TEST_PROCESSES says in how many processes tests run, each with servers of its own; 0 is in one that can be debugged.

.DEFAULT_GOAL := help
.PHONY: help run test check bench fuzz

UV_VERSION := 0.13.8
BIN := .venv/bin
# In an unpacked archive, without git, ruff doesn't know what git ignores.
RUFF := --config 'extend-exclude = [".bootstrap"]'
TEST_ARGS ?=
TEST_PROCESSES ?= 2
BENCH_ARGS ?=
FUZZ_ARGS ?=

# Bring .venv up to date, quietly; nothing is done when nothing has changed. The tool for it, uv, comes from .bootstrap,
# from the PATH, or else from pip: `--target` also works where pip refuses to touch the system's packages. An existing
# .venv keeps its Python. `command -v` isn't enough to find one: version managers have names for Pythons they lack.
define sync
@set -e; \
right() { "$$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }; \
python=; \
for name in $(BIN)/python python3.13 python3.12 python3.11 python3; do \
	if right "$$name"; then python=$$name; break; fi; \
done; \
if [ -z "$$python" ]; then echo "Daftar needs Python 3.11 or newer; none was found." >&2; exit 1; fi; \
uv=.bootstrap/bin/uv; \
if [ ! -x "$$uv" ]; then uv=$$(command -v uv || true); fi; \
if [ -z "$$uv" ]; then \
	pip=; \
	for name in python3 python3.13 python3.12 python3.11; do \
		if "$$name" -m pip --version >/dev/null 2>&1; then pip=$$name; break; fi; \
	done; \
	if [ -z "$$pip" ]; then echo "Daftar needs pip once, to install uv; no Python here has it." >&2; exit 1; fi; \
	echo "Installing uv into .bootstrap ..." >&2; \
	PIP_USER=0 "$$pip" -m pip install --quiet --disable-pip-version-check --no-input \
		--upgrade --target .bootstrap uv==$(UV_VERSION); \
	uv=.bootstrap/bin/uv; \
fi; \
if [ ! -d .venv ]; then echo "Installing Daftar into .venv ..." >&2; fi; \
UV_PROJECT_ENVIRONMENT=.venv "$$uv" sync --quiet --frozen --no-python-downloads --python "$$python" $(1)
endef

help: ## Say what each command does.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' Makefile

# The last line of each recipe is `exec`: the program stands directly below make, so that Ctrl-C and SIGTERM reach it and
# make waits until it has stopped everything in order.

run: ## Install what is missing and start a marketplace to look at, with all servers it needs.
	$(call sync,--extra embedded --no-dev --inexact)
	@exec $(BIN)/daftar serve --demo

test: ## Install what is missing and prove everything: style, import contracts, types and all tests.
	$(call sync,--all-extras --all-groups)
	@$(BIN)/ruff check $(RUFF)
	@$(BIN)/ruff format --check $(RUFF)
	@$(BIN)/lint-imports
	@$(BIN)/mypy
	@exec $(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile $(TEST_ARGS)

check: ## Prove what can be proved in a minute: as `test`, but only the tests that need no servers.
	$(call sync,--all-extras --all-groups)
	@$(BIN)/ruff format --check $(RUFF)
	@$(BIN)/ruff check $(RUFF)
	@$(BIN)/lint-imports
	@$(BIN)/mypy
	@exec $(BIN)/python -m pytest -m "not services and not slow" $(TEST_ARGS)

bench: ## Install what is missing and measure how fast Daftar is on this machine.
	$(call sync,--all-extras --all-groups)
	@exec $(BIN)/python -m tests.bench $(BENCH_ARGS)

fuzz: ## Install what is missing and send the API whatever its document allows and forbids, for ten minutes.
	$(call sync,--all-extras --all-groups)
	@exec $(BIN)/python -m tests.api.fuzzing $(FUZZ_ARGS)
