"""Who may call: Host, Origin, CORS, proxies, and Ollama's own routes."""

import re
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.leaving import eventually
from support.nginx import CONFIG, needs_nginx, nginx, replaced
from support.raw import Got, ask
from support.server import Server, free_port
from support.simulator import Simulator

pytestmark = pytest.mark.live

SETTINGS = {
    "PANNIER_ALLOWED_HOSTS": "llm.example.org, *.lan.example",
    "PANNIER_ORIGINS": "https://app.example.org, https://*.apps.example",
    "PANNIER_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8",
    "PANNIER_RELAY": "inference",
}
CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "empty"}]}
PREFLIGHT = {"Access-Control-Request-Method": "POST"}
FOREIGN = "https://evil.example"


@pytest.fixture(scope="module")
def doors(simulator: Simulator) -> Iterator[Server]:
    """A Pannier that somebody has set up for a public name."""
    with Server({"OLLAMA_URL": simulator.url, **SETTINGS}) as running:
        yield running


def cors(got: Got) -> list[str]:
    """The names of an answer's CORS headers."""
    return [name for name, _ in got.headers if name.startswith("access-control")]


def test_h10_names_of_this_machine(server: Server) -> None:
    """Without settings loopback, private addresses and local names are served."""
    own = socket.gethostname()
    allowed = [
        "127.0.0.1",
        "127.9.9.9:1234",
        "[::1]:8080",
        "0.0.0.0",
        "10.1.2.3",
        "172.31.0.1:80",
        "192.168.1.10:8080",
        "[fd00::1]",
        "localhost",
        "LocalHost:8080",
        "pannier.localhost:8080",
        "box.local",
        "host.docker.internal:8080",
        own,
        f"{own.upper()}:8080",
        "",
    ]
    for host in allowed:
        for path in ("/v1/models", "/api/tags", "/version"):
            got = ask(server.port, "GET", path, headers={"Host": host})
            assert got.status == 200, (host, path)


def test_h10_other_names(server: Server, simulator: Simulator) -> None:
    """Any other name is a 403 in the route's dialect, and Ollama is not asked."""
    simulator.clear()
    refused = [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "evil-local",
        "evillocalhost",
        "8.8.8.8",
        "172.32.0.1",
        "[2001:db8::1]:8080",
        "[::ffff:8.8.8.8]",
        "127.1",
        "2130706433",
        "0x7f.1",
        "127.0.0.1.evil.example",
        "localhost:80:80",
        "localhost@evil.example",
        "evil.example#.local",
        "a b.local",
    ]
    for host in refused:
        headers = {"Host": host}
        got = ask(server.port, "POST", "/v1/chat/completions", CHAT, headers)
        assert (got.status, got.code) == (403, "host_not_allowed"), host
        for method in ("GET", "OPTIONS", "DELETE"):
            got = ask(server.port, method, "/api/tags", headers=headers)
            assert got.status == 403, host
            assert re.fullmatch(rb'\{"error":"[^}]*HOSTS[^}]*"\}', got.body)
        assert ask(server.port, "GET", "/", headers=headers).status == 403
    assert simulator.log() == []


def test_h10_configured_names(doors: Server) -> None:
    """PANNIER_ALLOWED_HOSTS adds names, whatever the port; * is any text."""
    for host, status in (
        ("llm.example.org", 200),
        ("LLM.example.org:8443", 200),
        ("a.lan.example", 200),
        ("a.b.lan.example:1", 200),
        ("localhost", 200),
        ("lan.example", 403),
        ("llm.example.org.evil.example", 403),
        ("x-llm.example.org", 403),
        ("llmxexample.org", 403),
    ):
        got = ask(doors.port, "GET", "/v1/models", headers={"Host": host})
        assert got.status == status, host


def test_h10_probes_come_by_any_name(server: Server) -> None:
    """Load balancers ask for health and readiness under whatever name they have."""
    for path in ("/health", "/healthz", "/ready", "/readyz"):
        for host in ("evil.example", "8.8.8.8"):
            assert ask(server.port, "GET", path, headers={"Host": host}).status == 200


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
def test_h10_foreign_pages(server: Server, simulator: Simulator, method: str) -> None:
    """A page of another origin is refused before anything happens."""
    simulator.clear()
    for origin in (
        FOREIGN,
        "null",
        "http://localhost.evil.example",
        "http://evil.example:8080",
        "https://localhost@evil.example",
        "http://localhost:1, http://evil.example",
        "chrome-extension://abc",
        "x" * 4000,
    ):
        for path in ("/v1/models", "/v1/chat/completions", "/nothing"):
            headers = {"Origin": origin, **PREFLIGHT}
            got = ask(server.port, method, path, CHAT, headers)
            assert (got.status, got.code) == (403, "origin_not_allowed"), origin
            assert cors(got) == []
        got = ask(server.port, method, "/api/tags", headers={"Origin": origin})
        assert got.status == 403
        assert got.body.startswith(b'{"error":"')
    assert simulator.log() == []


def test_h10_pages_of_this_machine(server: Server) -> None:
    """Ollama's own list of origins is served, and so is Pannier's own page."""
    own = f"http://127.0.0.1:{server.port}"
    for origin in (
        "http://localhost",
        "http://localhost:3000",
        "https://127.0.0.1:8443",
        "http://0.0.0.0:1",
        "app://obsidian.md",
        "file://x",
        "tauri://localhost",
        "vscode-webview://abc",
        "vscode-file://vscode-app",
        own,
    ):
        got = ask(server.port, "GET", "/v1/models", headers={"Origin": origin})
        assert got.status == 200, origin
    # The name of a page that makes its own name point here is not our own.
    headers = {"Host": "evil.example", "Origin": "http://evil.example"}
    assert ask(server.port, "GET", "/v1/models", headers=headers).status == 403


def test_h9_who_may_read(doors: Server) -> None:
    """An admitted origin is told so by its own name, never *, never credentials."""
    for origin, allowed in (
        ("https://app.example.org", True),
        ("https://a.apps.example", True),
        ("http://localhost:5173", True),
        ("http://app.example.org", False),
        ("https://app.example.org.evil.example", False),
        ("https://apps.example", False),
    ):
        headers = {"Origin": origin}
        for method, path, body, status in (
            ("GET", "/v1/models", None, 200),
            ("POST", "/v1/chat/completions", CHAT, 200),
            ("POST", "/v1/chat/completions", CHAT | {"stream": True}, 200),
            ("POST", "/v1/chat/completions", {}, 400),
            ("GET", "/nothing", None, 404),
            ("POST", "/api/chat", CHAT, 200),
        ):
            got = ask(doors.port, method, path, body, headers)
            assert got.status == (status if allowed else 403), (origin, path)
            told = got.header("Access-Control-Allow-Origin")
            assert told == (origin if allowed else None)
            assert "access-control-allow-credentials" not in cors(got)
            if allowed:
                assert got.header("Vary") == "Origin"
                exposed = got.header("Access-Control-Expose-Headers") or ""
                assert {"x-request-id", "request-id", "retry-after"} <= set(
                    exposed.split(", ")
                )


def test_h9_without_an_origin_there_is_none(doors: Server) -> None:
    """A request of no page gets no CORS headers at all."""
    for path in ("/v1/models", "/api/tags", "/health", "/nothing"):
        assert cors(ask(doors.port, "GET", path)) == []
        assert cors(ask(doors.port, "GET", path, headers={"Origin": ""})) == []


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat", "/health"])
def test_h9_preflights(doors: Server, simulator: Simulator, path: str) -> None:
    """A preflight is answered here, with what Ollama would say, and no body."""
    simulator.clear()
    origin = "https://app.example.org"
    got = ask(doors.port, "OPTIONS", path, headers={"Origin": origin, **PREFLIGHT})
    assert (got.status, got.body) == (204, b"")
    assert got.header("Access-Control-Allow-Origin") == origin
    assert got.header("Access-Control-Allow-Methods") == (
        "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS"
    )
    assert got.header("Access-Control-Max-Age") == "43200"
    assert got.header("Content-Length") is None
    assert got.header("Transfer-Encoding") is None
    assert got.header("Vary") == (
        "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
    )
    allowed = (got.header("Access-Control-Allow-Headers") or "").lower().split(",")
    assert {"authorization", "content-type", "x-stainless-timeout"} <= set(allowed)
    assert {"x-api-key", "anthropic-version", "idempotency-key"} <= set(allowed)
    assert ask(doors.port, "OPTIONS", path).status == 204
    assert [e for e in simulator.log() if e["method"] == "OPTIONS"] == []


def test_h7_whose_word_counts(doors: Server, server: Server) -> None:
    """The log has the last address that no trusted proxy wrote, and only then."""
    for sent, client in (
        (None, "127.0.0.1"),
        ("203.0.113.9", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("6.6.6.6, 2001:db8::7", "2001:db8::7"),
        ("10.9.9.9, 10.1.2.3", "10.9.9.9"),
        ("6.6.6.6, nonsense", "127.0.0.1"),
        ("", "127.0.0.1"),
    ):
        headers = {} if sent is None else {"X-Forwarded-For": sent}
        headers["X-Real-IP"] = headers["Forwarded"] = "for=7.7.7.7"
        got = ask(doors.port, "GET", "/health", headers=headers)
        assert client_of(doors, got) == client, sent
        got = ask(server.port, "GET", "/health", headers=headers)
        assert client_of(server, got) == "127.0.0.1", sent


def client_of(server: Server, got: Got) -> str:
    """What the log says of who asked."""
    line = logged(server, f"id={got.header('x-request-id')} ")
    found = re.search(r" client=(\S+) ", line)
    assert found is not None, line
    return found[1]


def logged(server: Server, words: str) -> str:
    """The first whole line of the log with these words, as soon as there is one."""

    def lines() -> list[str]:
        output = server.output().splitlines(keepends=True)
        return [line for line in output if words in line and line.endswith("\n")]

    first: str = eventually(lines)[0]
    return first


@needs_nginx
def test_h7_h10_behind_nginx(doors: Server) -> None:
    """By a public name that is allowed all works, pages of it too; by others nothing.

    The client's address is the one that nginx saw, not the one a client invents.
    """
    listening = f"server 127.0.0.1:{doors.port};"
    with nginx(replaced(CONFIG, "server 127.0.0.1:8080;", listening)) as url:
        port = int(url.rpartition(":")[2])
        public = {"Host": "llm.example.org", "X-Forwarded-For": "6.6.6.6, 10.0.0.1"}
        for origin in (None, "https://llm.example.org", "https://app.example.org"):
            headers = public | ({"Origin": origin} if origin else {})
            chat = (port, "POST", "/v1/chat/completions", CHAT, headers)
            got = ask(*chat, source="127.0.0.2")
            assert got.status == 200, origin
            assert client_of(doors, got) == "127.0.0.2"
        own = {"Host": f"llm.example.org:{port}"}
        own["Origin"] = f"http://{own['Host']}"
        assert ask(port, "GET", "/v1/models", headers=own).status == 200
        for headers, code in (
            ({"Host": "other.example.org"}, "host_not_allowed"),
            ({"Host": "llm.example.org", "Origin": FOREIGN}, "origin_not_allowed"),
        ):
            got = ask(port, "GET", "/v1/models", headers=headers)
            assert (got.status, got.code) == (403, code)


def test_h7_a_unix_socket(simulator: Simulator) -> None:
    """Peers of a unix socket have no address; ``unix`` believes what they say."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "pannier.sock")
        env = {"OLLAMA_URL": simulator.url, "PANNIER_TRUSTED_PROXIES": "unix"}
        bind = ["--bind", f"unix:{path}"]
        with Server(env, arguments=bind, socket_path=path) as server:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                client.sendall(
                    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
                    b"X-Forwarded-For: 203.0.113.9\r\nConnection: close\r\n\r\n"
                )
                while client.recv(65536):
                    pass
            assert " client=203.0.113.9 " in logged(server, "path=/healthz")


MANAGEMENT = [
    ("POST", "/api/pull"),
    ("POST", "/api/push"),
    ("POST", "/api/create"),
    ("POST", "/api/copy"),
    ("DELETE", "/api/delete"),
    ("HEAD", "/api/blobs/sha256:" + "0" * 64),
    ("POST", "/api/blobs/sha256:" + "0" * 64),
    ("POST", "/api/me"),
    ("POST", "/api/signout"),
    ("DELETE", "/api/user/keys/x"),
    ("POST", "/api/experimental/x"),
    ("GET", "/api/unknown"),
    ("GET", "/api/chat"),
    ("DELETE", "/api/tags"),
    ("PUT", "/api/show"),
]


def test_a2_inference_alone(doors: Server, simulator: Simulator) -> None:
    """PANNIER_RELAY=inference leaves what uses models; the rest is a 404, not asked."""
    simulator.clear()
    for method, path in MANAGEMENT:
        got = ask(doors.port, method, path, {"model": "tiny", "name": "tiny"})
        assert got.status == 404, path
        if method != "HEAD":
            assert b"PANNIER_RELAY" in got.body
            assert got.body.startswith(b'{"error":"')
    assert simulator.log() == []
    for method, path, body in (
        ("GET", "/api/tags", None),
        ("HEAD", "/api/tags", None),
        ("GET", "/api/version", None),
        ("GET", "/api/ps?x=1", None),
        ("POST", "/api/show", {"model": "tiny"}),
        ("POST", "/api/chat", CHAT),
        ("POST", "/api/generate", {"model": "tiny", "prompt": "empty"}),
        ("POST", "/api/embed", {"model": "all-minilm", "input": "x"}),
        ("POST", "/api/embeddings", {"model": "all-minilm", "prompt": "x"}),
        ("GET", "/", None),
        ("HEAD", "/", None),
    ):
        assert ask(doors.port, method, path, body).status == 200, path
    # Endpoints of ours make their own calls, whatever natives there are.
    assert ask(doors.port, "GET", "/v1/models/tiny").status == 200


def test_a2_everything_on_loopback(server: Server, simulator: Simulator) -> None:
    """Where only this machine listens every native route goes to Ollama."""
    simulator.clear()
    for method, path in MANAGEMENT:
        ask(server.port, method, path, {"model": "nope", "name": "nope"})
    asked = [(entry["method"], entry["target"]) for entry in simulator.log()]
    assert asked == MANAGEMENT


@pytest.mark.parametrize("way", ["PANNIER_HOST", "--bind"])
@pytest.mark.parametrize(
    ("relay", "words", "status"),
    [
        ("auto", "can use Ollama's models (PANNIER_RELAY=all would", 404),
        ("all", "change its models (PANNIER_RELAY=all)", 200),
    ],
)
def test_a2_h10_open_to_others(
    simulator: Simulator, relay: str, words: str, status: int, way: str
) -> None:
    """Beyond loopback inference is the default, and one WARNING says what is open."""
    copy = {"source": "llama3.2", "destination": "copied"}
    port = free_port()
    arguments = ["--bind", f"0.0.0.0:{port}"] if way == "--bind" else []
    host = "127.0.0.1" if arguments else "0.0.0.0"
    env = {
        "OLLAMA_URL": simulator.url, "PANNIER_HOST": host, "PANNIER_RELAY": relay,
    }  # fmt: skip
    with Server(env, arguments=arguments, port=port) as server:
        (warning,) = [x for x in server.output().splitlines() if "WARNING" in x]
        assert words in warning
        assert ask(server.port, "POST", "/api/copy", copy).status == status
    simulator.ask("DELETE", "/api/delete", {"model": "copied"})
