# What one can do here; `make` alone lists it. Windows: the README has the same as plain pip lines.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/

.DEFAULT_GOAL := help
.PHONY: help install demo test lint clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 12

install: $(VENV)/installed ## make .venv and install everything into it

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN)python -m pip install --quiet --constraint constraints.txt --editable ".[monai,dev]"
	touch $@

demo: install ## simulate raters, train two models, judge their ensemble (about 3 minutes)
	$(RUN)segassay simulate demo/data --overwrite
	$(RUN)segassay train demo/data --seed 0 --output_dir demo/models/seed0 --overwrite True --epochs 8 --iterations_per_epoch 40 --channels "[8,16,32]"
	$(RUN)segassay train demo/data --seed 1 --output_dir demo/models/seed1 --overwrite True --epochs 8 --iterations_per_epoch 40 --channels "[8,16,32]"
	$(RUN)python -W ignore -m monai.bundle run evaluating --config_file bundle/configs/evaluate.yaml --dataset_dir demo/data --models demo/models --output_dir demo/evaluation --overwrite True

test: install ## run all tests
	$(RUN)python -m pytest

lint: install ## format, lint and type-check
	$(RUN)ruff format .
	$(RUN)ruff check .
	$(RUN)mypy

clean: ## remove what the other targets made; trained models stay
	rm -rf $(VENV) demo
