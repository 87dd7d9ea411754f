# `make` alone prints what there is. Every target sets up what it needs; see tools/setup.

PYTHON ?= python3
UV ?= uv
VENV := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo server deploy firmware test torture fuzz bench size lint format lock audit package clean distclean

help: ## print this list
	@echo "micropython-est: an X.509 identity for a MicroPython board, by EST (RFC 7030)"
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "Set-up is part of each target. MICROPYTHON=/path and MICROPYTHON32=/path choose other"
	@echo "interpreters, PYTHON=/path another python3."

setup: ## make .venv and fetch the MicroPython interpreters; nothing when they are there
	@$(PYTHON) tools/setup

demo: setup ## a simulated device boots, enrols with a development server, shows its identity
	@$(VENV)/python tools/demo.py

server: setup ## run the development EST server until Ctrl-C
	@$(VENV)/estctl server

deploy: setup ## put the library onto a board: BOARD=RPI_PICO_W PORT=/dev/ttyACM0 [SETTINGS=]
	@$(if $(and $(BOARD),$(PORT)),,$(error make deploy needs BOARD= (a folder of boards/) and PORT=))
	@$(VENV)/estctl deploy --board "$(BOARD)" --port "$(PORT)" \
	    $(if $(SETTINGS),--settings "$(SETTINGS)")

firmware: setup ## MicroPython with the library frozen in: BOARD=RPI_PICO_W [MICROPYTHON_DIR=/path]
	@$(if $(BOARD),,$(error make firmware needs BOARD= (a folder of boards/)))
	@$(VENV)/estctl firmware --board "$(BOARD)" \
	    $(if $(MICROPYTHON_DIR),--micropython "$(MICROPYTHON_DIR)",--show)

test: setup ## run all tests: CPython, MicroPython 64- and 32-bit, whole system
	$(VENV)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

torture: setup ## as test, with all that test only samples: an hour or so on two processors
	$(VENV)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --torture

fuzz: setup ## search for inputs that break a parser, by coverage: SECONDS=600 in all
	@$(VENV)/python host_tests/fuzz/search.py "$(or $(SECONDS),600)" $(PARSERS)

bench: setup ## measure what the operations cost; writes build/bench.json
	@$(VENV)/python tools/bench.py

size: setup ## compile the library to .mpy and weigh it; writes build/size.json
	@$(VENV)/python tools/size.py

lint: setup ## check style, formatting, types and spelling
	$(VENV)/ruff check
	$(VENV)/ruff format --check
	$(VENV)/mypy
	$(VENV)/codespell
	$(VENV)/python tools/package_json.py --check

format: setup ## format the Python files
	$(VENV)/ruff format
	$(VENV)/ruff check --fix --select I

package: setup ## rewrite package.json (what mip installs) from lib/
	@$(VENV)/python tools/package_json.py

COMPILE = $(UV) pip compile --quiet --upgrade --universal --python-version 3.10 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

lock: ## pin the newest dependencies in the three lock files; needs uv
	$(COMPILE) --group dev --group build pyproject.toml --output-file requirements.lock
	$(COMPILE) --group pyproject.toml:audit --output-file tools/audit.lock
	$(COMPILE) --python-version 3.11 --group pyproject.toml:fuzz \
	    --output-file host_tests/fuzz/requirements.lock

audit: setup ## look the locked packages up among known vulnerabilities (OSV); needs the network
	@$(VENV)/python tools/audit.py

clean: ## remove what builds and tests made
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find firmware lib boards host_tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove also what set-up made
	rm -rf .venv .interpreters
