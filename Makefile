# make run      a running Pannier from a fresh clone (needs only Python 3.11 or newer)
# make test     everything the tests need, then the tests
# make check    ruff, mypy, import-linter
# make peer     the tests that need a real Ollama at OLLAMA_URL
# make compat   other people's clients, in an environment of their own (1.2 GB, with
#               coding agents)
# make bench    Pannier beside others; writes docs/performance.md (see bench/README.md)
# make soak     half an hour of everything at once: does anything grow, hang, get lost?
# make showcase     an installation that was made up, to look at its admin pages
# make screenshots  pictures of all of them, into docs/screenshots (needs Chromium)
# make lock     refresh the pinned dependencies
# make clean    remove what the above have made
#
# Written for GNU make 3.81 (macOS) and newer and for BSD make.

VENV = .venv
PY = $(VENV)/bin/python
COMPAT = .venv-compat
BENCH = .venv-bench
RIVALS = $(BENCH)/.rivals
PYTHONS = python3 python3.14 python3.13 python3.12 python3.11

.PHONY: run test check peer compat bench soak screenshots showcase lock clean

run: $(VENV)/.runtime
	@exec $(PY) -m app.cli run

test: $(VENV)/.tests
	$(PY) -m pytest -n 2 --dist loadfile $(ARGS)

check: $(VENV)/.tests
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

peer: $(VENV)/.tests
	$(PY) -m pytest -m ollama $(ARGS)

compat:
	@$(MAKE) VENV=$(COMPAT) $(COMPAT)/.clients
	$(COMPAT)/bin/python -m pytest -m "compat or live" tests/compat tests/live/test_openai*.py $(ARGS)

bench: $(VENV)/.tests $(RIVALS)
	$(PY) -m bench $(ARGS)

soak: $(VENV)/.tests
	$(PY) -m bench.soak $(ARGS)

screenshots: $(VENV)/.tests
	$(PY) -m tests.browser.screenshots $(ARGS)

showcase: $(VENV)/.tests
	@exec $(PY) -m tests.support.showcase $(ARGS)

$(VENV)/.runtime: $(VENV)/.made requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.tests: $(VENV)/.runtime requirements-test.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-test.lock
	@touch $@

$(VENV)/.clients: $(VENV)/.runtime requirements-compat.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-compat.lock
	@touch $@

# Large, and not for every Python; the benchmark can do without.
$(BENCH)/.rivals: requirements-bench.lock
	@$(MAKE) VENV=$(BENCH) $(BENCH)/.made && \
	  echo "Installing LiteLLM, to compare with (once, 750 MB) ..." && \
	  $(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock && \
	  touch $@ || echo "LiteLLM cannot be installed here: it is left out."

$(VENV)/.made:
	@for python in $(PYTHONS); do \
	  if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Making $(VENV) with $$python (once) ..."; \
	    $$python -m venv $(VENV) && touch $@; exit; \
	  fi; \
	done; \
	echo "Pannier needs Python 3.11 or newer with venv, and none of these is that: $(PYTHONS)." >&2; \
	echo "Install one (Debian, Ubuntu: apt install python3-venv; macOS: brew install python), then try again." >&2; \
	exit 1

# For every platform and Python at once, in an environment of its own.
lock:
	@rm -rf build/lock && mkdir -p build && $(MAKE) VENV=build/lock build/lock/.made
	build/lock/bin/python -m pip install --quiet uv
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --upgrade setup.cfg -o requirements.lock
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --upgrade requirements-postgres.in -o requirements-postgres.lock
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --upgrade requirements-test.in -o requirements-test.lock
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --upgrade requirements-compat.in -o requirements-compat.lock
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --upgrade requirements-bench.in -o requirements-bench.lock
	rm -rf build/lock

clean:
	rm -rf $(VENV) $(COMPAT) $(BENCH) tests/compat/agents/node_modules build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
