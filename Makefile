# `make` without a target lists the targets. `make help` shows every line of the form "target: ... ## text".

VENV ?= .venv
# Interpreters for the virtual environment, tried in this order. `make setup PYTHON=/path/to/python3.11` tries only that one.
PYTHON ?= python3.11 python3.12 python3
# pip (comes with Python) or uv (faster).
INSTALLER ?= pip
# `make setup QUIET=` shows all steps of the installer.
QUIET ?= --quiet

# With PY=..., nothing is installed. Otherwise PY is the Python of the environment, and targets that run it depend on $(READY).
ifeq ($(strip $(PY)),)
override PY := $(VENV)/bin/python
READY := $(VENV)/.installed
else
READY :=
endif

.DEFAULT_GOAL := help
.PHONY: help setup test test-fast soak lint interop dist wheel-check wheelhouse air-gapped-check pretrain clean distclean

help: ## list the targets
	@echo "paddle_wwm: pretrain and package whole-word-masked Chinese BERT models on PaddlePaddle"
	@echo
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "Targets set up the environment that they need. The first time, that takes one to two minutes and 2.2 GB in $(VENV)."
	@echo "  make setup PYTHON=python3.12    use this Python (3.11 or 3.12; default: the first one found)"
	@echo "  make setup INSTALLER=uv         use uv instead of pip"
	@echo "  make setup VENV=/elsewhere      use another folder (give VENV to the other targets, too)"
	@echo "  make test PY=python             use a Python that has all packages, and install nothing"
	@echo "  make test ARGS=tests/test_x.py  run only these tests"
	@echo "  make -B setup                   install again; to start from scratch: make distclean setup"

setup: $(READY) ## install everything into a virtual environment and check that it works
	@$(if $(READY),echo "Ready: $(PY)",echo "PY is set, so nothing is installed. Check it with: $(PY) -m paddle_wwm.doctor")

test: $(READY) ## run the tests
	$(PY) -m pytest $(ARGS)

# Number of fuzz cases, and their seed.
CASES ?= 50000
SEED ?= 1

soak: $(READY) ## run tests of over an hour: stopped, killed and resumed runs; threads; fuzzed text (CASES=50000 SEED=1); wheel-check; air-gapped-check
	$(PY) benchmarks/resume.py $(ARGS)
	PADDLE_WWM_SOAK_SECONDS=600 $(PY) -m pytest -n 0 -s tests/hub/test_threads.py
	PADDLE_WWM_FUZZ_CASES=$(CASES) PADDLE_WWM_FUZZ_SEED=$(SEED) $(PY) -m pytest -n 0 tests/shards/test_fuzz.py
	$(MAKE) wheel-check air-gapped-check

test-fast: $(READY) ## run the tests that take seconds
	$(PY) -m pytest -m "not slow" $(ARGS)

lint: $(READY) ## check formatting, style, types and plain words
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) tools/plain_words.py

# ---- Other frameworks ------------------------------------------------------------------------------------------------------------------------

# TensorFlow, PyTorch and transformers 5 conflict with PaddleNLP, so each has a separate environment.
INTEROP ?= .venv-interop

interop: $(READY) $(INTEROP)/torch/.installed $(INTEROP)/tensorflow/.installed $(INTEROP)/transformers5/.lac dist ## open converted models in transformers, TensorFlow and PaddleNLP; use whole word masks in a torch trainer
	"$(INTEROP)/transformers5/bin/python" -m pip install $(QUIET) --no-deps --no-index --force-reinstall dist/paddle_wwm-*.whl
	$(PY) tests/interop/run.py --torch "$(INTEROP)/torch/bin/python" --tensorflow "$(INTEROP)/tensorflow/bin/python" \
	    --transformers5 "$(INTEROP)/transformers5/bin/python"
	$(PY) tests/interop/damage.py --torch "$(INTEROP)/torch/bin/python" --tensorflow "$(INTEROP)/tensorflow/bin/python"

$(INTEROP)/%/.installed: tests/interop/%.txt | $(READY)
	@echo "Installing the packages of $< into $(INTEROP)/$*"
	@$(PY) -m venv --clear "$(INTEROP)/$*"
	@"$(INTEROP)/$*/bin/python" -m pip install $(QUIET) -r $<
	@touch "$@"

# constraints.txt conflicts with transformers 5, so the build of lac has separate constraints.
BUILDS := $(CURDIR)/tests/interop/builds.txt
$(INTEROP)/transformers5/.lac: $(INTEROP)/transformers5/.installed tests/interop/builds.txt
	@PIP_CONSTRAINT="$(BUILDS)" PIP_BUILD_CONSTRAINT="$(BUILDS)" \
	    "$(INTEROP)/transformers5/bin/python" -m pip install $(QUIET) --no-deps lac==2.1.2
	@touch "$@"

# ---- The wheel -------------------------------------------------------------------------------------------------------------------------------

# Both are built with the setuptools of the environment, without a network. The wheel is built from the source archive. So it has no stray files
# of this folder, and the source archive is known to have all files that the wheel needs.
dist: $(READY) ## build the wheel and the source archive into dist/
	@mkdir -p dist && rm -f dist/paddle_wwm-*.whl dist/paddle_wwm-*.tar.gz
	@$(PY) -c 'from setuptools import build_meta; build_meta.build_sdist("dist")' >dist/build.log 2>&1 || { cat dist/build.log >&2; exit 1; }
	@rm dist/build.log
	@$(PY) -m pip wheel $(QUIET) --no-deps --no-index --no-build-isolation --wheel-dir dist dist/paddle_wwm-*.tar.gz
	@ls dist/paddle_wwm-*

# Each of these Pythons installs the wheel into a new environment.
WHEEL_PYTHONS ?= python3.11 python3.12

wheel-check: dist ## install the wheel into empty environments (WHEEL_PYTHONS="python3.11 python3.12") and use all its parts
	$(PY) -m tests.wheel.check $(WHEEL_PYTHONS) --wheel dist/paddle_wwm-*.whl --constraints "$(CONSTRAINTS)"

# The wheels are for the Python of PY. Run it with another PY or VENV to add the wheels of another Python.
WHEELHOUSE ?= wheelhouse

wheelhouse: dist ## collect the wheel and all pinned packages as wheels (700 MB) in wheelhouse/, for machines without a network
	@mkdir -p "$(WHEELHOUSE)"
	PIP_CONSTRAINT="$(CONSTRAINTS)" PIP_BUILD_CONSTRAINT="$(CONSTRAINTS)" \
	    $(PY) -m pip wheel $(QUIET) --no-deps --wheel-dir "$(WHEELHOUSE)" -r constraints.txt
	rm -f "$(WHEELHOUSE)"/paddle_wwm-*.whl
	cp dist/paddle_wwm-*.whl constraints.txt "$(WHEELHOUSE)"

air-gapped-check: wheelhouse ## install from wheelhouse/ without a network, and pretrain, fine-tune and serve there
	$(PY) -m tests.wheel.air_gapped "$(WHEELHOUSE)"

# ---- Pretraining -----------------------------------------------------------------------------------------------------------------------------

# The folder of the run. PaddleHub copies a module twice if the path of its home has a dash, so RUN should not have one.
RUN ?= runs/quickstart
DEMO := chinese-bert-wwm-quickstart
HUB_HOME_HERE := HUB_HOME="$(abspath $(RUN))/hub"
# The command line of PaddleHub, without the two notices that paddle and setuptools print at every start (see paddle_wwm/quiet.py).
HUB = PYTHONWARNINGS="ignore:No ccache found,ignore:Setuptools is replacing" GLOG_minloglevel=2 \
	"$$($(PY) -c 'import os, sys; print(os.path.join(os.path.dirname(sys.executable), "hub"))')"

pretrain: $(READY) ## run the quick start: raw text -> checkpoint -> hub module -> a masked word filled (under 3 minutes on 2 cores)
	$(PY) -m paddle_wwm pretrain --output "$(RUN)" --resume auto $(ARGS)
	$(PY) -m paddle_wwm hub build --name $(DEMO) --weights "$(RUN)/model" --output "$(RUN)/dist" --replace
	@echo 'HUB_HOME="$(RUN)/hub" hub install "$(RUN)/dist/$(DEMO)-3.2.0.tar"'
	@$(HUB_HOME_HERE) $(HUB) install "$(RUN)/dist/$(DEMO)-3.2.0.tar"
	$(HUB_HOME_HERE) $(PY) -m paddle_wwm hub fill-mask --module $(DEMO) "早上七点半的地[MASK]站台上，几乎没有人说话。" "今天天气真[MASK]。"

# ---- Cleaning --------------------------------------------------------------------------------------------------------------------------------

clean: ## remove caches and build products, but keep the environment and runs/
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis
	find . \( -path './$(VENV)' -o -path './$(INTEROP)' -o -path ./runs -o -path ./.git \) -prune -o -type d -name __pycache__ -exec rm -rf {} +

distclean: clean ## clean, and also remove the environments
	rm -rf *.egg-info wheelhouse
	@for folder in "$(VENV)" "$(INTEROP)/torch" "$(INTEROP)/tensorflow" "$(INTEROP)/transformers5"; do \
	    if [ -e "$$folder/pyvenv.cfg" ]; then echo "rm -rf $$folder"; rm -rf "$$folder"; fi; \
	done

# ---- Set-up ----------------------------------------------------------------------------------------------------------------------------------

CONSTRAINTS := $(CURDIR)/constraints.txt
comma := ,
# Exit status 0 in a supported Python, and in one that can also make an environment (with pip in it, unless uv installs).
SUITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))
MAKES_ENVIRONMENTS = import venv$(if $(filter pip,$(INSTALLER)),$(comma) ensurepip); $(SUITS)
# Python 3.11.0 to 3.11.3 bring pip 22.3, which cannot build seqeval; later pips are left unchanged.
PIP_SUITS = import pip, sys; sys.exit(tuple(int(part) for part in pip.__version__.split(".")[:2]) < (23, 1))

# lac only builds with setuptools <= 81. Older pips pass PIP_CONSTRAINT to builds, newer ones PIP_BUILD_CONSTRAINT, and each ignores the other.
# Builds run in another folder, so the paths are absolute. The ignored warning is printed by setuptools for every editable installation.
INSTALL_pip = \
	{ "$(VENV)/bin/python" -c 'import pip' 2>/dev/null || "$(VENV)/bin/python" -m ensurepip >/dev/null; } && \
	{ "$(VENV)/bin/python" -c '$(PIP_SUITS)' || "$(VENV)/bin/python" -m pip install $(QUIET) --upgrade pip; } && \
	PIP_CONSTRAINT="$(CONSTRAINTS)" PIP_BUILD_CONSTRAINT="$(CONSTRAINTS)" PIP_DISABLE_PIP_VERSION_CHECK=1 \
	PYTHONWARNINGS="ignore:Editable installation" \
	"$(VENV)/bin/python" -m pip install $(QUIET) -e '.[test]'
# By default uv does not compile bytecode. Then the first start compiles it (paddlehub: 19 s instead of 4).
INSTALL_uv = \
	uv pip install $(QUIET) --compile-bytecode --python "$(VENV)/bin/python" -e '.[test]' -c "$(CONSTRAINTS)" --build-constraints "$(CONSTRAINTS)"

# The stamp is written last, so the next call continues a failed or interrupted set-up.
$(VENV)/.installed: setup.py paddle_wwm/requirements.py constraints.txt
	$(if $(INSTALL_$(INSTALLER)),,$(error INSTALLER must be pip or uv, but is "$(INSTALLER)"))
	$(if $(word 2,$(CURDIR)),$(error The path of this checkout must be without spaces (pip splits PIP_CONSTRAINT at them), but is "$(CURDIR)"))
	@if [ "$(INSTALLER)" = uv ] && ! command -v uv >/dev/null; then \
	    echo "error: INSTALLER=uv, but uv is not on the PATH. Install uv, or leave out INSTALLER to use pip." >&2; exit 1; \
	fi
	@if [ -e "$(VENV)" ] && [ ! -e "$(VENV)/pyvenv.cfg" ]; then \
	    echo "error: $(VENV) exists and is not a virtual environment. Move it, or choose another folder with VENV=..." >&2; exit 1; \
	fi
	@if "$(VENV)/bin/python" -c '' 2>/dev/null; then \
	    "$(VENV)/bin/python" -c '$(SUITS)' && exit 0; \
	    echo "error: $(VENV) has $$("$(VENV)/bin/python" -V), but 3.11 or 3.12 is needed. Make it again: make distclean setup" >&2; exit 1; \
	fi; \
	for candidate in $(PYTHON); do \
	    if "$$candidate" -c '$(MAKES_ENVIRONMENTS)' 2>/dev/null; then \
	        echo "Making $(VENV) with $$candidate ($$("$$candidate" -V))"; \
	        exec "$$candidate" -m venv --clear $(if $(filter uv,$(INSTALLER)),--without-pip) "$(VENV)"; \
	    fi; \
	done; \
	echo "error: no working Python 3.11 or 3.12 (with venv$(if $(filter pip,$(INSTALLER)), and ensurepip)) among: $(PYTHON)." >&2; \
	echo "Install one, or give the path of one: make setup PYTHON=/path/to/python3.11" >&2; exit 1
	@rm -f "$@"
	@echo "Installing 2.2 GB with $(INSTALLER) into $(VENV): one to two minutes, longer if all packages must be downloaded"
	@{ $(INSTALL_$(INSTALLER)); } || { echo "error: the installation failed; run \`make setup QUIET=\` to see the cause" >&2; exit 1; }
	@"$(VENV)/bin/python" -m paddle_wwm.doctor --quick
	@touch "$@"
