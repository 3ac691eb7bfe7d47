# The two commands that do everything on a fresh machine: `make demo` and `make test`.
# PYTHON chooses the interpreter (3.11 or newer), VENV the folder of the environment made from it.
PYTHON ?= python3
VENV ?= .venv
RUN ?= runs/base

PY := $(VENV)/bin/python
EDWC := $(VENV)/bin/edwc

# A stamp says what was installed, by which Python, for which folder. Another interpreter or a moved copy of the
# tree has another tag, so it gets a new environment rather than one that points at somebody else's files.
# No tag: there is no such interpreter, or it is too old.
TAG := $(shell $(PYTHON) -c 'import os, sys, zlib; sys.version_info >= (3, 11) and print("%d.%d-%08x" % (sys.version_info[0], sys.version_info[1], zlib.crc32(os.getcwdb())))' 2>/dev/null)
MADE := $(VENV)/.made-$(TAG)
CORE := $(VENV)/.core-$(TAG)
DEV := $(VENV)/.dev-$(TAG)
BENCH := $(VENV)/.bench-$(TAG)
DOCS := $(VENV)/.docs-$(TAG)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
INSTALL := $(PY) -m pip install --quiet --constraint constraints.txt --editable

.DELETE_ON_ERROR:
.PHONY: help demo docs scenarios validation test lint format bench growth dev pins clean

help:
	@echo "make demo       solve the base scenario, write $(RUN) with a GeoPackage and a map"
	@echo "make test       lint, types, docstrings and the whole test suite"
	@echo "make lint       lint, types and docstrings alone"
	@echo "make docs       the documentation as a site in build/docs, its notebooks executed; a warning is an error"
	@echo "make format     let ruff rewrite what it can"
	@echo "make scenarios  solve every shipped scenario, rewrite the table in docs/scenarios.md; FORCE=1 solves again"
	@echo "make validation hold the model against published results, rewrite docs/validation.md; FULL=1 at full size"
	@echo "make bench      time and memory from arrays to a loaded solver"
	@echo "make growth     solve networks that grow beside other solvers, rewrite docs/performance.md"
	@echo "make dev        install the development environment into $(VENV)"
	@echo "make pins       resolve constraints.txt anew from pyproject.toml (needs uv)"
	@echo "make clean      remove everything that make and the tools made"


# The plan and the maps are written also when a limit stops the solve short of its gap (exit code 3); make then
# still ends with that code. The figures are in what `solve` prints.
demo: $(CORE)
	@$(EDWC) solve base --out $(RUN); code=$$?; \
	if [ $$code -ne 0 ] && [ $$code -ne 3 ]; then exit $$code; fi; \
	$(EDWC) export $(RUN) --to $(RUN)/allocation.gpkg && $(EDWC) export $(RUN) --to $(RUN)/allocation.png || exit; \
	exit $$code

# Takes an hour or two. May be stopped and called again: what is solved is not solved again, unless FORCE is set.
scenarios: $(CORE)
	@$(PY) -m benchmarks.scenarios $(if $(FORCE),--force)

validation: $(CORE)
	@$(EDWC) validate --out docs/validation.md $(if $(FULL),--full)

# Files in their order, not those with the fewest tests last: some of these take a minute, and nobody else helps then.
test: lint
	$(PY) -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --durations 40

lint: $(DEV)
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(PY) -m numpydoc lint $$(find network_data scenarios optimizer -name '*.py')

# Nothing is fetched: theme, formulas and fonts come from installed packages. The old site goes first, as pages may have.
docs: $(DOCS)
	rm -rf build/docs
	$(PY) -m sphinx --builder html --jobs auto --fail-on-warning --keep-going --quiet docs build/docs

format: $(DEV)
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

bench: $(BENCH)
	$(PY) -m benchmarks

# Takes hours. May be stopped and called again: what stands in docs/growth.csv is not solved again.
growth: $(BENCH)
	$(PY) -m benchmarks growth

dev: $(DEV)

# For every Python from 3.11 on, and without addresses: plain pip reads it with --constraint.
pins:
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --all-extras --no-header --no-annotate \
		pyproject.toml --output-file constraints.txt

$(MADE):
	@$(if $(TAG),:,echo "'$(PYTHON)' is no Python 3.11 or newer; name one with PYTHON=/path/to/python3"; exit 1)
	@if [ -e $(VENV) ] && [ ! -e $(VENV)/pyvenv.cfg ]; then \
		echo "$(VENV) exists and is no Python environment; move it away or choose another with VENV=..."; exit 1; fi
	@echo "Making $(VENV) with $(PYTHON) ..."
	@$(PYTHON) -m venv --clear $(VENV) || { \
		echo "'$(PYTHON)' cannot make an environment. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@touch $@

$(CORE): $(MADE) pyproject.toml constraints.txt
	@echo "Installing edwc (about 200 MB the first time) ..."
	@$(INSTALL) .
	@touch $@

$(DEV): $(MADE) pyproject.toml constraints.txt
	@echo "Installing edwc and its development tools ..."
	@$(INSTALL) '.[dev]'
	@touch $@

$(DOCS): $(MADE) pyproject.toml constraints.txt
	@echo "Installing edwc and what its documentation is made with ..."
	@$(INSTALL) '.[docs]'
	@touch $@

$(BENCH): $(MADE) pyproject.toml constraints.txt
	@echo "Installing edwc and what the benchmarks compare it with ..."
	@$(INSTALL) '.[bench]'
	@touch $@

clean:
	rm -rf .venv runs build dist edwc.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find network_data scenarios optimizer tests benchmarks docs -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
