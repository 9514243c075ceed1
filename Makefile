# `make demo` and `make test` work in a fresh clone: they first install what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
PIP_INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --constraint configs/constraints.txt
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
BENCHMARKS := prompts export_model training student end_to_end evaluation data localization scale extraction size

.DEFAULT_GOAL := help
.PHONY: help install demo demo-points demo-anomaly demo-video test test-slow fuzz lint bench kills docs clean

help:  ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

# The stamp comes last, so that an interrupted installation is repeated.
# torch comes first and alone, so that packages that depend on it keep a build for this machine (a local wheel, a CPU index).
$(INSTALLED): pyproject.toml configs/constraints.txt
	@echo "Installing into $(VENV), which takes a minute or more ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP_INSTALL) torch
	@$(PIP_INSTALL) --editable '.[all,dev]'
	@touch $@

install: $(INSTALLED)  ## Make .venv with everything, in tested versions

demo: install  ## Train every method on the embedded benchmark, ending with a table and a page (minutes, on two cores)
	@OMP_NUM_THREADS=1 $(BIN)/wtal compare --config configs/synthetic.yaml --output runs/demo --seeds 0 1 --jobs 2 \
		--methods cbp_warm_up cbp vlp_vanilla vlp late_fusion_warm_up late_fusion_best late_fusion b_only f_only joint \
		alternation student supervised
	@$(BIN)/wtal report runs/demo --output runs/demo/page

POINTS := runs/synthetic/points.csv
demo-points: install  ## One click an instance: the same methods from video labels and from points
	@OMP_NUM_THREADS=1 $(BIN)/wtal compare --config configs/synthetic.yaml --output runs/demo-points/video \
		--methods alternation student --seeds 0 1 --jobs 2
	@$(BIN)/wtal points runs/synthetic/annotations.json --subset train --output $(POINTS)
	@OMP_NUM_THREADS=1 $(BIN)/wtal compare --config configs/synthetic.yaml configs/points.yaml configs/synthetic_points.yaml \
		--output runs/demo-points/points --methods alternation student --seeds 0 1 --jobs 2
	@$(BIN)/wtal report runs/demo-points/points --output runs/demo-points/page --points $(POINTS)

demo-anomaly: install  ## Train both branches and their collaboration on the embedded benchmark of anomalies, with a page
	@OMP_NUM_THREADS=1 $(BIN)/wtal compare --config configs/anomaly/synthetic.yaml --output runs/demo-anomaly --seeds 0 1 --jobs 2 \
		--methods cbp vlp late_fusion alternation
	@$(BIN)/wtal report runs/demo-anomaly --output runs/demo-anomaly/page

demo-video: install  ## Train both branches and their encoders from video files, on the rendered benchmark, and detect in one
	@OMP_NUM_THREADS=1 $(BIN)/wtal fit -c configs/end_to_end.yaml --name end_to_end --then_test true
	@OMP_NUM_THREADS=1 $(BIN)/wtal detect runs/rendered/videos/video_0032.mp4 --checkpoint runs/end_to_end --output runs/end_to_end_found

test: install  ## Run the quick tests
	@$(PYTEST) -m "not slow"

test-slow: install  ## Run the slow tests: processes, the built wheel, the lowest versions of dependencies, documentation
	@$(PYTEST) -m slow

CASES ?= 10000
fuzz: install  ## Give every reader CASES damaged files of each kind (10,000 by default: an hour)
	@WTAL_FUZZ_CASES=$(CASES) nice $(PYTEST) tests/fuzz

lint: install  ## Check style, formatting and types
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

bench: install  ## Measure speed and memory; QUICK=--quick takes a minute for each file
	@set -e; for name in $(BENCHMARKS); do echo "== $$name"; $(BIN)/python experiments/benchmarks/$$name.py $(QUICK); done

kills: install  ## Kill fit, compare, sweep, extract and conversion 50 times, and check that nothing is lost (half an hour)
	@$(BIN)/python experiments/robustness/kills.py --kills 10

docs: install  ## Build the documentation into build/docs, with every link checked
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --config-file experiments/docs/mkdocs.yml

clean:  ## Remove caches and build outputs, but not runs or .venv
	@rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
