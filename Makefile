# Targets with a comment behind ## are what `make help` prints.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

MODEL ?= diffusion
NAME ?=
DATA ?=
A ?=
B ?=
ARGS ?=
PROCESSOR ?=
STYLE ?=
RESUME ?=
MINUTES ?= 10
RUNS ?=
N ?= 20
STUDY ?= experiments/compare.yaml

# The default comes before a family's YAML, which may say that it has no minutes; what was asked for, after it.
ifeq ($(origin MINUTES),file)
MINUTES_BY_DEFAULT := --minutes=$(MINUTES)
else
MINUTES_ASKED := --minutes=$(MINUTES)
endif

# PROCESSOR=avx2 (or avx, or sse) makes any of the training and testing below act as on a smaller one.
AS = $(if $(PROCESSOR),$(BIN)/python -m anime_gen.bench.processor $(PROCESSOR))

PYTHON ?= $(firstword $(shell command -v python3.12 python3.13 python3))
BIN := .venv/bin
ENV := .venv/.complete
OLDEST := .venv-oldest
# Bytecode, or every start compiles torch anew where PYTHONDONTWRITEBYTECODE is set; no downloaded interpreters.
UV := UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv

.PHONY: help env experiment smoke judge-check test test-slow test-oldest compare notebooks dashboard help-pages judge painter-check landmarks paint-bench prepare-bench shards-bench step-bench gpu-bench ranks-bench kill-test gallery lint format lock mmpose golden clean study comparison conformance

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo '  make experiment MODEL=dcgan DATA=path/to/pictures ARGS="--data.image_size=64 --trainer.devices=2"'
	@echo '  make experiment MODEL=cyclegan A=path/to/photos B=path/to/anime'
	@echo '  make experiment MODEL=stylegan2 MINUTES=60'
	@echo '  make experiment MODEL=sketch2style STYLE=runs/stylegan2/NAME'
	@echo '  make experiment RESUME=runs/diffusion/NAME'

env: $(ENV) ## make .venv: Python 3.12, every package pinned and hashed

$(ENV): .ci/requirements.lock .ci/uv.txt pyproject.toml
	@test -n "$(PYTHON)" && "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null \
	  || { echo 'Python 3.12 or newer is needed: install it, or name it with PYTHON=/path/to/python3.12' >&2; exit 2; }
	@echo 'making .venv (once, a minute or two) ...'
	@test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .ci/uv.txt
	@$(UV) pip sync --quiet --require-hashes --compile-bytecode .ci/requirements.lock
	@$(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(ENV)

experiment: $(ENV) ## train MODEL (a name in experiments/family) on painted faces or DATA=folder, score it, show it
ifneq ($(RESUME),)
	@$(BIN)/anime-gen resume $(RESUME) $(ARGS)
else
	@test -f experiments/family/$(MODEL).yaml || { echo "there is no MODEL=$(MODEL); there are:" \
	  $(basename $(notdir $(wildcard experiments/family/*.yaml))) >&2; exit 2; }
	@$(AS) $(BIN)/anime-gen fit $(MINUTES_BY_DEFAULT) --config experiments/shared.yaml \
	  --config experiments/family/$(MODEL).yaml $(MINUTES_ASKED) \
	  $(if $(NAME),--run runs/$(MODEL)/$(NAME)) $(if $(DATA),--data.source=anime_gen.data.$(if $(wildcard $(DATA)/shards.json),Shards,Folder) --data.source.path='$(DATA)') \
	  $(if $(STYLE),--model.style='$(STYLE)') $(if $(A),--data.other_domain=anime_gen.data.Folder --data.other_domain.path='$(A)') \
	  $(if $(B),--data.source=anime_gen.data.Folder --data.source.path='$(B)') $(ARGS)
endif

smoke: $(ENV) ## every family a few seconds long: does everything run?
	@now=$$(date +%Y%m%d-%H%M%S); styles=runs/smoke/stylegan2-$$now; \
	for yaml in experiments/family/stylegan2.yaml $(filter-out %/stylegan2.yaml,$(wildcard experiments/family/*.yaml)); do \
	  model=$$(basename $$yaml .yaml); echo "== $$model"; \
	  style=$$(grep -q 'style: null' $$yaml && echo --model.style=$$styles || true); \
	  $(BIN)/anime-gen fit --config experiments/shared.yaml --config $$yaml --config experiments/overlay/debug.yaml \
	    --data.source=anime_gen.data.PaintedFaces --data.source.faces=200 --run runs/smoke/$$model-$$now $$style $(ARGS); \
	done

test: $(ENV) ## what must pass before anything lands (under 9 minutes on two cores)
	@$(MAKE) --no-print-directory lint
	@$(AS) $(BIN)/python -m pytest -m 'not slow' -n logical --dist loadfile --no-loadscope-reorder $(ARGS)

conformance: $(ENV) ## do scores agree with torch-fidelity's own, on the same pictures?
	@$(BIN)/python -m pytest tests/metrics/test_conformance.py $(ARGS)

test-slow: $(ENV) ## the checks that take longer
	@$(AS) $(BIN)/python -m pytest -m slow $(ARGS)

test-oldest: $(ENV) ## `make test` on the oldest versions that pyproject.toml allows, in an environment of its own
	@test -x $(OLDEST)/bin/python || $(BIN)/python -m venv $(OLDEST)
	@UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV=$(CURDIR)/$(OLDEST) $(BIN)/uv pip sync --quiet --require-hashes \
	  --compile-bytecode .ci/requirements-oldest.lock
	@PYTHONPATH=$(CURDIR) $(OLDEST)/bin/python -m pytest -m 'not slow' -n logical --dist loadfile --no-loadscope-reorder $(ARGS)

compare: $(ENV) ## all families' runs (or RUNS="runs/diffusion/a runs/dcgan/b") in one table, with figures
	@$(BIN)/anime-gen compare $(RUNS) $(ARGS)

notebooks: $(ENV) ## run notebooks/*.ipynb on the runs there are; copies with their pictures go to runs/notebooks
	@mkdir -p runs/notebooks
	@$(BIN)/jupyter-execute notebooks/*.ipynb --output $(CURDIR)/runs/notebooks/{notebook_name} $(ARGS)

study: $(ENV) ## train what STUDY (an experiment file) lists and is not done yet, then compare it
	@$(BIN)/anime-gen study $(STUDY) $(ARGS)

comparison: $(ENV) ## four families at equal time with three seeds, and their table (about an hour)
	@$(BIN)/anime-gen study experiments/compare.yaml $(ARGS)

gallery: $(ENV) ## all families (about an hour and a half), and one picture of the same faces by each: runs/gallery
	@$(BIN)/anime-gen study experiments/gallery.yaml $(ARGS)
	@$(BIN)/python -m anime_gen.bench.gallery runs/gallery/*/0 --strips runs/gallery/strips

dashboard: $(ENV) ## TensorBoard over all runs, laid over each other
	@$(BIN)/anime-gen dashboard runs $(ARGS)

help-pages: $(ENV) ## write down what `anime-gen VERB --help` prints, after a change of options
	@$(BIN)/python -m anime_gen.cli.help_pages

judge: $(ENV) ## train the judge anew (about 15 minutes); its weights ship with the package
	@$(BIN)/python -m anime_gen.judging.train $(ARGS)

judge-check: $(ENV) ## the ruler's own examination: which disturbances of painted faces which scores see (30 minutes)
	@$(BIN)/anime-gen examine --size 32,64,128 --out runs/examination --record anime_gen/metrics/judge.json $(ARGS); \
	    status=$$?; [ $$status -le 1 ] || exit $$status; $(BIN)/python -m anime_gen.judging.record && \
	    cp runs/examination/examination_32.png experiments/pictures/examination.png && exit $$status

landmarks: $(ENV) ## train the light network of landmarks anew (20 minutes); its weights ship with the package
	@$(BIN)/python -m anime_gen.prepare.heatmap_training $(ARGS)

mmpose: $(ENV) ## install mmpose, for `anime-gen prepare --landmarks=MMPose`, in an environment of its own in the cache
	@$(BIN)/python -m anime_gen.prepare.mmpose

painter-check: $(ENV) ## is the painter's hand believable? compares with real pictures where there are any
	@$(BIN)/python -m anime_gen.judging.painter_check $(ARGS)

step-bench: $(ENV) ## how fast MODEL trains here, what share of this machine that is, and where the time goes
	@KINETO_LOG_LEVEL=99 $(AS) $(BIN)/python -m anime_gen.bench.step experiments/family/$(MODEL).yaml $(ARGS)

gpu-bench: $(ENV) ## what one card does with every family, in eight minutes; results go to runs/gpu-bench
	@$(BIN)/python -m anime_gen.bench.gpu $(ARGS)

kill-test: $(ENV) ## N=20 runs of every family (or of MODEL), killed at random moments: do they end as if they were not?
	@OMP_NUM_THREADS=1 $(BIN)/python -m anime_gen.bench.kill --tries $(N) $(ARGS) \
	  $(if $(filter file,$(origin MODEL)),experiments/family/*.yaml,experiments/family/$(MODEL).yaml)

paint-bench: $(ENV) ## how fast are faces painted? as a run does it, 14,000 of them at 32 px
	@$(BIN)/python -m anime_gen.bench.paint $(ARGS)

prepare-bench: $(ENV) ## which painted faces are found on pages, which damage is seen, how long each stage takes (a minute)
	@$(BIN)/python -m anime_gen.bench.prepare $(ARGS)

shards-bench: $(ENV) ## pictures streamed from shards against the folder: speed and memory
	@$(BIN)/python -m anime_gen.bench.shards $(ARGS)

ranks-bench: $(ENV) ## what a second process is worth: MODEL on one and on two, one thread or card each, in turn
	@$(BIN)/python -m anime_gen.bench.ranks experiments/family/$(MODEL).yaml $(ARGS)

lint: $(ENV) ## ruff, mypy --strict, codespell
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/codespell

format: $(ENV) ## let ruff lay out the code
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format .

COMPILE := $(UV) pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.12 \
  --extra dev --upgrade pyproject.toml

lock: $(ENV) ## resolve the pins anew from pyproject.toml, the newest and the oldest
	@$(COMPILE) --output-file .ci/requirements.lock
	@$(COMPILE) --resolution lowest-direct --output-file .ci/requirements-oldest.lock

golden: $(ENV) ## refresh the golden curves that a refactor must leave alone
	@$(BIN)/python -m pytest tests/golden --refresh-golden

clean: ## remove the environment; runs stay
	rm -rf .venv $(OLDEST)
