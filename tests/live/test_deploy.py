"""Deployment: the shipped nginx configuration, Dockerfile, compose file and unit."""

import configparser
import contextlib
import gzip
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import yaml
from support.administering import PASSWORD, PREFIX
from support.nginx import CONFIG, needs_nginx, nginx, replaced
from support.secrecy import note
from support.server import PATIENCE, Server, clean_environ, free_port
from support.simulator import Simulator

from app.settings import Settings

ROOT = Path(__file__).parents[2]
APP = ROOT / "app" / "admin" / "pages" / "static" / "app.js"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A stand-in for Ollama."""
    with Simulator() as running:
        yield running


@pytest.fixture(scope="module")
def front(simulator: Simulator) -> Iterator[str]:
    """The URL of nginx in front of Pannier in front of the simulator."""
    with (
        Server({"OLLAMA_URL": simulator.url}) as server,
        nginx(
            replaced(
                CONFIG, "server 127.0.0.1:8080;", f"server 127.0.0.1:{server.port};"
            )
        ) as url,
    ):
        yield url


@contextlib.contextmanager
def request(
    method: str, url: str, body: Any = None, headers: dict[str, str] | None = None
) -> Iterator[http.client.HTTPResponse]:
    """One request on a connection of its own; gives the response, body unread."""
    where = urlsplit(url)
    assert where.hostname is not None
    connection = http.client.HTTPConnection(
        where.hostname, where.port, timeout=PATIENCE
    )
    with contextlib.closing(connection):
        sent = None if body is None else json.dumps(body)
        target = url.partition(where.netloc)[2]
        connection.request(method, target, sent, headers or {})
        yield connection.getresponse()


def chat(text: str = "Hello", model: str = "llama3.2", **more: Any) -> dict[str, Any]:
    """A chat completion's request."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def content(response: http.client.HTTPResponse) -> str:
    """The text of a whole chat completion."""
    answer = json.loads(response.read())
    assert response.status == 200, answer
    return str(answer["choices"][0]["message"]["content"])


@needs_nginx
@pytest.mark.live
def test_an_answer_through_nginx(front: str) -> None:
    """A plain answer comes through."""
    with request("POST", f"{front}/v1/chat/completions", chat()) as response:
        assert content(response)


@needs_nginx
@pytest.mark.live
def test_nginx_does_not_hold_a_stream_back(front: str, simulator: Simulator) -> None:
    """The first frame is with the client before Ollama has written the second."""
    body = chat("slowly", "sim-chunks2-tps1", stream=True)
    with request("POST", f"{front}/v1/chat/completions", body) as response:
        assert response.getheader("Content-Type", "").startswith("text/event-stream")
        while b'"content":"' not in response.readline():
            pass
        arrived = time.time()
        asked = simulator.wait(path="/api/chat", body="slowly")
        assert asked["outcome"] == "open"
        assert arrived - asked["first_line"] < 1.0, "the second is written 1 s later"
        assert response.read().endswith(b"data: [DONE]\n\n")


def events(response: http.client.HTTPResponse) -> Iterator[str]:
    """The names of Anthropic's events, each when it is there."""
    for line in response:
        if line.startswith(b"event: "):
            yield line.decode().strip().removeprefix("event: ")


@needs_nginx
@pytest.mark.live
def test_nginx_does_not_hold_a_message_back(front: str, simulator: Simulator) -> None:
    """Each event is with the client before Ollama has written what makes the next."""
    body = chat("a message", "sim-chunks3-tps1", stream=True)
    with request("POST", f"{front}/v1/messages", body) as response:
        assert response.getheader("Content-Type", "").startswith("text/event-stream")
        told = (name for name in events(response) if name != "ping")
        begin = ["message_start", "content_block_start", "content_block_delta"]
        assert [next(told) for _ in begin] == begin
        arrived = time.time()
        asked = simulator.wait(path="/api/chat", body="a message")
        assert asked["outcome"] == "open"
        assert arrived - asked["first_line"] < 1.0, "the second is written 1 s later"
        end = ["content_block_stop", "message_delta", "message_stop"]
        assert list(told) == [*["content_block_delta"] * 2, *end]


@needs_nginx
@pytest.mark.live
def test_nginx_passes_pings_on(simulator: Simulator) -> None:
    """While a model is loaded the message begins, and pings say that it lives."""
    env = {"OLLAMA_URL": simulator.url, "PANNIER_HEARTBEAT": "0.2"}
    body = chat("pings", "sim-load2-chunks1", stream=True)
    with (
        Server(env) as server,
        nginx(CONFIG.replace("127.0.0.1:8080", f"127.0.0.1:{server.port}")) as url,
        request("POST", f"{url}/v1/messages", body) as response,
    ):
        told = events(response)
        assert [next(told) for _ in range(3)] == ["message_start", "ping", "ping"]
        asked = simulator.wait(path="/api/chat", body="pings")
        assert asked["outcome"] == "open"
        assert not asked.get("first_line")
        rest = [name for name in told if name != "ping"]
    assert rest[0] == "content_block_start"
    assert rest[-1] == "message_stop"


@needs_nginx
@pytest.mark.live
def test_nginx_tells_that_a_client_left(front: str, simulator: Simulator) -> None:
    """A client that leaves in the middle of a stream stops the model."""
    body = chat("leaving", "sim-chunks1000-tps5", stream=True)
    with request("POST", f"{front}/v1/chat/completions", body) as response:
        response.readline()
    left = simulator.wait(
        timeout=PATIENCE, path="/api/chat", body="leaving", outcome="client-left"
    )
    assert left["closed"] - left["started"] < 10


@needs_nginx
@pytest.mark.live
def test_a_body_with_images_fits_through_nginx(front: str) -> None:
    """A body of 2 MiB, twice nginx's own limit, is served."""
    body = chat("x" * 2 * 1024 * 1024, "sim-chunks1")
    with request("POST", f"{front}/v1/chat/completions", body) as response:
        assert content(response)


@needs_nginx
@pytest.mark.live
@pytest.mark.parametrize("prefix", ["", "/pannier"])
@pytest.mark.parametrize("path", ["/api/pull", "/api//delete", "/api/%62lobs/sha256:0"])
def test_nginx_keeps_models_as_they_are(
    managed: str, simulator: Simulator, prefix: str, path: str
) -> None:
    """Whoever comes through nginx cannot change models, until that is opened."""
    simulator.clear()
    with request("POST", f"{managed}{prefix}{path}", chat()) as response:
        assert response.status == 403
    assert simulator.log() == []


@pytest.fixture(scope="module")
def managed(simulator: Simulator) -> Iterator[str]:
    """The shipped nginx with a path prefix, in front of a Pannier with all routes."""
    with (
        Server({"OLLAMA_URL": simulator.url, "PANNIER_RELAY": "all"}) as server,
        nginx(prefixed(server)) as url,
    ):
        yield url


@pytest.fixture
def opened(simulator: Simulator) -> Iterator[str]:
    """The shipped nginx without the block that closes routes."""
    start = CONFIG.index("    location ~ /api/(pull|")
    end = CONFIG.index("}\n", start) + 2
    with Server({"OLLAMA_URL": simulator.url}) as server:
        config = replaced(CONFIG, CONFIG[start:end], "")
        with nginx(
            replaced(config, "127.0.0.1:8080", f"127.0.0.1:{server.port}")
        ) as url:
            yield url


@needs_nginx
@pytest.mark.live
def test_nginx_passes_uploads_on_as_they_come(
    opened: str, simulator: Simulator
) -> None:
    """The upload of a model of 100 GB reaches Ollama before it has all arrived."""
    where = urlsplit(opened)
    path = "/api/blobs/sha256:" + "0" * 64
    with socket.create_connection((where.hostname, where.port or 0)) as client:
        client.sendall(
            f"POST {path} HTTP/1.1\r\nHost: {where.netloc}\r\n"
            f"Content-Length: {100 * 1024**3}\r\n\r\nGGUF".encode()
        )
        asked = simulator.wait(timeout=PATIENCE, method="POST", path=path)
    lengths = [v for k, v in asked["headers"] if k.lower() == "content-length"]
    assert lengths == [str(100 * 1024**3)]


@needs_nginx
@pytest.mark.live
@pytest.mark.parametrize("prefix", ["", "/pannier"])
@pytest.mark.parametrize("slash", ["/", "%2F"])
def test_a_model_with_slashes_through_nginx(
    simulator: Simulator, prefix: str, slash: str
) -> None:
    """Names like hf.co/user/model arrive whole, also quoted, also under a prefix."""
    name = "hf.co/somebody/a-model:Q4"
    copy = {"source": "llama3.2", "destination": name}
    assert simulator.ask("POST", "/api/copy", copy)[0] == 200
    with (
        Server({"OLLAMA_URL": simulator.url}) as server,
        nginx(prefixed(server)) as url,
    ):
        target = f"{url}{prefix}/v1/models/{name.replace('/', slash)}"
        with request("GET", target) as response:
            answer = json.loads(response.read())
            assert (response.status, answer.get("id")) == (200, name)


def prefixed(server: Server) -> str:
    """The shipped configuration with its locations for a path prefix."""
    config = CONFIG.replace("127.0.0.1:8080", f"127.0.0.1:{server.port}")
    start = config.index("    #location /pannier/ {")
    return config[:start] + config[start:].replace("    #", "    ")


@needs_nginx
@pytest.mark.live
def test_a_path_prefix(simulator: Simulator) -> None:
    """Under /pannier/ everything answers, and so does a stream."""
    with (
        Server({"OLLAMA_URL": simulator.url}) as server,
        nginx(prefixed(server)) as url,
    ):
        with request("GET", f"{url}/pannier/health") as response:
            assert response.status == 200
        body = chat(stream=True)
        with request("POST", f"{url}/pannier/v1/chat/completions", body) as response:
            assert response.read().endswith(b"data: [DONE]\n\n")


@needs_nginx
@pytest.mark.live
def test_a_unix_socket(simulator: Simulator) -> None:
    """nginx reaches ``pannier serve --bind unix:…`` as its comment says."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "pannier.sock")
        config = replaced(CONFIG, "    server 127.0.0.1:8080;\n", "")
        config = replaced(
            config,
            "#server unix:/run/pannier/pannier.sock;",
            f"server unix:{path};",
        )
        with (
            Server(
                {"OLLAMA_URL": simulator.url},
                arguments=["--bind", f"unix:{path}"],
                socket_path=path,
            ) as server,
            nginx(config) as url,
            request("POST", f"{url}/v1/chat/completions", chat()) as response,
        ):
            assert content(response)
            assert "WARNING" not in server.output()


class Visitor(NamedTuple):
    """Somebody who is signed in at a URL, and the headers that say so."""

    url: str
    headers: dict[str, str]

    def asks(
        self, method: str, path: str, body: Any = None
    ) -> contextlib.AbstractContextManager[http.client.HTTPResponse]:
        """One request to the admin API, as the pages make it."""
        return request(method, f"{self.url}{PREFIX}/{path}", body, self.headers)


@pytest.fixture(scope="module")
def visitor(simulator: Simulator) -> Iterator[Visitor]:
    """Somebody who administers through the shipped nginx."""
    env = {"OLLAMA_URL": simulator.url, "ADMIN_PASSWORD": PASSWORD}
    with (
        Server(env) as server,
        nginx(replaced(CONFIG, "127.0.0.1:8080", f"127.0.0.1:{server.port}")) as url,
    ):
        yield signed_in(url)


def signed_in(url: str) -> Visitor:
    """Sign in as the page does, from a page of this very name."""
    headers = {"Content-Type": "application/json", "Origin": url}
    form = {"username": "admin", "password": PASSWORD}
    with request("POST", f"{url}{PREFIX}/login", form, headers) as response:
        me = json.loads(response.read())
        assert response.status == 200, me
        cookie = response.getheader("Set-Cookie", "").partition(";")[0]
    more = {"Cookie": note(cookie), "X-CSRF-Token": note(me["csrf_token"])}
    return Visitor(url, {**headers, **more})


@needs_nginx
@pytest.mark.live
def test_pages_through_nginx(visitor: Visitor) -> None:
    """The door and what is behind it are there; scripts may be kept for ever."""
    with request("GET", f"{visitor.url}/admin/login") as response:
        page = response.read().decode()
        assert response.status == 200
        assert response.getheader("Cache-Control") == "no-store"
        assert "default-src 'none'" in response.getheader("Content-Security-Policy", "")
    with request("GET", f"{visitor.url}/admin/", headers=visitor.headers) as response:
        assert b"<h1>Overview</h1>" in response.read()
    (script,) = re.findall(r'src="(/admin/static/[^"]*/app\.js)"', page)
    packed = {"Accept-Encoding": "gzip"}
    with request("GET", f"{visitor.url}{script}", headers=packed) as response:
        assert gzip.decompress(response.read()) == APP.read_bytes()
        kept = response.getheader("Cache-Control")
        assert kept == "public, max-age=31536000, immutable"


@needs_nginx
@pytest.mark.live
def test_pages_beside_a_path_prefix(simulator: Simulator) -> None:
    """They are at /admin/, also where all else at the root is somebody else's."""
    theirs = "    location / {\n        proxy_pass http://pannier;"
    with Server({"OLLAMA_URL": simulator.url, "ADMIN_PASSWORD": PASSWORD}) as server:
        config = replaced(prefixed(server), theirs, "    location / {\n return 404;")
        with nginx(config) as url:
            signed_in(url)
            with request("GET", f"{url}/pannier/admin") as response:
                assert response.getheader("Location") == "/admin/"
            with request("GET", f"{url}/admin/login") as response:
                assert response.status == 200
            with request("GET", f"{url}/health") as response:
                assert response.status == 404


@needs_nginx
@pytest.mark.live
def test_what_runs_through_nginx(visitor: Visitor, simulator: Simulator) -> None:
    """A page that is open hears of what begins, while its stream goes on."""
    body = chat("live", "sim-chunks1000-tps5", stream=True)
    with visitor.asks("GET", "live") as response:
        assert response.getheader("Content-Type", "").startswith("text/event-stream")
        told = (json.loads(x[6:]) for x in response if x.startswith(b"data: "))
        assert next(told)["running"] == []
        with request("POST", f"{visitor.url}/v1/chat/completions", body) as answer:
            answer.readline()
            now = next(filter(None, (event["running"] for event in told)))
        assert [one["model"] for one in now] == ["sim-chunks1000-tps5"]
    simulator.wait(path="/api/chat", body="live", outcome="client-left")


@needs_nginx
@pytest.mark.live
def test_a_pull_through_nginx(visitor: Visitor, simulator: Simulator) -> None:
    """How far it is comes while it goes on: the block that closes routes is not met."""
    model = "sim-load2"
    simulator.clear()
    with visitor.asks("POST", "models/pull", {"model": model}) as response:
        while b'"completed"' not in (line := response.readline()):
            assert line, "it ended before"
        assert simulator.wait(path="/api/pull")["outcome"] == "open"
        assert response.read().endswith(b'data: {"status":"success"}\n\n')
    with visitor.asks("POST", f"models/{model}/remove") as response:
        assert response.status == 204


@needs_nginx
@pytest.mark.live
def test_a_try_through_nginx(visitor: Visitor, simulator: Simulator) -> None:
    """The first frame is on the page before Ollama has written the second."""
    body = chat("a try", "sim-chunks2-tps1", stream=True)
    tried = {"path": "/v1/chat/completions", "body": body}
    simulator.clear()
    with visitor.asks("POST", "playground", tried) as response:
        while b'"content":"' not in response.readline():
            pass
        asked = simulator.wait(path="/api/chat", body="a try")
        assert asked["outcome"] == "open"
        assert response.read().endswith(b"data: [DONE]\n\n")


def test_nginx_lets_go_of_connections_first() -> None:
    """nginx keeps idle connections to us for a shorter time than we do."""
    kept = re.search(r"keepalive_timeout (\d+)s;", CONFIG)
    assert kept is not None
    assert int(kept[1]) < Settings().header_timeout


def test_nginx_leaves_the_limit_of_bodies_to_us() -> None:
    """What our own limit allows nginx allows, so the error is ours."""
    allowed = re.search(r"client_max_body_size (\d+)m;", CONFIG)
    assert allowed is not None
    assert int(allowed[1]) * 1024 * 1024 > Settings().max_body_bytes


def test_nginx_waits_as_long_as_we_do() -> None:
    """No limit of nginx's cuts an answer that ours would let run."""
    waits = re.findall(r"proxy_(?:send|read)_timeout (\d+)s;", CONFIG)
    assert len(waits) == 2
    assert all(int(wait) >= Settings().total_timeout for wait in waits)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """What compose.yaml says."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return loaded


def test_compose_starts_the_gateway_alone(compose: dict[str, Any]) -> None:
    """``docker compose up -d`` starts ``gateway`` and nothing else."""
    services = compose["services"]
    assert [name for name in services if "profiles" not in services[name]] == [
        "gateway"
    ]
    assert "depends_on" not in services["gateway"]


def test_compose_reads_the_reference_s_env(compose: dict[str, Any]) -> None:
    """PORT is the published port, OLLAMA_URL is Ollama, .env may be missing."""
    gateway = compose["services"]["gateway"]
    assert gateway["env_file"] == [{"path": ".env", "required": False}]
    assert gateway["ports"][0].endswith(":${PORT:-8080}:8080")
    assert gateway["environment"]["OLLAMA_URL"].startswith("${OLLAMA_URL:-")
    assert gateway["environment"]["PANNIER_PORT"] == "8080"


def test_compose_s_names_are_allowed(compose: dict[str, Any]) -> None:
    """Other containers may call the gateway by its service's name and as pannier."""
    gateway = compose["services"]["gateway"]
    assert gateway["hostname"] == "pannier"
    assert gateway["networks"]["default"]["aliases"] == ["pannier"]
    allowed = gateway["environment"]["PANNIER_ALLOWED_HOSTS"]
    assert allowed == "gateway,${PANNIER_ALLOWED_HOSTS:-}"


def test_compose_reaches_the_host(compose: dict[str, Any]) -> None:
    """The name of the default OLLAMA_URL is the host, on Linux as well."""
    gateway = compose["services"]["gateway"]
    default = gateway["environment"]["OLLAMA_URL"].partition(":-")[2].rstrip("}")
    name = urlsplit(default).hostname
    assert f"{name}:host-gateway" in gateway["extra_hosts"]


def test_the_container_s_settings_are_valid(compose: dict[str, Any]) -> None:
    """Pannier starts with what Dockerfile and compose file set, and a user's .env."""
    block = re.search(r"^ENV PATH(?:.*\\\n)*.*", dockerfile(), re.MULTILINE)
    assert block is not None
    image = dict(re.findall(r"(\w+)=(\S+)", block[0]))
    fixed = compose["services"]["gateway"]["environment"]
    reference = {
        "PORT": "3000",
        "SESSION_SECRET": "x",
        "HOST": "0f3c",
        "container": "y",
    }
    interpolated = {
        "OLLAMA_URL": "http://ollama:11434",
        "PANNIER_ALLOWED_HOSTS": fixed["PANNIER_ALLOWED_HOSTS"].partition("$")[0],
    }
    environ = {**reference, **image, **fixed, **interpolated}
    settings = Settings.from_environ(environ, Path("/nowhere"))
    assert (settings.host, settings.port) == ("0.0.0.0", 8080)
    volume = compose["services"]["gateway"]["volumes"][0].partition(":")[2]
    assert settings.state_dir == volume


def dockerfile() -> str:
    """The Dockerfile's text."""
    return (ROOT / "Dockerfile").read_text()


def test_the_image_does_not_run_as_root() -> None:
    """The last stage ends as another user, by number so that a cluster sees it."""
    users = re.findall(r"^USER (.*)$", dockerfile(), re.MULTILINE)
    assert users[-1].isdigit()
    assert int(users[-1]) > 0


def test_the_image_s_health_check_checks() -> None:
    """HEALTHCHECK passes where Pannier answers and fails where nobody does."""
    line = next(
        x for x in dockerfile().splitlines() if x.strip().startswith('CMD ["py')
    )
    command = [sys.executable, *json.loads(line.partition("CMD ")[2])[1:]]

    def check(**environ: str) -> int:
        return subprocess.run(
            command, env=clean_environ(**environ), capture_output=True, timeout=PATIENCE
        ).returncode

    with Server() as server:
        assert check(PORT=str(server.port)) == 0
        assert check(PORT="1", PANNIER_PORT=str(server.port)) == 0
    assert check(PORT=str(free_port())) != 0


@pytest.mark.live
def test_the_procfile() -> None:
    """The Procfile's line serves on $PORT of every address."""
    kind, _, line = (ROOT / "Procfile").read_text().strip().partition(": ")
    assert kind == "web"
    port = free_port()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with Server(
        {"PORT": str(port), "PATH": path, "PANNIER_PORT": ""},
        command=["sh", "-c", f"exec {line}"],
        cwd=ROOT,
        port=port,
    ) as server:
        assert f"http://0.0.0.0:{port}" in server.output()


def test_the_unit_serves_and_waits() -> None:
    """The unit starts ``pannier serve`` and lets answers end before it kills."""
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(ROOT / "contrib" / "pannier.service")
    service = unit["Service"]
    assert service["ExecStart"].endswith("/pannier serve")
    assert int(service["TimeoutStopSec"]) > Settings().graceful_timeout
    assert service["DynamicUser"] == "yes"
    assert service["RestartPreventExitStatus"] == "2"
    state = f"PANNIER_STATE_DIR=/var/lib/{service['StateDirectory']}"
    assert service["Environment"] == state
