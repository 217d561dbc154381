# Everything here sets itself up: a virtual environment in .venv, made on first use and again when
# pyproject.toml changes.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

# python-ldap is built where it is installed, which takes the headers of OpenLDAP and SASL (libldap2-dev, libsasl2-dev).
comma := ,
LDAP := $(if $(and $(wildcard /usr/include/ldap.h),$(wildcard /usr/include/sasl/sasl.h)),$(comma)ldap)

PYTEST_WORKERS ?= $(shell nproc)

.PHONY: help demo nation test test-long bench bench-full check pictures format clean

help:  ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY)  ## Live one resident's life in a served world, each verdict beside OpenSSL's
	@$(BIN)/python -m front.demo story --folder .demo

nation: $(READY)  ## Have OpenSSL judge certificates of every authority of each edition's nation
	@$(BIN)/python -m front.demo nation --edition japan-2014 --folder .demo
	@$(BIN)/python -m front.demo nation --edition japan-2016 --folder .demo
	@$(BIN)/python -m front.demo nation --edition japan-2008 --folder .demo

test: check  ## Run every check and the tests, in less than ten minutes
	@echo "Running the tests on $(PYTEST_WORKERS) processors ..."
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) -q -m 'not long'

test-long: $(READY)  ## Run the long tests; sudden death and fuzzing at length
	@echo "Running the long tests on $(PYTEST_WORKERS) processors ..."
	@KAKEHASHI_KILLS=$${KAKEHASHI_KILLS:-200} KAKEHASHI_FUZZ=$${KAKEHASHI_FUZZ:-100000} \
		$(BIN)/python -m pytest -n $(PYTEST_WORKERS) -q -m 'long or deeper'

bench: $(READY)  ## Measure the budgets beside references, in about five minutes
	@$(BIN)/python -m tests.bench

bench-full: $(READY)  ## Measure them at full scale, in less than an hour
	@$(BIN)/python -m tests.bench --scale full

check: $(READY)  ## Run ruff, mypy and the architecture test
	@echo "Checking format and lint (ruff), types (mypy strict), architecture ..."
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/python -m pytest -q tests/test_architecture.py

pictures: $(READY)  ## Take the pictures of docs/pictures anew, in Chromium
	@$(BIN)/python -m tests.pictures

format: $(READY)  ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:  ## Remove the environment and what the demonstration made
	rm -rf .venv .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(READY): pyproject.toml
	@echo "Making the virtual environment in .venv and installing kakehashi with its tools ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev$(LDAP)]'
	@touch $(READY)
	@echo "Ready: $(BIN)/kakehashi --help"
