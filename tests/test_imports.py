"""What a worker loads, and when (docs/decisions/0012)."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.server import NO_VOCABULARY, PATIENCE, clean_environ
from support.simulator import Simulator

ROOT = Path(__file__).parents[1]

#: As gunicorn does it: the configuration, then the application.  Then everything that
#: is asked all the time, then one request, by many at once.
WORKER = """
import json, runpy, sys
runpy.run_path("gunicorn.conf.py")
from wsgi import application

def loaded():
    few = {"alembic", "flask", "jsonschema_rs", "redis", "requests", "urllib3"}
    few |= {"argon2", "prometheus_client", "sqlalchemy"}
    return sorted(few & set(sys.modules))

found = [loaded()]
sys.path.append("tests")
import gevent
from support.ollama import ask

def post(body):
    return ask(application, "POST", "/v1/chat/completions", json.dumps(body).encode())

chat = {"model": "llama3.2", "messages": [{"role": "user", "content": "Hello"}]}
for stream in (False, True):
    assert post({**chat, "stream": stream}).status == 200
for path in ("/health", "/ready", "/version", "/v1/models", "/api/tags"):
    assert ask(application, "GET", path).status == 200, path
assert post({**chat, "reasoning_effort": "high"}).status in (200, 400)
found.append(loaded())
path, body = json.loads(sys.argv[1])
def local(environ, start_response):
    return application({**environ, "REMOTE_ADDR": "127.0.0.1"}, start_response)
ways = [lambda: post({**chat, **body}) if body else ask(local, "GET", path)] * 8
first = gevent.joinall([gevent.spawn(way) for way in ways], raise_error=True)
statuses = {one.value.status for one in first}
found.append(loaded())
print(json.dumps([found, sorted(statuses)]))
"""

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
FORMAT = {"name": "f", "schema": SCHEMA}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """Ollama's place."""
    with Simulator() as simulator:
        yield simulator


def worker(simulator: Simulator, path: str, body: Any = None, **environ: str) -> Any:
    """What was loaded at the start, in daily work, after requests for ``path``.

    And the statuses of those.
    """
    environ |= {"OLLAMA_URL": simulator.url, "PANNIER_ACCESS_LOG": "off"}
    with tempfile.TemporaryDirectory() as state:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", WORKER, json.dumps([path, body])],
            cwd=ROOT,
            env=clean_environ(**NO_VOCABULARY, PANNIER_STATE_DIR=state, **environ),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.live
@pytest.mark.parametrize(
    ("path", "body", "modules", "status"),
    [
        ("/docs", None, "flask", 200),
        ("/nothing", None, "flask", 404),
        ("/metrics", None, "prometheus_client", 200),
        (f"/v1/responses/resp_{32 * '0'}", None, "sqlalchemy", 404),
        ("/admin/api/v1/me", None, "argon2 flask sqlalchemy", 401),
        (
            "/v1/chat/completions",
            {"response_format": {"type": "json_schema", "json_schema": FORMAT}},
            "jsonschema_rs",
            200,
        ),
    ],
)
def test_what_few_need_is_loaded_when_it_is(
    simulator: Simulator, path: str, body: Any, modules: str, status: int
) -> None:
    """Chats, probes and lists need none of it; its first use works, by many at once."""
    found, statuses = worker(simulator, path, body)
    assert found == [[], [], modules.split()]
    assert statuses == [status]


@pytest.mark.live
def test_what_all_need_is_loaded_at_the_start(simulator: Simulator) -> None:
    """Where requests carries everything, nobody's request waits until it is loaded."""
    found, _ = worker(simulator, "/health", PANNIER_UPSTREAM_CLIENT="requests")
    assert found == [["requests", "urllib3"]] * 3
