# Everything here sets up what it needs by itself: Python 3.11, make and a package registry suffice.

PYTHON ?= python3.11
BIN := .venv/bin
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test prove lint bench clean

help:
	@echo 'make demo    train on Bach chorales, hear new ones, export the model (a few minutes)'
	@echo 'make test    the test suite'
	@echo 'make prove   the long proofs at full counts; writes benchmarks/proofs.md'
	@echo 'make lint    ruff and mypy'
	@echo 'make bench   the measurements behind the tables in benchmarks/'
	@echo 'make clean   removes .venv and caches; runs and exports stay'

demo: .venv/music
	$(BIN)/rnnkit train music --run runs/demo --epochs 25
	$(BIN)/rnnkit generate runs/demo --count 3 --out runs/demo/chorale.mid
	$(BIN)/rnnkit export runs/demo --name chorales

test: .venv/dev
	$(BIN)/python -m pytest -n 2 -m 'not prove'

prove: .venv/dev
	$(BIN)/python -m pytest -m prove --proofs benchmarks/proofs.md

lint: .venv/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: .venv/dev
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python "$$file" || exit 1; done

clean:
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache .mypy_cache

# An environment for an extra; the file says that its installation has finished.
.venv/music .venv/dev: .venv/%: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) -e '.[$*]'
	@touch $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo 'error: $(PYTHON) is not installed. With a newer Python: make PYTHON=python3' >&2; exit 2; }
	$(PYTHON) -m venv .venv
