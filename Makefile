# Every target makes its own environment; nothing but Python 3.11+ and make is needed.
PYTHON ?= python3
HOST ?=
PORT ?=
TESTS_AT_ONCE ?= 3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test verify lint environments bench vendor screenshots clean

run: $(VENV)/.run
	@exec $(BIN)/gunicorn -c gunicorn.conf.py

# Most tests wait for servers, so more of them run at once than there are cores; a file stays whole.
test: $(VENV)/.test
	@$(BIN)/python -m pytest -n $(TESTS_AT_ONCE) --dist loadfile

verify: $(VENV)/.test
	@GATEWAY_TESTS_LONG=1 $(BIN)/python -m pytest tests/failure/test_log_away.py

lint: $(VENV)/.test
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

# What the tests make at their first need otherwise: other majors of SDKs, and Node's packages.
environments: $(VENV)/.test
	@$(BIN)/python -m tests.environments

bench: $(VENV)/.test
	@$(BIN)/python -m bench

# The browser's libraries, anew from their npm packages; they are kept in the repository.
vendor:
	@$(PYTHON) scripts/vendor.py

# Pictures of every page into docs/screenshots.
screenshots: $(VENV)/.test
	@$(BIN)/python -m tests.screenshots

$(VENV)/.run: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.test: $(VENV)/.run requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

clean:
	rm -rf $(VENV) .venv-sdk .node
