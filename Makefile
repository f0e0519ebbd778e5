# Two commands do everything:  make run  ·  make test
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run test test-all lint bench screenshots clean

run: $(VENV)/.run system
	$(BIN)/seg-editor demo

test: $(VENV)/.test system lint
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest -q -m "not slow"

test-all: $(VENV)/.test system lint
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest -q

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.run system
	QT_QPA_PLATFORM=offscreen $(BIN)/seg-editor bench --json

screenshots: $(VENV)/.run system
	$(BIN)/python packaging/screenshots.py --readme docs/images

# Debian keeps ensurepip in a package of its own
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); bash packaging/as_root.sh apt-get install -y -qq python3-venv && $(PYTHON) -m venv $(VENV); }

# torch first and pinned: a range would take a build with CUDA libraries
$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install -q -c constraints.txt torch==2.13.0
	$(BIN)/pip install -q -c constraints.txt -e .
	touch $@

$(VENV)/.test: $(VENV)/.run
	$(BIN)/pip install -q -c constraints.txt -e '.[train,dev]'
	touch $@

.PHONY: system
system: | $(VENV)/bin/python
	@bash packaging/system_libraries.sh $(BIN)/python

clean:
	rm -rf $(VENV) out build dist
