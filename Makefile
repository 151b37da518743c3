# Two commands are enough: `make demo` and `make test`. Each makes .venv on its first call and starts at once afterwards.
#
#   PYTHON=python3.12        another Python, 3.11 or newer
#   TORCH_INDEX=URL          where to take torch from: PyTorch's CPU index for the small build (see README.md)
#   MASKSYNTH_TEST_DATA=DIR  real photos for the tests that want them; those are skipped without

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
TORCH := $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX),)

# One thread each: the tests run in as many processes as there are cores.
TEST_ENV := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

# A .venv that was made elsewhere and moved here, or whose Python is gone, is made anew.
$(shell [ ! -e $(VENV)/.created ] || { [ "$$(cat $(VENV)/.created)" = "$$(pwd)" ] && $(BIN)/python -c ""; } 2>/dev/null || \
    rm -f $(VENV)/.created)

.PHONY: demo test lint test-slow test-browser test-cluster benchmark wheel clean

demo: $(VENV)/.installed
	$(BIN)/python -m masksynth demo -o demo

test: $(VENV)/.installed-dev lint
	$(TEST_ENV) $(BIN)/python -m pytest -n auto -q

lint: $(VENV)/.installed-dev
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

test-slow: $(VENV)/.installed-dev
	$(TEST_ENV) $(BIN)/python -m pytest -n auto -q -m slow

test-browser: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -q -m browser

test-cluster: $(VENV)/.installed-dev
	$(PIP) install --quiet --constraint constraints.txt --editable ".[cluster]"
	$(BIN)/python -m pytest -q -m cluster

wheel: $(VENV)/.installed-dev
	$(PIP) wheel --quiet --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) build dist demo masksynth.egg-info

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "masksynth needs Python 3.11 or newer; give another one with PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@pwd > $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml constraints.txt
	$(PIP) install --quiet --constraint constraints.txt $(TORCH) torch
	$(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) install --quiet --constraint constraints.txt --editable ".[dev,export,tensorboard]"
	@touch $@
