# A fresh machine needs Python 3.11 or newer, git and make. Start with `make demo` or `make test`.
# ARGS reaches the command: make demo ARGS="--exit --json out.json", make test ARGS="-k policy".

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# 3.11 to 3.13 first: all locked packages come ready-made for them. Found once, when first needed.
PYTHON = $(eval PYTHON := $$(shell for name in python3.13 python3.12 python3.11 python3 python; do \
	if $$$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then echo $$$$name; break; fi; done))$(if $(PYTHON),$(PYTHON),$(error Labelgate needs Python 3.11 \
	or newer, and none was found: install one, or name it with `make PYTHON=/path/to/python3.12 ...`))

BIN := .venv/bin
# Two processes: one has the tests on Label Studio, which mostly wait, the other most of the rest.
PROCESSES := --numprocesses 2

.PHONY: help demo test test-long tour bench check lint fix serve sbom audit image label-studio label-studio-ml crowd-kit docs lock clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | expand -t 14

demo: .venv/ready label-studio ## the whole loop on real data, in a Label Studio of its own
	@$(BIN)/labelgate demo $(ARGS)

test: .venv/ready label-studio label-studio-ml ## all tests but the long forms, on a real Label Studio too
	@$(BIN)/pytest $(PROCESSES) $(ARGS)

test-long: .venv/ready label-studio label-studio-ml ## the long forms: kills, fuzz, growth (hours)
	@$(BIN)/pytest -m long --numprocesses 0 --timeout 14400 $(ARGS)

tour: .venv/ready ## the pages in a browser, on a million decisions; the tutorial's pictures
	@LABELGATE_TEST_DECISIONS=1000000 LABELGATE_SCREENSHOTS=docs/images \
		$(BIN)/pytest tests/browser/test_tour.py --timeout 3000 $(ARGS)

bench: .venv/ready label-studio label-studio-ml crowd-kit ## speed as ratios against named peers, into benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks $(ARGS)

check: lint ## format, lint, types, layers, and the tests that need no Label Studio
	@$(BIN)/pytest -m "not label_studio and not long" $(PROCESSES) $(ARGS)

lint: .venv/ready
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fix: .venv/ready ## format, and mend what ruff can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

serve: .venv/ready ## Labelgate's web server and scheduler, set by LABELGATE_... variables
	@$(BIN)/labelgate serve $(ARGS)

docs: .venv/ready ## the reference from the code, and the documentation as a site in site/
	@$(BIN)/python -m docs.reference
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

sbom: .venv/ready ## what the image holds, as CycloneDX 1.6, from the locks: dist/*.cdx.json
	@mkdir -p dist
	@for lock in runtime embeddings hosting; do $(BIN)/python -W ignore -m cyclonedx_py requirements \
		requirements/$$lock.txt --pyproject pyproject.toml --output-reproducible \
		--output-file dist/labelgate-$$lock.cdx.json && echo dist/labelgate-$$lock.cdx.json; done

audit: .venv/ready ## known weaknesses of what is shipped, where an index of advisories answers
	@$(BIN)/python requirements/audit.py $(ARGS)

image: ## the image, by Docker: ARGS="--build-arg LABEL_STUDIO_ML=..." (docs/deployment.md)
	@docker build --file docker/Dockerfile --tag labelgate:$$(sed -n 's/^version = "\(.*\)"/\1/p' \
		pyproject.toml) $(ARGS) .

label-studio: ## Label Studio in the user's cache, for demo and test
	@$(PYTHON) requirements/install.py label-studio

label-studio-ml: ## an ML backend of 2022 in the user's cache, for test and bench
	@$(PYTHON) requirements/install.py label-studio-ml

crowd-kit: ## a peer of consensus in the user's cache, for bench
	@$(PYTHON) requirements/install.py crowd-kit

.venv/ready: requirements/runtime.txt requirements/dev.txt requirements/embeddings.txt pyproject.toml requirements/install.py
	@$(PYTHON) requirements/install.py labelgate
	@touch $@

# uv keeps what is pinned: ARGS="--upgrade" takes the newest, ARGS="--upgrade-package flask" one.
LOCKING = .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-header --no-emit-index-url --no-emit-find-links $(ARGS)
lock: .venv-lock/bin/uv ## pin again what requirements/*.in ask for
	@$(LOCKING) requirements/runtime.in --output-file requirements/runtime.txt
	@$(LOCKING) requirements/dev.in --no-annotate --override requirements/overrides.txt \
		--output-file requirements/dev.txt
	@$(LOCKING) requirements/embeddings.in --no-annotate --no-deps \
		--output-file requirements/embeddings.txt
	@$(LOCKING) requirements/build.in --no-annotate --output-file requirements/build.txt
	@$(LOCKING) requirements/hosting.in --no-annotate --output-file requirements/hosting.txt
	@$(LOCKING) requirements/label-studio.in --output-file requirements/label-studio.txt
	@$(LOCKING) requirements/label-studio-ml.in --output-file requirements/label-studio-ml.txt
	@$(LOCKING) requirements/crowd-kit.in --output-file requirements/crowd-kit.txt

.venv-lock/bin/uv:
	@$(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/python -m pip install -qq uv

clean: ## everything that was made here; Label Studio's cache stays
	@rm -rf .venv .venv.lock .venv-lock dist build site .mypy_cache .ruff_cache .pytest_cache \
		.hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
