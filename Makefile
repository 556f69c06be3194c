# `make demo` and `make test` do all the set-up; PYTHON names another interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet --no-compile -c constraints.txt

# Numbers that another processor or number of threads may round otherwise.
NUMERIC := tests/ops tests/models/test_views.py tests/methods/test_gradcampp.py \
	tests/methods/test_fakecam.py tests/stages/test_groups.py
AVX2 := ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2

.PHONY: demo test portable slow lint clean-env

$(VENV)/.demo: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) -e '.[embedded]'
	touch $@

$(VENV)/.test: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) -e '.[embedded,test,dev]'
	touch $(VENV)/.demo $@

demo: $(VENV)/.demo
	$(BIN)/xaibench run --method gradcam --metric insertion
	$(BIN)/xaibench report

test: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy xaibench
	$(BIN)/pytest -m "not slow" -n auto --dist loadfile --durations=10

portable: $(VENV)/.test  # `make test` is the third: one thread, the processor's own instructions
	$(AVX2) $(BIN)/pytest -q -m "not slow" -k "not (on_the_batch and reference)" -n 2 --dist load \
		$(NUMERIC) tests/test_same_bits.py::test_a_map_does_not_depend_on_the_batch
	XAIBENCH_TEST_THREADS=2 $(BIN)/pytest -q -m "not slow" -n 0 $(NUMERIC)

slow: $(VENV)/.test
	$(BIN)/pytest -m slow

lint: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/mypy xaibench

clean-env:
	rm -rf $(VENV)
