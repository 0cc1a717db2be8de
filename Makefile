# `make` lists the targets. PYTHON=python3.12 chooses the interpreter; TORCH_INDEX=URL where torch comes from.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CPU_INDEX := https://download.pytorch.org/whl/cpu
PYTEST := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help setup demo serve check audit fix test test-long chaos test-containers test-host test-images test-browser soak-lora bench bench-engine bench-gpu bench-png bench-queue clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 12

setup: $(STAMP) ## prepare .venv (downloads packages)

demo: $(STAMP) ## start a server, send it one signed Run, save the pictures to out/
	@$(BIN)/python -m server.entrypoints.demo

serve: $(STAMP) ## easel up: serve and draw on this machine
	@$(BIN)/easel up

check: $(STAMP) ## ruff, pyright's checks, import rules, pins and licences of dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m tools.audit

audit: $(STAMP) ## ask the records of known holes about every pinned package (needs a network that reaches them)
	@$(BIN)/pip install -q --disable-pip-version-check pip-audit
	$(BIN)/pip-audit --requirement constraints.txt --no-deps --disable-pip

fix: $(STAMP) ## format and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: $(STAMP) ## all tests that need nothing but Python packages
	$(PYTEST) -n 2 -m "not slow and not containers and not hosts and not images and not browser"

test-long: $(STAMP) ## tests that take minutes
	$(PYTEST) -m "slow"

test-containers: $(STAMP) ## the container files: read by Docker's own tools, their processes started without containers
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[containers]'
	$(PYTEST) tests/containers -m containers -rs

test-host: $(STAMP) ## several hosts as network namespaces, one of them cut off (two minutes; needs root and iproute2)
	$(PYTEST) tests/hosts -m hosts -rs

test-images: $(STAMP) ## build both images and serve a Run from them (some ten minutes; needs root, buildah, debootstrap)
	$(PYTEST) tests/images -m images -rs

test-browser: $(STAMP) ## the pages in Chromium (Debian's package `chromium`); screenshots go to out/screenshots
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[browser]'
	$(PYTEST) tests/browser -m browser -n 0

soak-lora: $(STAMP) ## five hundred tasks that change LoRAs: memory must stay flat
	$(PYTEST) -s tests/contract/test_lora_soak.py

bench: $(STAMP) ## measure the API against references (some five minutes; best on a quiet machine)
	$(BIN)/python -m bench.api

bench-engine: $(STAMP) ## measure the engine on the miniature against diffusers (some three minutes; best on a quiet machine)
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m bench.engine

bench-queue: $(STAMP) ## measure the queue beside procrastinate (some ten minutes; best on a quiet machine)
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python -m bench.queue

bench-png: $(STAMP) ## measure PNG encoding against Pillow's (a minute)
	$(BIN)/python -m bench.png

chaos: $(STAMP) ## break everything on purpose for hours, resumable; see docs/reliability.md
	$(BIN)/python -m tests.chaos all

bench-gpu: $(STAMP) ## measure drawing on a GPU against diffusers, with full-size random weights
	$(BIN)/python -m bench.gpu

clean: ## remove what was built; data/ and out/ stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis

# torch comes first and alone: without an NVIDIA driver PyTorch's own CPU index saves gigabytes, but it lacks the pinned
# versions of everything else.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; \
	  sys.exit(f"easel needs Python 3.11 or later; $(PYTHON) is {v}. Try: make PYTHON=python3.12 setup") \
	  if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@index="$(TORCH_INDEX)"; what="PyTorch from $${index:-the default index (some 185 MB for the CPU, several GB with CUDA)}"; \
	if [ -z "$$index" ] && [ ! -e /proc/driver/nvidia/version ] && ! command -v nvidia-smi >/dev/null 2>&1 && \
	  $(BIN)/python -c 'import urllib.request as u; u.urlopen("$(CPU_INDEX)/torch/", timeout=5)' 2>/dev/null; then \
	  index=$(CPU_INDEX); what="PyTorch for the CPU (some 185 MB) from its own index"; \
	fi; \
	echo "setup: downloading $$what"; \
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt --no-deps $${index:+--index-url $$index} torch
	@echo "setup: downloading the other packages (some 230 MB)"
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[worker,dev]'
	@touch $@
	@echo "setup: done"
