# `make` alone lists the targets: a line "target: ... ## text" is shown by `make help`.

VENV ?= .venv
# The interpreters tried for the virtual environment, in this order; `make setup PYTHON=/path/to/python3.11` tries only that one.
PYTHON ?= python3.11 python3.12 python3
# pip (the one that comes with Python) or uv (faster).
INSTALLER ?= pip
# `make setup QUIET=` shows every step of the installer.
QUIET ?= --quiet

# PY=... is used as it is and nothing is installed. Otherwise PY is the environment's Python, and targets that run it depend on $(READY).
ifeq ($(strip $(PY)),)
override PY := $(VENV)/bin/python
READY := $(VENV)/.installed
else
READY :=
endif

.DEFAULT_GOAL := help
.PHONY: help setup test test-fast soak lint interop dist wheel-check wheelhouse air-gapped-check pretrain clean distclean

help: ## what this file can do
	@echo "paddle_wwm: pretrain and package whole-word-masked Chinese BERT models on PaddlePaddle"
	@echo
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "Targets set up what they need; the first time that takes a minute or two and 2.2 GB in $(VENV)."
	@echo "  make setup PYTHON=python3.12    with that Python (3.11 or 3.12; default: the first found)"
	@echo "  make setup INSTALLER=uv         with uv instead of pip"
	@echo "  make setup VENV=/elsewhere      in another folder (give VENV to the other targets, too)"
	@echo "  make test PY=python             with a Python that has everything already: nothing is installed"
	@echo "  make test ARGS=tests/test_x.py  only those tests"
	@echo "  make -B setup                   install again; make distclean setup: from nothing"

setup: $(READY) ## install everything into a virtual environment and check that it works
	@$(if $(READY),echo "Ready: $(PY)",echo "PY is given, so nothing is installed; \`$(PY) -m paddle_wwm.doctor\` checks it.")

test: $(READY) ## run the tests
	$(PY) -m pytest $(ARGS)

# How many cases of the fuzz, and which: another SEED makes others.
CASES ?= 50000
SEED ?= 1

soak: $(READY) ## over an hour: runs stopped, killed and resumed; a fuzz of damaged text (CASES=50000 SEED=1); the wheel; no network
	$(PY) benchmarks/resume.py $(ARGS)
	PADDLE_WWM_FUZZ_CASES=$(CASES) PADDLE_WWM_FUZZ_SEED=$(SEED) $(PY) -m pytest -n 0 tests/shards/test_fuzz.py
	$(MAKE) wheel-check air-gapped-check

test-fast: $(READY) ## run the tests that take seconds
	$(PY) -m pytest -m "not slow" $(ARGS)

lint: $(READY) ## check formatting, style and types
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy

# ---- Other frameworks ------------------------------------------------------------------------------------------------------------------------

# TensorFlow, PyTorch and transformers 5 fit into no environment with PaddleNLP, so each gets one of its own.
INTEROP ?= .venv-interop

interop: $(READY) $(INTEROP)/torch/.installed $(INTEROP)/tensorflow/.installed $(INTEROP)/transformers5/.lac dist ## converted models opened by transformers, TensorFlow and PaddleNLP; whole word masks for a torch trainer
	"$(INTEROP)/transformers5/bin/python" -m pip install $(QUIET) --no-deps --no-index --force-reinstall dist/paddle_wwm-*.whl
	$(PY) tests/interop/run.py --torch "$(INTEROP)/torch/bin/python" --tensorflow "$(INTEROP)/tensorflow/bin/python" \
	    --transformers5 "$(INTEROP)/transformers5/bin/python"

$(INTEROP)/%/.installed: tests/interop/%.txt | $(READY)
	@echo "Installing what $< lists into $(INTEROP)/$*"
	@$(PY) -m venv --clear "$(INTEROP)/$*"
	@"$(INTEROP)/$*/bin/python" -m pip install $(QUIET) -r $<
	@touch "$@"

# constraints.txt and transformers 5 exclude each other, so lac's build has a constraint of its own.
BUILDS := $(CURDIR)/tests/interop/builds.txt
$(INTEROP)/transformers5/.lac: $(INTEROP)/transformers5/.installed tests/interop/builds.txt
	@PIP_CONSTRAINT="$(BUILDS)" PIP_BUILD_CONSTRAINT="$(BUILDS)" \
	    "$(INTEROP)/transformers5/bin/python" -m pip install $(QUIET) --no-deps lac==2.1.2
	@touch "$@"

# ---- The wheel -------------------------------------------------------------------------------------------------------------------------------

# Both are built with the environment's setuptools, without a network. The wheel is built from the unpacked source archive, so it holds nothing
# that lies in this folder by chance, and the source archive holds all that the wheel needs.
dist: $(READY) ## build the wheel and the source archive into dist/
	@mkdir -p dist && rm -f dist/paddle_wwm-*.whl dist/paddle_wwm-*.tar.gz
	@$(PY) -c 'from setuptools import build_meta; build_meta.build_sdist("dist")' >dist/build.log 2>&1 || { cat dist/build.log >&2; exit 1; }
	@rm dist/build.log
	@$(PY) -m pip wheel $(QUIET) --no-deps --no-index --no-build-isolation --wheel-dir dist dist/paddle_wwm-*.tar.gz
	@ls dist/paddle_wwm-*

# Each of these Pythons installs the wheel into an environment of its own.
WHEEL_PYTHONS ?= python3.11 python3.12

wheel-check: dist ## install the wheel into empty environments (WHEEL_PYTHONS="python3.11 python3.12") and use every part of it
	$(PY) -m tests.wheel.check $(WHEEL_PYTHONS) --wheel dist/paddle_wwm-*.whl --constraints "$(CONSTRAINTS)"

# For the Python that collects them; with another PY or VENV, the wheels of that Python are added.
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

# The run's folder. PaddleHub copies a module twice where its home has a dash in its path, so RUN should have none.
RUN ?= runs/quickstart
DEMO := chinese-bert-wwm-quickstart
HUB_HOME_HERE := HUB_HOME="$(abspath $(RUN))/hub"
# PaddleHub's own command line, without the two notices that paddle and setuptools print on every start (see paddle_wwm/quiet.py).
HUB = PYTHONWARNINGS="ignore:No ccache found,ignore:Setuptools is replacing" GLOG_minloglevel=2 \
	"$$($(PY) -c 'import os, sys; print(os.path.join(os.path.dirname(sys.executable), "hub"))')"

pretrain: $(READY) ## the quick start: raw text -> checkpoint -> hub module -> a masked word filled (under 3 minutes on 2 cores)
	$(PY) -m paddle_wwm pretrain --output "$(RUN)" --resume auto $(ARGS)
	$(PY) -m paddle_wwm hub build --name $(DEMO) --weights "$(RUN)/model" --output "$(RUN)/dist"
	@echo 'HUB_HOME="$(RUN)/hub" hub install "$(RUN)/dist/$(DEMO)-1.0.0.tar"'
	@$(HUB_HOME_HERE) $(HUB) install "$(RUN)/dist/$(DEMO)-1.0.0.tar"
	$(HUB_HOME_HERE) $(PY) -m paddle_wwm hub fill-mask --module $(DEMO) "早上七点半的地[MASK]站台上，几乎没有人说话。" "今天天气真[MASK]。"

# ---- Cleaning --------------------------------------------------------------------------------------------------------------------------------

clean: ## remove caches and build products; the environment and runs/ stay
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis
	find . \( -path './$(VENV)' -o -path './$(INTEROP)' -o -path ./runs -o -path ./.git \) -prune -o -type d -name __pycache__ -exec rm -rf {} +

distclean: clean ## clean, and remove the environments, too
	rm -rf *.egg-info wheelhouse
	@for folder in "$(VENV)" "$(INTEROP)/torch" "$(INTEROP)/tensorflow" "$(INTEROP)/transformers5"; do \
	    if [ -e "$$folder/pyvenv.cfg" ]; then echo "rm -rf $$folder"; rm -rf "$$folder"; fi; \
	done

# ---- Set-up ----------------------------------------------------------------------------------------------------------------------------------

CONSTRAINTS := $(CURDIR)/constraints.txt
comma := ,
# Success in a Python that can hold the project, and in one that can also make an environment (with pip in it, unless uv installs).
SUITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))
MAKES_ENVIRONMENTS = import venv$(if $(filter pip,$(INSTALLER)),$(comma) ensurepip); $(SUITS)
# Python 3.11.0 to 3.11.3 bring pip 22.3, which cannot build seqeval; later pips are left unchanged.
PIP_SUITS = import pip, sys; sys.exit(tuple(int(part) for part in pip.__version__.split(".")[:2]) < (23, 1))

# lac builds with setuptools <= 81 only. Older pips pass PIP_CONSTRAINT on to builds, newer ones PIP_BUILD_CONSTRAINT, and each ignores the other;
# builds run in another folder, hence absolute paths. The warning is setuptools' banner about every editable installation.
INSTALL_pip = \
	{ "$(VENV)/bin/python" -c 'import pip' 2>/dev/null || "$(VENV)/bin/python" -m ensurepip >/dev/null; } && \
	{ "$(VENV)/bin/python" -c '$(PIP_SUITS)' || "$(VENV)/bin/python" -m pip install $(QUIET) --upgrade pip; } && \
	PIP_CONSTRAINT="$(CONSTRAINTS)" PIP_BUILD_CONSTRAINT="$(CONSTRAINTS)" PIP_DISABLE_PIP_VERSION_CHECK=1 \
	PYTHONWARNINGS="ignore:Editable installation" \
	"$(VENV)/bin/python" -m pip install $(QUIET) -e '.[test]'
# uv does not compile by itself, and then the first start would do it (paddlehub: 19 s instead of 4).
INSTALL_uv = \
	uv pip install $(QUIET) --compile-bytecode --python "$(VENV)/bin/python" -e '.[test]' -c "$(CONSTRAINTS)" --build-constraints "$(CONSTRAINTS)"

# The stamp is written last, so a failed or interrupted set-up is taken up again by the next call.
$(VENV)/.installed: setup.py paddle_wwm/requirements.py constraints.txt
	$(if $(INSTALL_$(INSTALLER)),,$(error INSTALLER must be pip or uv, but is "$(INSTALLER)"))
	$(if $(word 2,$(CURDIR)),$(error The path of this checkout must be without spaces (pip splits PIP_CONSTRAINT at them), but is "$(CURDIR)"))
	@if [ "$(INSTALLER)" = uv ] && ! command -v uv >/dev/null; then \
	    echo "error: INSTALLER=uv, but there is no uv on the PATH. Install uv, or leave INSTALLER out to use pip." >&2; exit 1; \
	fi
	@if [ -e "$(VENV)" ] && [ ! -e "$(VENV)/pyvenv.cfg" ]; then \
	    echo "error: $(VENV) exists and is not a virtual environment. Move it away, or name another folder with VENV=..." >&2; exit 1; \
	fi
	@if "$(VENV)/bin/python" -c '' 2>/dev/null; then \
	    "$(VENV)/bin/python" -c '$(SUITS)' && exit 0; \
	    echo "error: $(VENV) holds $$("$(VENV)/bin/python" -V), but 3.11 or 3.12 is needed: make distclean setup" >&2; exit 1; \
	fi; \
	for candidate in $(PYTHON); do \
	    if "$$candidate" -c '$(MAKES_ENVIRONMENTS)' 2>/dev/null; then \
	        echo "Making $(VENV) with $$candidate ($$("$$candidate" -V))"; \
	        exec "$$candidate" -m venv --clear $(if $(filter uv,$(INSTALLER)),--without-pip) "$(VENV)"; \
	    fi; \
	done; \
	echo "error: no working Python 3.11 or 3.12 (with venv$(if $(filter pip,$(INSTALLER)), and ensurepip)) among: $(PYTHON)." >&2; \
	echo "Install one, or name one that you have: make setup PYTHON=/path/to/python3.11" >&2; exit 1
	@rm -f "$@"
	@echo "Installing 2.2 GB with $(INSTALLER) into $(VENV): a minute or two, longer where all of it has to be downloaded"
	@{ $(INSTALL_$(INSTALLER)); } || { echo "error: the installation failed; \`make setup QUIET=\` shows every step and the cause" >&2; exit 1; }
	@"$(VENV)/bin/python" -m paddle_wwm.doctor
	@touch "$@"
