# `make lab` opens the course, `make test` tests it, `make run` executes all of it headless.
# The environment (.venv) is made on first use, and again only when the lock changes.

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Two processes share the tests of a run; each takes up to 1.5 GB of memory with its kernel.
PARALLEL := -n 2 --dist
MEASURED := $(BIN)/coverage run -m pytest -q $(PARALLEL)
NOTEBOOKS := --nbval --nbval-current-env notebooks
# JupyterLab refuses to run as root (in a container, say) unless told. The token stays on.
ROOT := $(shell [ "$$(id -u)" = 0 ] && echo --allow-root)
# An offline kit has its wheels beside it: they are installed, and no index is asked.
KIT := $(wildcard wheels/FOR)
OFFLINE := $(if $(KIT),--no-index --find-links wheels)
ifneq ($(wildcard mnist),)
export QHELPERS_DATA_DIR ?= $(CURDIR)/mnist
endif
# The image of deploy/, with the JupyterHub of the chart that deploy/README.md names.
CONTAINER ?= docker
JUPYTERHUB := 5.5.0
# `make hub` tries it with this proxy of npm's, which Node 20 runs, too.
PROXY := 5.2.0
HUB := build/hub
HUB_READY := $(HUB)/.ready-$(JUPYTERHUB)-$(PROXY)
# A network that hangs says so: pip is asked by before_installing.py, uv by this, within seconds.
export UV_HTTP_TIMEOUT ?= 20
ASK := UV_HTTP_TIMEOUT=10 UV_HTTP_RETRIES=0 $(BIN)/uv pip install --python $(VENV) --quiet \
       --dry-run --refresh --no-deps six
# PyTorch's CUDA libraries: not locked, so that the CPU build does not bring them.
CUDA := cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cupti \
        nvidia-cuda-nvrtc nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile \
        nvidia-curand nvidia-cusolver nvidia-cusparse nvidia-cusparselt-cu13 nvidia-nccl-cu13 \
        nvidia-nvjitlink nvidia-nvshmem-cu13 nvidia-nvtx triton

# Of every locked file but these, which come from one of two indexes, the hash is known and held.
TWICE := torch torchao torchvision
LOCK := -r requirements.txt --constraint requirements.hashes.txt

.PHONY: help lab run site slides test test-slow test-offline faults quick bench doctor lint lock hashes \
        hub offline-kit image colab clean

help:
	@echo "make lab          open the course in JupyterLab"
	@echo "make test         lint, types, unit tests, and every notebook against its stored outputs"
	@echo "make test-slow    what takes minutes: large networks through quantize"
	@echo "make test-offline every notebook once more, alone, with nothing cached and no network"
	@echo "make faults       breaks things for real: kills, full disk, damaged caches; ends with figures"
	@echo "make hub          learners at once on a real JupyterHub: seconds, memory, failures (needs npm)"
	@echo "make quick        lint, types, and the tests that need no framework, in less than a minute"
	@echo "make run          execute every notebook headless; ends with the scorecard and the web site"
	@echo "make site         the course as a web site: generated/site/index.html"
	@echo "make slides       a deck of slides for each lesson: generated/slides/index.html"
	@echo "make bench        ratios of time and memory, side by side"
	@echo "make doctor       is everything here that the course needs?"
	@echo "make offline-kit  one archive from which 'make lab' works without network; WALK=1: without PyTorch"
	@echo "make image        the course as a container image for JupyterHub: see deploy/README.md"
	@echo "make colab        can the notebooks' set-up cells install beside Colab's versions? RUN=1: they run"

$(READY): requirements.txt
	@$(PYTHON) scripts/before_installing.py python disk index
	@[ -z "$(KIT)" ] || scripts/offline-kit for "$(PYTHON)" | cmp -s - wheels/FOR || { \
	  echo "This kit is for $$(cat wheels/FOR); $(PYTHON) is $$(scripts/offline-kit for "$(PYTHON)"). Name another one: make lab PYTHON=/path/to/python" && exit 1; }
	@echo "Making the environment in $(VENV) (once; a few minutes)"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(OFFLINE) uv
	@[ -z "$(KIT)" ] || $(BIN)/uv pip install --python $(VENV) --quiet --no-index --no-deps wheels/*.whl
	@[ -n "$(KIT)" ] || $(ASK) || { echo "uv gets no answer: tell it of your index or proxy (UV_DEFAULT_INDEX, HTTPS_PROXY)" && exit 1; }
	@[ -n "$(KIT)" ] || $(BIN)/uv pip install --python $(VENV) --quiet --torch-backend=cpu $(LOCK) 2> $(VENV)/cpu-build.log || { \
	  $(PYTHON) scripts/before_installing.py plain-disk && echo "The small CPU build of PyTorch could not be had (why: $(VENV)/cpu-build.log); installing the plain one" && \
	  $(BIN)/uv pip install --python $(VENV) --quiet $(LOCK); }
	@$(BIN)/uv pip install --python $(VENV) --quiet $(OFFLINE) --no-deps --editable .
	@echo "Compiling the packages, so that the first import is as fast as the next"
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib > /dev/null 2>&1 || true
	@touch $(READY)

lab: $(READY)
	$(BIN)/jupyter lab $(ROOT) --notebook-dir=notebooks $(ARGS)

run: $(READY)
	@$(BIN)/python -m qhelpers run $(ARGS)

site: $(READY)
	@$(BIN)/python docs/site/build.py $(ARGS)

slides: $(READY)
	@$(BIN)/python docs/site/slides.py

# Before anything is installed it says whether it can be.
doctor:
	@if [ -e $(READY) ]; then $(BIN)/python -m qhelpers doctor; else $(PYTHON) scripts/before_installing.py; fi

offline-kit: $(READY)
	@WALK=$(WALK) scripts/offline-kit

colab: $(READY)
	@$(BIN)/python tests/colab/check.py $(if $(RUN),run $(ARGS))

image:
	$(CONTAINER) build --file deploy/Containerfile --build-arg JUPYTERHUB=$(JUPYTERHUB) \
	  --tag byte-for-byte:$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml) .

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

quick: lint
	$(BIN)/python -m pytest -q $(PARALLEL) loadgroup -m "not framework and not slow" tests

test: lint
	# Two runs: TensorFlow and PyTorch stay out of each other's way.
	@$(BIN)/coverage erase
	$(MEASURED) loadgroup -m "not slow" tests/with_torch
	$(MEASURED) loadgroup -m "not slow" tests
	$(MEASURED) loadscope $(NOTEBOOKS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --show-missing --skip-covered --fail-under=95

test-slow: $(READY)
	$(BIN)/python -m pytest -q $(PARALLEL) load -m slow tests

# Homes of their own: a cache that holds MNIST would be used without network, too.
test-offline: $(READY)
	@homes=$$(mktemp -d) && trap 'rm -rf "$$homes"' EXIT && \
	  env -u QHELPERS_DATA_DIR QHELPERS_ALONE="$$homes" QHELPERS_OFFLINE=1 \
	  $(BIN)/python -m pytest -q $(PARALLEL) loadscope $(NOTEBOOKS)

# One after the other: they are timed, kill, and fill a disk; eight kernels at once take 9 GB.
faults: $(READY)
	$(BIN)/python -m pytest -q --durations=5 tests/faults tests/test_digits.py

# Folders of its own: neither the lock nor the environment knows the hub.
$(HUB_READY): requirements.txt | $(READY)
	@rm -rf $(HUB)
	@$(BIN)/uv pip install --quiet --python $(VENV) --target $(HUB)/site --constraint requirements.txt \
	  jupyterhub==$(JUPYTERHUB)
	@npm install --silent --prefix $(HUB)/proxy configurable-http-proxy@$(PROXY)
	@touch $@

hub: $(HUB_READY)
	@PYTHONPATH=$(CURDIR):tests $(BIN)/python tests/hub/run.py $(ARGS)

bench: $(READY)
	@$(BIN)/python -m benchmarks $(ARGS)

lock: $(READY)
	$(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.10 \
	  --all-extras --no-header --no-annotate $(CUDA:%=--no-emit-package %) \
	  pyproject.toml --output-file requirements.txt
	@$(MAKE) --no-print-directory hashes

# Of the versions that requirements.txt has: a file of its own, for pip takes all with hashes or none.
hashes: $(READY)
	$(BIN)/uv pip compile --quiet --universal --no-deps --python-version 3.10 --generate-hashes \
	  --no-header --no-annotate $(TWICE:%=--no-emit-package %) \
	  requirements.txt --output-file requirements.hashes.txt

clean:
	rm -rf $(VENV) generated build qhelpers.egg-info
