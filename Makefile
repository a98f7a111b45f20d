# `make` lists the targets. Windows: the README has the same commands without make.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/

.DEFAULT_GOAL := help
.PHONY: help install demo test docs format lint clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 12

install: $(VENV)/installed ## make .venv and install everything into it

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN)python -m pip install --quiet --constraint constraints.txt --editable ".[monai,onnx,cluster,parquet,storage,dev,docs]"
	touch $@

demo: install ## simulate three raters, train 20 small models on them, evaluate both (about 4 minutes)
	$(RUN)segassay simulate --out demo/data --settings docs/studies/demo_simulation.yaml --overwrite
	$(RUN)segassay study run docs/studies/demo.yaml

test: install ## run all tests
	$(RUN)python $(COVER) -m pytest --numprocesses logical --dist loadfile

docs: install ## build the site into build/site
	NO_MKDOCS_2_WARNING=1 $(RUN)mkdocs build --strict

format: install ## format the code, and fix what can be fixed automatically
	$(RUN)ruff format .
	$(RUN)ruff check --fix .

lint: install ## check format, style and types; changes nothing
	$(RUN)ruff format --check .
	$(RUN)ruff check .
	$(RUN)mypy

clean: ## remove what the other targets made; keep trained models
	rm -rf $(VENV) demo build
