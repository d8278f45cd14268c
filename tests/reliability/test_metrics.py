import http.client
import json
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import pytest
import yaml
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from support.gateway import installed, key, snapshot
from support.ollama import FakeUpstream
from support.server import PATIENCE, ROOT, Server, free_port
from support.simulator import Simulator
from werkzeug.test import Client, TestResponse

from app.metrics.families import ASKED, COUNTED
from app.settings import Settings
from middleware.stack import build_stack

FAMILIES = (*COUNTED, *ASKED)
PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
DASHBOARD = (ROOT / "contrib" / "grafana-dashboard.json").read_text(encoding="utf-8")
CHAT = {"model": "llama3.2", "messages": [{"role": "user", "content": "one two three"}]}
LABELS = {"endpoint": "chat", "model": "llama3.2:latest"}

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="module")
def pannier(ollama: Simulator) -> Iterator[Server]:
    """Two workers."""
    with Server({"OLLAMA_URL": ollama.url, "WEB_CONCURRENCY": "2"}) as server:
        yield server


def ask(server: Server, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
    """One request on a connection of its own: status and text."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    with closing(connection):
        data = None if body is None else json.dumps(body).encode()
        connection.request("GET" if data is None else "POST", path, data, headers)
        response = connection.getresponse()
        return response.status, response.read().decode()


def families(text: str) -> list[Metric]:
    """What Prometheus reads in a page."""
    return list(text_string_to_metric_families(text))


def samples(server: Server) -> Samples:
    """All numbers of a page by their names and labels, none of them twice."""
    status, text = ask(server, "/metrics")
    assert status == 200, text
    found: Samples = {}
    for sample in (one for family in families(text) for one in family.samples):
        name = sample.name, frozenset(sample.labels.items())
        assert name not in found, name
        found[name] = sample.value
    return found


def number(found: Samples, name: str, **labels: str) -> float:
    """One number of a page; 0 for what is not there."""
    return found.get((f"pannier_{name}", frozenset(labels.items())), 0.0)


def settled(server: Server) -> Samples:
    """All numbers when every request is over: clients have an answer before that."""
    end = time.monotonic() + PATIENCE
    while number(found := samples(server), "requests_in_flight") != 1:
        assert time.monotonic() < end, "requests stay in flight"
        time.sleep(0.02)
    return found


def until(server: Server, name: str, wanted: float, **labels: str) -> None:
    """Wait until a number is what it should be; nobody tells when it changes."""
    end = time.monotonic() + PATIENCE
    while (now := number(samples(server), name, **labels)) != wanted:
        assert time.monotonic() < end, f"{name} is {now} and not {wanted}"
        time.sleep(0.05)


def chats(server: Server, count: int, **more: Any) -> Counter[int]:
    """So many chats, many at a time: how often each status came."""
    with ThreadPoolExecutor(8) as pool:
        path = "/v1/chat/completions"
        jobs = [pool.submit(ask, server, path, {**CHAT, **more}) for _ in range(count)]
        return Counter(job.result()[0] for job in jobs)


def counted(server: Server) -> tuple[float, ...]:
    """What is counted of chats: requests, durations, prompts' tokens, speeds."""
    found = settled(server)
    return (
        number(found, "requests_total", status="200", **LABELS),
        number(found, "request_duration_seconds_count", **LABELS),
        number(found, "prompt_tokens_total", **LABELS),
        number(found, "tokens_per_second_count", model=LABELS["model"]),
    )


@pytest.mark.live
def test_all_workers_together(pannier: Server) -> None:
    """Counts are exact over all workers, also when one of them was killed."""
    samples(pannier)  # from now on Ollama's own times are counted as well
    before = counted(pannier)
    assert chats(pannier, 40) == {200: 40}
    after = counted(pannier)
    requests, durations, tokens, speeds = (
        b - a for a, b in zip(before, after, strict=True)
    )
    assert (requests, durations, speeds) == (40, 40, 40)
    assert tokens > 0
    assert tokens % 40 == 0
    for round_ in (1, 2):
        victim = pannier.workers()[0]
        os.kill(victim, signal.SIGKILL)
        until_replaced(pannier, victim)
        assert counted(pannier) == tuple(
            old + (round_ - 1) * 20 * each
            for old, each in zip(after, (1, 1, tokens / 40, 1), strict=True)
        )
        assert chats(pannier, 20) == {200: 20}
    assert counted(pannier)[0] == after[0] + 40


def until_replaced(server: Server, victim: int) -> None:
    """Wait until there are two workers again."""
    end = time.monotonic() + PATIENCE
    while victim in server.workers() or number(samples(server), "workers") != 2:
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.live
def test_all_tell_what_all_do(pannier: Server, ollama: Simulator) -> None:
    """Whichever worker is asked, it tells of what the others are doing."""
    before = ollama.open()
    clients = [leaving(pannier, ollama, before + n) for n in range(1, 7)]
    seen = {number(samples(pannier), "requests_in_flight") for _ in range(12)}
    for client in clients:
        client.close()
    # With the one that asks, and now and then the end of the one before.
    assert min(seen) == 7
    found = settled(pannier)
    assert number(found, "workers") == 2
    memory = [size for (name, _), size in found.items() if "memory" in name]
    assert len(memory) in (0, 2)  # only Linux tells
    assert all(1e6 < size < 1e9 for size in memory)


def leaving(
    server: Server, ollama: Simulator, there: int
) -> http.client.HTTPConnection:
    """A client that waits for what does not come; Ollama then serves so many."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    body = json.dumps({**CHAT, "model": "sim-load60"})
    connection.request("POST", "/v1/chat/completions", body)
    end = time.monotonic() + PATIENCE
    while ollama.open() != there:
        assert time.monotonic() < end
        time.sleep(0.02)
    return connection


@pytest.mark.live
def test_read_under_load(pannier: Server) -> None:
    """A page that is read in the middle of it all is whole, and nothing goes back."""
    over = threading.Event()
    pages: list[Samples] = []

    def read() -> None:
        while not over.is_set():
            pages.append(samples(pannier))

    before = counted(pannier)[0]
    with ThreadPoolExecutor(1) as reader:
        reading = reader.submit(read)
        try:
            assert chats(pannier, 200, stream=True) == {200: 200}
        finally:
            over.set()
        reading.result()
    assert len(pages) > 2
    for earlier, later in pairwise(pages):
        for name, value in earlier.items():
            if name[0].endswith(("_total", "_bucket", "_count", "_sum")):
                assert later[name] >= value, name
    assert counted(pannier)[0] == before + 200


@pytest.mark.live
def test_histograms_hold_what_was_sent(pannier: Server) -> None:
    """Durations and first tokens are in the classes where they belong."""
    model = "sim-load1-chunks3-tps2"
    assert chats(pannier, 2, model=model, stream=True) == {200: 2}
    found = settled(pannier)
    what = {"endpoint": "chat", "model": f"{model}:latest"}

    def below(name: str, seconds: str) -> float:
        return number(found, f"{name}_seconds_bucket", le=seconds, **what)

    assert (below("first_token", "0.5"), below("first_token", "5.0")) == (0, 2)
    assert (below("request_duration", "1.0"), below("request_duration", "20.0")) == (
        *(0, 2),
    )
    first = number(found, "first_token_seconds_sum", **what)
    whole = number(found, "request_duration_seconds_sum", **what)
    assert 2 <= first < whole
    assert number(found, "ollama_seconds_total", model=what["model"], phase="load") > 1


@pytest.mark.live
def test_names_of_clients(pannier: Server) -> None:
    """Models that are not there, paths and methods that nobody knows make no series."""
    names = {name for name, _ in samples(pannier)}
    before = len(settled(pannier))
    for n in range(50):
        body = {**CHAT, "model": f"no-{n}"}
        assert ask(pannier, "/v1/chat/completions", body)[0] == 404
        assert ask(pannier, f"/no/{n}")[0] == 404
    found = settled(pannier)
    assert {name for name, _ in found} >= names
    assert not [labels for _, labels in found if "no-" in str(labels)]
    # Two durations, one of them with its 17 classes, their sums, and what failed.
    assert len(found) - before <= 60


@pytest.mark.live
def test_how_requests_end(pannier: Server, ollama: Simulator) -> None:
    """Errors are counted by their code, and clients that leave."""

    def errors(code: str) -> float:
        return number(settled(pannier), "errors_total", endpoint="chat", code=code)

    wrong, left = errors("invalid_type"), errors("left")
    broken = errors("upstream_incomplete")
    assert ask(pannier, "/v1/chat/completions", {"model": 5})[0] == 400
    assert errors("invalid_type") == wrong + 1
    leaving(pannier, ollama, ollama.open() + 1).close()
    assert errors("left") == left + 1
    chats(pannier, 1, model="fault-cut-3", stream=True)
    assert errors("upstream_incomplete") == broken + 1


@pytest.mark.live
def test_without_ollama() -> None:
    """Ollama is down when nobody answers there, and unknown until somebody asks."""
    with Server({"OLLAMA_URL": f"http://127.0.0.1:{free_port()}"}) as server:
        assert ("pannier_upstream_up", frozenset()) not in samples(server)
        assert chats(server, 1) == {502: 1}
        assert settled(server)["pannier_upstream_up", frozenset()] == 0


@pytest.mark.live
def test_a_reload_keeps_what_was_counted(ollama: Simulator) -> None:
    """Workers that are replaced by a reload leave their numbers to the next ones."""
    with Server({"OLLAMA_URL": ollama.url, "WEB_CONCURRENCY": "2"}) as server:
        assert chats(server, 10) == {200: 10}
        before = set(server.workers())
        server.send_signal(signal.SIGHUP)
        end = time.monotonic() + PATIENCE
        while before & set(server.workers()):
            assert time.monotonic() < end
            time.sleep(0.05)
        until(server, "workers", 2)
        assert chats(server, 10) == {200: 10}
        found = settled(server)
        assert number(found, "requests_total", status="200", **LABELS) == 20


@pytest.mark.live
def test_the_page_is_well_formed(pannier: Server) -> None:
    """Each metric is explained once, and has the form that Prometheus expects."""
    chats(pannier, 1, stream=True)
    status, text = ask(pannier, "/metrics")
    assert status == 200
    described: dict[str, str] = {}
    for line in text.splitlines():
        word = line.split(" ")
        if line.startswith("# TYPE"):
            assert word[2] not in described
            described[word[2]] = word[3]
        elif not line.startswith("#"):
            assert re.match(r"pannier_[a-z_]+(\{| )", line), line
    found = families(text)
    assert len(found) == len({family.name for family in found}) == len(described)
    known = {family.name.removesuffix("_total"): family for family in FAMILIES}
    assert {family.name for family in found} <= known.keys()
    for family in found:
        rules(family, known[family.name].labels)


def rules(family: Metric, labels: tuple[str, ...]) -> None:
    """What Prometheus' own linter would complain of."""
    assert family.documentation.endswith(".")
    assert family.type in ("counter", "gauge", "histogram")
    for sample in family.samples:
        assert set(sample.labels) - {"le"} == set(labels)
        assert (family.type == "counter") == sample.name.endswith("_total")
        assert sample.value >= 0
    if family.type == "histogram":
        classes(family)


def classes(family: Metric) -> None:
    """Classes of a histogram grow, and the last one has all."""
    series: dict[frozenset[tuple[str, str]], list[float]] = {}
    counts: dict[frozenset[tuple[str, str]], float] = {}
    for sample in family.samples:
        labels = {**sample.labels}
        labels.pop("le", None)
        what = frozenset(labels.items())
        if sample.name.endswith("_bucket"):
            series.setdefault(what, []).append(sample.value)
        elif sample.name.endswith("_count"):
            counts[what] = sample.value
    assert series.keys() == counts.keys()
    for what, values in series.items():
        assert values == sorted(values)
        assert values[-1] == counts[what]


# ------------------------------------------------------------------- who may read it

Get = Callable[..., TestResponse]
SECRET = "sk-test-key-of-thirty-two-characters"


def opened(*keys: Any) -> Get:
    """Asks for the page, where these keys are."""
    installation = installed(snapshot(*keys))
    with patch("middleware.stack.Upstream.of", lambda settings: FakeUpstream()):
        app = build_stack(Settings(access_log=False), installation)

    def get(address: str, **headers: str) -> TestResponse:
        environ = {"REMOTE_ADDR": address}
        return Client(app).get("/metrics", headers=headers, environ_overrides=environ)

    return get


@pytest.mark.parametrize("keys", [(), (key(),)], ids=["open", "closed"])
@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 401),
        ("127.0.0.1", {"X-Forwarded-Proto": "https"}, 401),
        ("10.1.2.3", {}, 401),
        ("", {}, 401),
        ("127.0.0.1", {"Host": "localhost:8080"}, 200),
        ("10.1.2.3", {"Authorization": "Bearer sk-wrong"}, 401),
    ],
)
def test_who_may_read(
    keys: tuple[Any, ...], address: str, headers: dict[str, str], status: int
) -> None:
    """Programs of this machine may, and nobody else; a proxy is not one of them."""
    answer = opened(*keys)(address, **headers)
    assert answer.status_code == status
    if status == 401:
        assert answer.json is not None
        assert answer.json["error"]["code"] == "invalid_api_key"
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert "pannier_" not in answer.text


@pytest.mark.parametrize(("keys", "status"), [((), 403), ((key(),), 401)])
def test_not_by_another_name(keys: tuple[Any, ...], status: int) -> None:
    """A web page whose name is made to point to this machine is not of this machine."""
    answer = opened(*keys)("127.0.0.1", Host="evil.example:8080")
    assert answer.status_code == status
    assert "pannier_" not in answer.text


def test_a_key_opens_it() -> None:
    """A key of the group ``manage`` reads from anywhere; others learn nothing."""
    get = opened(key(secret=SECRET))
    answer = get("10.1.2.3", Authorization=f"Bearer {SECRET}")
    assert (answer.status_code, "pannier_" in answer.text) == (403, False)
    get = opened(key(secret=SECRET, allow_endpoints=("manage",)))
    answer = get("10.1.2.3", Authorization=f"Bearer {SECRET}")
    assert answer.status_code == 200
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert "pannier_keys 1.0\n" in answer.text
    assert SECRET not in answer.text
    assert "key_k" not in answer.text


def test_only_to_be_read() -> None:
    """Anything but GET and HEAD is a 405."""
    with patch("middleware.stack.Upstream.of", lambda settings: FakeUpstream()):
        app = build_stack(Settings(access_log=False), installed(snapshot()))
    client = Client(app)
    local = {"REMOTE_ADDR": "127.0.0.1"}
    assert client.post("/metrics", environ_overrides=local).status_code == 405
    head = client.head("/metrics", environ_overrides=local)
    assert (head.status_code, head.text) == (200, "")
    assert int(head.headers["Content-Length"]) > 1000


# ------------------------------------------------------------------- what is said of it


def test_every_metric_is_documented() -> None:
    """The page has a row for each metric, with its kind and labels, and no other."""
    rows = re.findall(r"^\| `(pannier_\w+)` \| (\w+) \| (.*?) \|", PAGE, re.M)
    said = {name: (kind, re.findall(r"`(\w+)`", labels)) for name, kind, labels in rows}
    assert said == {one.name: (one.kind, [*one.labels]) for one in FAMILIES}


def test_what_prometheus_is_told() -> None:
    """The example for Prometheus reads Pannier where it listens by itself."""
    text = (ROOT / "contrib" / "prometheus.yml").read_text(encoding="utf-8")
    (job,) = yaml.safe_load(text)["scrape_configs"]
    assert job.get("metrics_path", "/metrics") == "/metrics"
    settings = Settings()
    (targets,) = job["static_configs"]
    assert targets == {"targets": [f"{settings.host}:{settings.port}"]}


def test_the_dashboard_shows_what_there_is() -> None:
    """Grafana's dashboard asks for metrics and labels that exist, and all are used."""
    queries = [
        target["expr"]
        for panel in json.loads(DASHBOARD)["panels"]
        for target in panel.get("targets", [])
    ]
    assert queries
    known = {one.name: one for one in FAMILIES}
    used = set()
    for query in queries:
        for name, labels in re.findall(r"(pannier_\w+)(?:\{([^}]*)\})?", query):
            base = name
            if known.get(name) is None:
                base = re.sub(r"_(bucket|sum|count)$", "", name)
                assert known[base].kind == "histogram", name
            used.add(base)
            for label in re.findall(r"(\w+)\s*[=!]", labels):
                assert label in (*known[base].labels, "instance", "job"), query
    assert used >= known.keys() - {"pannier_start_time_seconds"}
