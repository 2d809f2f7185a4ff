# Everything a fresh machine with Python 3.11 to 3.13, pip and make needs is set up by the targets.

VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
OUT ?= out
# Half of the suite per core; set JOBS=0 to run in one process.
JOBS ?= auto

.PHONY: help demo check test coverage verify lint bench mutation wheel clean constraints gallery \
    interpreters hooks news

help: ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	    --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(STAMP) ## one crash that goes wrong and one that does not, each with its picture
	@$(BIN)/quiesce run nic-crash-bare --out $(OUT) || test $$? -eq 1
	@echo
	@$(BIN)/quiesce run nic-crash-quiesced --out $(OUT)
	@echo
	@echo "Pictures: $(OUT)/nic-crash-bare/timing.png (violated)"
	@echo "          $(OUT)/nic-crash-quiesced/timing.png (holds)"

check: lint ## the fast lane: lint, types, import rules and the tests that are not slow
	$(BIN)/python -m pytest -q -n $(JOBS) -m "not slow"

coverage: $(STAMP) ## all tests, with what they have not run: a table, and out/coverage/index.html
	$(BIN)/python -m pytest -q -n $(JOBS) --cov --cov-report=term-missing --cov-report=html

hooks: $(STAMP) ## run lint and types before every commit (pre-commit)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	    --constraint constraints.txt --editable '.[dev,hooks]'
	$(BIN)/pre-commit install

test: $(STAMP) ## all tests
	$(BIN)/python -m pytest -q -n $(JOBS)

verify: $(STAMP) ## every shipped scenario, also at the ends of its spans, compared with what it expects
	$(BIN)/quiesce verify --thorough --jobs 2

lint: $(STAMP) ## format, style, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=.src $(BIN)/lint-imports

interpreters: ## what reads bytecode, under every CPython of 3.11 to 3.14 that this machine has
	.ci/interpreters

bench: $(STAMP) ## every benchmark, as tables
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script; done

mutation: $(STAMP) ## known changes, or with MODULE=properties/trackers/bus_masters.py all small ones of a module
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	    --constraint constraints.txt --editable '.[dev,mutation]'
	$(BIN)/python $(if $(MODULE),benchmarks/checks/mutation.py $(MODULE),benchmarks/checks/known_changes.py)

gallery: $(STAMP) ## draw docs/gallery anew
	$(BIN)/python -m quiesce.scenarios.gallery docs/gallery
	$(BIN)/python benchmarks/html_report.py --picture docs/gallery/html-report.png

news: $(STAMP) ## what the next release will tell its users
	$(BIN)/towncrier build --draft --version next

wheel: $(STAMP) ## build the wheel and run the suite against it, in an environment of its own
	rm -rf dist .wheel
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	$(PYTHON) -m venv .wheel
	.wheel/bin/python -m pip install --quiet --disable-pip-version-check \
	    --constraint constraints.txt "$$(echo dist/quiesce-*.whl)[dev]"
	@# This one test asserts that the import root is the checkout, which a wheel's is not.
	env -u PYTHONPATH .wheel/bin/python -m pytest -q -n $(JOBS) -o pythonpath= \
	    --deselect tests/test_packaging.py::test_the_import_root_finds_the_real_folders

constraints: $(STAMP) ## write the versions now installed into constraints.txt
	@{ echo "# Exact versions for a reproducible environment; regenerate with 'make constraints'."; \
	   $(BIN)/python -m pip freeze --exclude-editable; } > constraints.new && mv constraints.new constraints.txt

clean: ## remove everything that the targets have made
	rm -rf $(VENV) .interpreters .wheel $(OUT) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
