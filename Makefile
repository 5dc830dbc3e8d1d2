# make run   start the hub on the embedded default
# make test  format check, lint, strict types, all tests
# make mutants  break every guard on purpose, and see its test fail
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test check format bench mutants lock clean

run: .venv/run.stamp
	$(BIN)/roomhub up

test: check .venv/chromium.stamp
	$(BIN)/pytest --numprocesses 2 --dist worksteal

check: .venv/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: .venv/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/dev.stamp
	$(BIN)/python -m tests.bench

mutants: .venv/dev.stamp
	$(BIN)/python -m tests.mutants

.venv/run.stamp: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "roomhub needs Python 3.11 or newer; say which with make PYTHON=…")'
	@echo "installing what roomhub needs into .venv (once, about a minute)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

.venv/dev.stamp: .venv/run.stamp requirements-dev.txt
	@echo "installing what the tests need into .venv (once, about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

.venv/chromium.stamp: .venv/dev.stamp
	@$(BIN)/python -m tests.browser.fetch
	@touch $@

COMPILE := CUSTOM_COMPILE_COMMAND='make lock' $(BIN)/pip-compile --quiet --strip-extras --generate-hashes --no-emit-index-url --no-emit-find-links

lock:
	test -x $(BIN)/pip-compile || ($(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet pip-tools)
	$(COMPILE) --output-file requirements.txt pyproject.toml
	$(COMPILE) --extra postgres --constraint requirements.txt --output-file deploy/requirements.txt pyproject.toml
	$(COMPILE) --extra dev --allow-unsafe --constraint requirements.txt --output-file requirements-dev.txt pyproject.toml

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
