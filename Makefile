# make demo    environment, install, page
# make test    environment, install, browser, checks and tests
# make release wheel, embeds for writers without Python, and their digests, in dist/
# make weights NAME=streets FROM=runs/streets DATA=data/streets [STEPS="evaluate pairs"]
#              other weights in weights_card/NAME, and all that shows their figures: docs/weights.md

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: demo test weights release browser format clean

demo: $(VENV)/demo.stamp
	$(BIN)/python app.py

test: $(VENV)/test.stamp browser
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile \
		--no-loadscope-reorder --max-worker-restart 0

weights: $(VENV)/test.stamp browser
	$(BIN)/python -m space.tools.weights $(NAME) $(if $(FROM),--from "$(FROM)") \
		$(if $(DATA),--data "$(DATA)") $(if $(STEPS),--steps $(STEPS))

release: $(VENV)/test.stamp
	rm -rf dist
	$(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist .
	$(BIN)/python -m fiancee_hub embed weights_card/streets --out dist/streets-embed.zip
	$(BIN)/python -m fiancee_hub embed weights_card/facades --out dist/facades-embed.zip
	cd dist && sha256sum *.whl *.zip > SHA256SUMS

format: $(VENV)/test.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.stamp: requirements.txt | $(BIN)/python
	$(PIP) install -r requirements.txt
	touch $@

$(VENV)/test.stamp: requirements.txt requirements-dev.txt pyproject.toml | $(BIN)/python
	$(PIP) install -r requirements.txt -r requirements-dev.txt --editable .
	$(BIN)/python -m pip check
	touch $(VENV)/demo.stamp $@

# The browser tests drive Debian's chromium; where there is none and no apt-get, they are skipped.
browser:
	@command -v chromium > /dev/null || ! command -v apt-get > /dev/null || { \
		sudo=$$(test "$$(id -u)" = 0 || echo sudo); \
		$$sudo apt-get update -qq && \
		$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
			--no-install-recommends chromium fonts-liberation; }

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
