# `make demo` and `make test` do all the set-up; PYTHON names another interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt

.PHONY: demo test slow lint clean-env

$(VENV)/.demo: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) -e '.[embedded]'
	touch $@

$(VENV)/.test: $(VENV)/.demo
	$(INSTALL) -e '.[embedded,test,dev]'
	touch $@

demo: $(VENV)/.demo
	$(BIN)/xaibench run --method gradcam --metric insertion
	$(BIN)/xaibench report

test: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy xaibench
	$(BIN)/pytest -m "not slow" -n auto --dist loadfile --durations=10

slow: $(VENV)/.test
	$(BIN)/pytest -m slow

lint: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/mypy xaibench

clean-env:
	rm -rf $(VENV)
