# wijha: `make` alone lists what can be done. Everything runs in .venv, which `make setup` makes.
.DEFAULT_GOAL := help
.SUFFIXES:

PYTHON ?= python3.11
CONFIG ?= configs/default.yaml
MODEL ?= models/classifier
IN ?= data/example.txt
OUT ?= runs/predictions.jsonl
TRIALS ?= 20

BIN := .venv/bin
PIP = $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
export HF_HUB_OFFLINE ?= 1

help:  ## this list
	@grep -hE '^[a-z-]+:.*  ## ' $(MAKEFILE_LIST) | sed -E 's/:.*  ## /\t/' | expand -t 12

setup: .venv/ready  ## make the environment in .venv and install everything (nothing else is done)

.venv/ready: pyproject.toml constraints.txt requirements.lock
	@command -v $(PYTHON) >/dev/null || { echo "error: expected Python 3.11 as $(PYTHON), found none; pass PYTHON=/path/to/python3.11" >&2; exit 2; }
	@echo "installing into .venv: a minute or two, once"
	@$(PYTHON) -m venv .venv
	@$(PIP) --require-hashes --no-deps --requirement requirements.lock
	@$(PIP) torch==2.13.0
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

lock: setup  ## resolve requirements.lock anew after a change of pyproject.toml or constraints.txt (needs the network)
	@$(PIP) pip-tools
	@{ sed '/^[^#]/,$$d' requirements.lock; $(BIN)/pip-compile --quiet --generate-hashes --unsafe-package torch --strip-extras \
	  --no-emit-index-url --no-emit-find-links --no-emit-options --no-header --no-annotate --constraint constraints.txt \
	  --extra train --extra dev --extra cpu --output-file - pyproject.toml | sed '/^# WARNING/,$$d'; } > .lock.part
	@mv .lock.part requirements.lock

test-minimal: setup  ## the tests with the oldest versions that pyproject.toml allows, in .venv-minimal
	@$(PIP) uv
	@$(PYTHON) -m venv .venv-minimal
	@.venv-minimal/bin/pip install --quiet --disable-pip-version-check torch==2.13.0
	@$(BIN)/uv pip install --quiet --python .venv-minimal/bin/python --resolution lowest-direct --editable '.[train,dev]' torch==2.13.0
	@.venv-minimal/bin/python -m pytest

train: setup  ## train a classifier on data/ from models/encoder (CONFIG=configs/default.yaml)
	@$(BIN)/python -m train.finetune $(CONFIG)

evaluate: setup  ## score MODEL and the baselines on real news, else on the test split (FILE=yours.csv: on yours)
	@$(BIN)/python -m train.evaluation $(MODEL) $(if $(FILE),"$(FILE)")

predict: setup  ## classify the file IN into OUT with MODEL
	@mkdir -p $(dir $(OUT))
	@$(BIN)/wijha predict $(IN) $(OUT) --model $(MODEL)

report: setup  ## a page to look at: errors, curves, slices of MODEL, in its folder (FILE=yours.csv: on yours)
	@$(BIN)/python -m train.report $(MODEL) $(if $(FILE),--data "$(FILE)")

pretrain: setup  ## pre-train the encoder from plain text (hours on a CPU; configs/pretrain.yaml)
	@$(BIN)/python -m train.pretrain configs/pretrain.yaml

tune: setup  ## search the hyper-parameters of CONFIG with Optuna (TRIALS=20; goes on where it was stopped)
	@$(BIN)/python -m train.tune $(CONFIG) --trials $(TRIALS)

release: setup  ## train by CONFIG and replace models/classifier, the model that ships (FIRST=MODEL: with a faster one)
	@$(BIN)/python -m train.finetune $(CONFIG)
	@$(BIN)/python -m train.release $(CONFIG) $(if $(FIRST),--first $(FIRST))

test: setup  ## the tests
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

check: setup  ## lint, types, and the corpus' own checks
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m train.corpus check --frozen

audit: setup  ## licences and known vulnerabilities of everything in .venv (needs the network; says so without)
	@$(PIP) pip-audit pip-licenses || { echo "error: expected the package registry, to install pip-audit and pip-licenses, found none; run it with a network" >&2; exit 2; }
	@$(BIN)/python -m train.audit

.PHONY: help setup train evaluate predict report pretrain tune release test test-minimal check lock audit
