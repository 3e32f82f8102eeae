# The ways in. `make` alone lists them; docs and CI call nothing else.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup sandbox-run test check chromium lock clean moved

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV ?= $(or $(shell command -v uv),$(BIN)/uv)

AGENT ?= tune
EXPERIMENTS ?= 8

# Warnings about somebody's own pip settings are not ours to show; errors are.
PIP := $(BIN)/python -m pip --disable-pip-version-check -q -q
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev
AGENTS := build/agents/$(shell cat images/agents/package.json images/agents/package-lock.json | sha256sum | cut -c 1-12)
# Tests write small files by the thousand: in memory, where that may hold programs too.
IN_MEMORY := $(shell awk '$$2 == "/dev/shm" && $$4 !~ /noexec/ { print "TMPDIR=" $$2 }' /proc/mounts 2> /dev/null)
# Container images like to set it; then every start of Python compiles everything anew.
export PYTHONDONTWRITEBYTECODE :=

help: ## Show this list.
	@echo "make sandbox-run TASK=eclip [AGENT=tune] [EXPERIMENTS=8] [MODEL=...] [TRAIN_SECONDS=...] [TAG=...]"
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r name text; do printf '  %-12s %s\n' "$$name" "$$text"; done

sandbox-run: setup ## Run the loop on TASK in containers, from nothing to a summary.
	@test -n "$(TASK)" || { echo "error: say which task: make sandbox-run TASK=eclip" >&2; exit 2; }
	@$(BIN)/runner prepare $(TASK)
	@exec $(BIN)/runner run $(TASK) --agent '$(subst ','\'',$(AGENT))' --experiments $(EXPERIMENTS) $(if $(MODEL),--model $(MODEL)) $(if $(TRAIN_SECONDS),--train-seconds $(TRAIN_SECONDS)) $(if $(TAG),--tag $(TAG))

setup: $(RUNTIME) ## Make .venv, the container engine (as root) and the images ready.
	@$(BIN)/runner setup $(if $(TASK),--task $(TASK))

test: $(DEV) $(AGENTS) chromium ## Run every test, those in real containers included.
	@$(BIN)/runner setup --image cpu
	@$(BIN)/runner setup --image tabular
	@sh images/runsc.sh
	@$(BIN)/python -m pytest -m alone
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --durations 40 -m "(docker or claude_code) and not alone"
	@exec env $(IN_MEMORY) $(BIN)/python -m pytest -n auto -m "not docker and not claude_code"

check: $(DEV) ## Lint, types, architecture, and the fast tests, which need no engine and no client.
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@exec env $(IN_MEMORY) $(BIN)/python -m pytest -q -n auto --ignore tests/docker -m "not claude_code and not slow"

# Programs of a .venv name its path: one that was moved, with its clone, is made anew.
MOVED := $(shell test ! -e $(BIN)/pip || grep -qsF "$(realpath $(VENV))/bin/python" $(BIN)/pip || echo moved)
$(BIN)/pip $(RUNTIME) $(DEV): $(MOVED)
moved:
	@echo "$(VENV) was made at another place, and is made anew"
	@rm -rf $(VENV)

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: Python 3.11 or newer is needed, and $(PYTHON) is not" >&2; \
		echo " hint: name another one: make PYTHON=python3.11 ..." >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip' 2> /dev/null || { \
		test "$$(id -u)" = 0 && command -v apt-get > /dev/null && \
		echo "installing the package python3-venv" && apt-get update -qq && \
		apt-get install -y -qq --no-install-recommends python3-venv > /dev/null; } || { \
		echo "error: $(PYTHON) cannot make virtual environments" >&2; \
		echo " hint: type: sudo apt-get install python3-venv" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.lock pyproject.toml | $(BIN)/pip
	@echo "installing the packages of requirements.lock into $(VENV)"
	@$(PIP) install --no-deps --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

# It holds the same versions as requirements.lock and more.
$(DEV): requirements-dev.lock pyproject.toml | $(BIN)/pip
	@echo "installing the packages of requirements-dev.lock into $(VENV)"
	@$(PIP) install --no-deps --require-hashes -r requirements-dev.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ $(RUNTIME)

# The real clients that tests drive, as their lock pins them: kept outside of git, fetched once.
$(AGENTS): | $(DEV)
	@command -v npm > /dev/null || { test "$$(id -u)" = 0 && command -v apt-get > /dev/null && \
		echo "installing the packages nodejs and npm" && apt-get update -qq && \
		apt-get install -y -qq --no-install-recommends nodejs npm > /dev/null; } || { \
		echo "error: the tests need npm, to fetch Claude Code and Codex" >&2; \
		echo " hint: type: sudo apt-get install nodejs npm" >&2; exit 2; }
	@$(BIN)/runner setup --agents

LOCK = $(UV) pip compile -q --generate-hashes --no-header --no-emit-index-url --no-emit-find-links $(if $(UPGRADE),--upgrade)

# The browser that tests open the dashboard in.
chromium:
	@command -v chromium > /dev/null || { test "$$(id -u)" = 0 && command -v apt-get > /dev/null && \
		echo "installing the package chromium" && apt-get update -qq && \
		apt-get install -y -qq --no-install-recommends chromium > /dev/null; } || { \
		echo "error: the tests need chromium, to open the dashboard in" >&2; \
		echo " hint: type: sudo apt-get install chromium" >&2; exit 2; }

MINI := images/agents/mini-swe-agent

lock: ## Lock the requirements again (needs uv); UPGRADE=1 takes newer versions.
	@$(LOCK) --universal --python-version 3.11 --extra build pyproject.toml -o requirements.lock
	@$(LOCK) --universal --python-version 3.11 --extra build --extra dev pyproject.toml -o requirements-dev.lock
	@$(LOCK) --python-version 3.11 --python-platform x86_64-manylinux_2_28 images/cpu.in -o images/cpu.lock
	@for image in scorer tabular cuda; do $(LOCK) --python-version 3.11 --python-platform x86_64-manylinux_2_28 images/$$image.in -o images/$$image.lock; done
	@for recipe in images/agents images/agents/opencode; do (cd $$recipe && npm install --silent --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved) || exit 1; done
	@$(LOCK) --python-version 3.11 --python-platform x86_64-manylinux_2_28 --override $(MINI)/overrides.txt $(MINI)/requirements.in -o $(MINI)/requirements.lock
	@echo "images/cpu-torch.lock is kept by hand"

clean: ## Remove caches and .venv; runs, data and images stay.
	@rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info
	@find . -name __pycache__ -type d -not -path './state/*' -prune -exec rm -rf {} +
