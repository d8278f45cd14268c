from typing import Any

import pytest

from app.errors import GatewayError, UpstreamBroken, UpstreamTimeout
from app.exchange import Exchange
from app.gateway.spent import Spent
from app.metrics.board import IN_FLIGHT, UP, UP_AT, Board
from app.metrics.counts import Counts
from app.metrics.endpoints import endpoint
from app.metrics.models import MOST
from app.wire.names import short


class Dropping:
    """Rows of usage; so many were dropped."""

    dropped = 0


def counting() -> Counts:
    """The numbers of a worker."""
    return Counts(Dropping())


def count(counts: Counts, what: str = "chat", **noted: Any) -> None:
    """Count one request of which this is known."""
    exchange = Exchange(status="200", outcome="done", first_item_ms=30)
    counts.begin(exchange, what)
    for name, value in noted.items():
        setattr(exchange, name, value)
    counts.end(exchange, what)


def answered(counts: Counts, model: str, **noted: Any) -> None:
    """Count a request that a model answered."""
    given = {"complete": True, "prompt_tokens": 2, "completion_tokens": 3}
    count(counts, model=model, **given | noted)


def numbers(counts: Counts, family: str) -> dict[tuple[str, ...], list[float]]:
    """All series of a family, over the whole board, by their labels."""
    return {
        series[1:]: found
        for sheet in counts.board.sheets()
        for series, found in sheet.numbers()
        if series[0] == f"pannier_{family}" and any(found)
    }


def test_names_of_clients_make_no_series() -> None:
    """Whatever clients call a model that is not there, it is one series."""
    counts = counting()
    for n in range(300):
        count(counts, model=f"m{n}", status="404", outcome="model_not_found")
    assert numbers(counts, "requests_total") == {("chat", "other", "404"): [300]}
    assert numbers(counts, "errors_total") == {("chat", "model_not_found"): [300]}


def test_so_many_models_and_no_more() -> None:
    """Of more models than have labels the others are one, in all workers together."""
    board = Board(2)
    first, second = counting(), counting()
    for worker in (first, second):
        worker.share(board, board.take())
    for n in range(MOST + 20):
        answered((first, second)[n % 2], f"m{n}")
    found = numbers(first, "requests_total")
    assert len({labels[1] for labels in found}) == MOST + 1
    # Two series of that name, one on each sheet: the last is seen here.
    assert found["chat", "other", "200"] == [10]


def test_a_model_from_its_first_good_answer_on() -> None:
    """A model has its label once it has answered, and keeps it when it fails later."""
    counts = counting()
    for complete in (False, True, False):
        count(counts, model="llama3.2", complete=complete)
    found = numbers(counts, "requests_total")
    assert {labels[1]: number for labels, number in found.items()} == {
        "other": [1],
        "llama3.2:latest": [2],
    }


@pytest.mark.parametrize(
    ("spelled", "label"),
    [
        ("llama3.2", "llama3.2:latest"),
        ("Library/LLAMA3.2:latest", "llama3.2:latest"),
        ("registry.ollama.ai/library/a:b", "a:b"),
        ("me/a", "me/a:latest"),
        ("hf.co/me/a:Q4_0", "hf.co/me/a:q4_0"),
    ],
)
def test_one_label_for_all_spellings(spelled: str, label: str) -> None:
    """A model is called as Ollama's list calls it, however clients spell it."""
    assert short(spelled) == label


def test_a_long_name() -> None:
    """A name longer than a label may be is no label."""
    counts = counting()
    answered(counts, "m" * 200)
    assert list(numbers(counts, "requests_total")) == [("chat", "other", "200")]


def test_many_spellings_take_no_memory() -> None:
    """What is remembered of models' names has a bound."""
    counts = counting()
    for n in range(3000):
        answered(counts, " " * (n % 60) + "a" + " " * (n // 60))
    assert len(counts._models._labels) <= 1000
    assert len(counts._places) <= 2000
    assert list(numbers(counts, "requests_total")) == [("chat", "a:latest", "200")]


def test_what_an_answer_took() -> None:
    """Tokens, the first piece, Ollama's own times and the speed are counted."""
    counts = counting()
    counts.board.note_asked()
    spent = Spent("chat", "openai", total=10**9, load=10**8, prompt=2 * 10**8)
    spent.eval, spent.calls = 6 * 10**8, 1
    answered(counts, "a", stream=True, spent=spent, completion_tokens=12)
    what = ("chat", "a:latest")
    assert numbers(counts, "prompt_tokens_total") == {what: [2]}
    assert numbers(counts, "completion_tokens_total") == {what: [12]}
    (first,) = numbers(counts, "first_token_seconds").values()
    assert first[2] == 1  # 30 ms is above 25 and not above 50
    assert first[-1] == pytest.approx(0.03)
    seconds = numbers(counts, "ollama_seconds_total")
    assert {phase: round(n[0], 6) for (_, phase), n in seconds.items()} == {
        "queue": 0.1,
        "load": 0.1,
        "prompt": 0.2,
        "generation": 0.6,
    }
    ((model,), speed), *_ = numbers(counts, "tokens_per_second").items()
    assert (model, speed[5], speed[-1]) == ("a:latest", 1, 20)  # 15 to 20 a second


@pytest.mark.parametrize("stream", [False, None])
def test_no_first_token_without_a_stream(stream: bool | None) -> None:
    """An answer in one piece has no first token, but its duration."""
    counts = counting()
    answered(counts, "a", stream=stream)
    assert not numbers(counts, "first_token_seconds")
    assert numbers(counts, "request_duration_seconds")


def test_ollamas_own_times_are_noted_once_somebody_asks() -> None:
    """Until metrics are read for the first time nothing is noted for them."""
    counts, exchange, other = counting(), Exchange(), Exchange()
    counts.begin(exchange, "chat")
    assert exchange.spent is None
    counts.board.note_asked()
    counts.begin(other, "chat")
    assert other.spent == Spent("chat", "")
    kept = Exchange(spent=Spent("chat", "openai"))
    counts.begin(kept, "chat")
    assert kept.spent is not None
    assert kept.spent.protocol == "openai"


@pytest.mark.parametrize(
    ("noted", "up"),
    [
        ({"complete": True}, True),
        ({"failure": UpstreamTimeout(""), "outcome": "upstream_timeout"}, False),
        ({"failure": UpstreamBroken(""), "outcome": "bad_upstream_response"}, None),
        ({"failure": GatewayError(""), "outcome": "internal_error"}, None),
        ({"outcome": "left"}, None),
        ({}, None),
    ],
)
def test_whether_ollama_answers(noted: dict[str, Any], up: bool | None) -> None:
    """Only an answer, or waiting in vain for one, says whether Ollama is there."""
    counts = counting()
    count(counts, **noted)
    (sheet,) = counts.board.sheets()
    assert (bool(sheet.cells[UP]) if sheet.cells[UP_AT] else None) == up


def test_without_a_sheet() -> None:
    """A worker for which no sheet is left serves, and shows what the others count."""
    board, counts, other = Board(1), counting(), counting()
    other.share(board, board.take())
    counts.share(board, board.take())
    answered(counts, "a")
    answered(other, "b")
    assert list(numbers(counts, "requests_total")) == [("chat", "b:latest", "200")]


def test_in_flight() -> None:
    """Requests are in flight from their beginning to their end."""
    counts, exchange = counting(), Exchange()
    (sheet,) = counts.board.sheets()
    counts.begin(exchange, "chat")
    assert sheet.cells[IN_FLIGHT] == 1
    counts.end(exchange, "chat")
    assert sheet.cells[IN_FLIGHT] == 0


def test_dropped_rows() -> None:
    """Rows of usage that were dropped are counted once, over workers that end too."""
    board, usage = Board(), Dropping()
    counts = Counts(usage)
    counts.share(board, board.take())
    for usage.dropped in (2, 2, 5):
        count(counts)
    board.leave(0)
    usage.dropped = 0
    counts = Counts(usage)
    counts.share(board, board.take())
    usage.dropped = 1
    counts.note_dropped()
    assert numbers(counts, "usage_dropped_total") == {(): [6]}


@pytest.mark.parametrize(
    ("request_line", "name"),
    [
        ("POST /v1/chat/completions", "chat"),
        ("POST /chat/completions", "chat"),
        ("POST /v1/completions", "completions"),
        ("POST /anthropic/v1/messages", "messages"),
        ("POST /messages", "messages"),
        ("POST /v1/responses", "responses"),
        ("GET /v1/models/a", "models"),
        ("DELETE /v1/models/a", "manage"),
        ("POST /api/chat", "native"),
        ("POST /api/generate", "native"),
        ("GET /api/tags", "native"),
        ("POST /api/pull", "manage"),
        ("POST /infill", "code"),
        ("GET /metrics", "own"),
        ("GET /", "own"),
        ("GET /static/a.css", "own"),
        ("GET /nowhere", "other"),
        ("PROPFIND /v1/chat/completions", "chat"),
    ],
)
def test_endpoints(request_line: str, name: str) -> None:
    """All paths have one of a few names."""
    method, path = request_line.split(" ")
    assert endpoint(method, path) == name
    assert endpoint(method, path) == name  # remembered


def test_invented_paths_take_no_memory() -> None:
    """What is remembered of paths has a bound."""
    from app.metrics import endpoints

    for n in range(3000):
        assert endpoint("GET", f"/v1/models/{n}") == "models"
    assert len(endpoints._known) <= 1000
