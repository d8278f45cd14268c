"""ResponsesMiddleware: what a few bytes can bring, what is held, what is done once.

Nothing here measures time: it is counted what is asked, joined, held and encoded.
"""

import gc
import json
import secrets
from collections.abc import Iterable
from io import BytesIO
from typing import Any

import msgspec
import pytest
from support.events import events
from support.keeping import FakeKeeper
from support.ollama import NDJSON, Answer, FakeUpstream, Ollama, ask
from support.pictures import PNG, text
from support.plausible import Plausible
from support.stack import linted, stacked

from app.errors import GatewayError, Interruption
from app.wire.responses import ResponsesRequest
from middleware import responses_input
from middleware.errors import ErrorMiddleware
from middleware.images import Images
from middleware.responses import ResponsesMiddleware
from middleware.responses_echo import echo
from middleware.responses_input import InputItems

RESPONSES = "/v1/responses"
USER = {"role": "user", "content": "hi"}
SAYS = {"role": "assistant", "content": "x" * 50}
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
THOUGHT = {"type": "reasoning", "summary": [], "encrypted_content": "x" * 50}
LINE = b'{"message":{"content":"Hel"}}\n'
DONE = b'{"message":{"content":"lo"},"done":true,"done_reason":"stop"}\n'


class Talk:
    """One client that talks to one Pannier."""

    def __init__(self, **settings: Any) -> None:
        self.keeper = FakeKeeper()
        self.ollama = Plausible()
        self.app = linted(self.ollama, keeper=self.keeper, **settings)

    def ask(self, given: Any = "hi", **more: Any) -> Answer:
        """The answer to one more request."""
        body = {"model": "plain", "input": given, **more}
        return ask(self.app, "POST", RESPONSES, body)

    def say(self, given: Any = "hi", **more: Any) -> dict[str, Any]:
        """A response to one more request."""
        answer = self.ask(given, **more)
        assert answer.status == 200, answer.body
        return answer.json  # type: ignore[no-any-return]

    def input_of(self, response: dict[str, Any]) -> list[str]:
        """The ids of the items that a response was given."""
        path = f"{RESPONSES}/{response['id']}/input_items?order=asc&limit=100"
        return [item["id"] for item in ask(self.app, "GET", path).json["data"]]


def reference(id: str) -> dict[str, str]:
    """An item that is another one."""
    return {"type": "item_reference", "id": id}


# ------------------------------------------------------------- what is joined


class Joiner(str):
    """Counts the characters that it makes."""

    made = 0

    def join(self, texts: Iterable[str], /) -> str:
        """The texts with this between them."""
        joined = super().join(texts)
        Joiner.made += len(joined)
        return joined


@pytest.mark.parametrize(
    "again", [[SAYS], [THOUGHT, SAYS], [THOUGHT, CALL], [THOUGHT, CALL, SAYS]]
)
def test_a_turn_is_joined_once(monkeypatch: pytest.MonkeyPatch, again: Any) -> None:
    """However many pieces it comes in, no text is copied for each that follows."""
    monkeypatch.setattr(responses_input, "BETWEEN_TEXTS", Joiner("\n\n"))
    conversation = InputItems(None, Images())
    Joiner.made = 0
    for item in [CALL, *again * 300]:
        conversation.take(item, "input[0]")
    (message,) = conversation.messages()
    said = len(message.content) + len(message.thinking)
    assert said > 50 * 300
    assert Joiner.made == said


def test_an_image_by_url_after_a_call() -> None:
    """Ollama gets what was fetched, wherever in a turn it was said."""
    urls = [f"http://x.test/{name}.png" for name in "abc"]
    items: list[Any] = [USER, CALL]
    for url in urls:
        part = {"type": "input_image", "image_url": url}
        items += [{"role": "assistant", "content": [part]}, CALL]
    ollama = Ollama(LINE + DONE, headers=NDJSON)
    fetched = {url: text(PNG + url.encode()) for url in urls}
    app = ErrorMiddleware(ResponsesMiddleware(ollama, fetch=lambda urls: fetched))
    answer = ask(app, "POST", RESPONSES, {"model": "m", "input": items})
    assert answer.status == 200
    (call,) = ollama.calls
    assert call.json["messages"][1]["images"] == list(fetched.values())


# ---------------------------------------------------------- what is looked up


def test_each_item_is_looked_up_once() -> None:
    """However often it is named: one look for all, and it is told each time."""
    talk = Talk()
    first = talk.say("one")
    second = talk.say("two")
    named = [*talk.input_of(first), *talk.input_of(second)]
    before = talk.keeper.asked
    talk.say([reference(id) for id in named * 50], store=False)
    assert talk.keeper.asked == before + 1
    told = [m["content"] for m in talk.ollama.calls[-1].json["messages"]]
    assert told == ["one", "two"] * 50


SIZE = 20_000


def test_references_cannot_make_much_of_little() -> None:
    """What they stand for counts each time, as if it had been sent."""
    talk = Talk(max_body_bytes=SIZE)
    (id,) = talk.input_of(talk.say("x" * (SIZE // 4)))
    assert talk.ask([reference(id)] * 3, store=False).status == 200
    calls = len(talk.ollama.calls)
    answer = talk.ask([reference(id)] * 4, store=False)
    assert (answer.status, answer.error["code"]) == (400, "context_length_exceeded")
    assert answer.error["param"] == "input"
    others = [talk.input_of(talk.say("x" * (SIZE // 4)))[0] for _ in range(4)]
    answer = talk.ask([reference(other) for other in others])
    assert (answer.status, answer.error["param"]) == (400, "input")
    assert len(talk.ollama.calls) == calls + 4


def test_a_conversation_is_as_large_as_a_request() -> None:
    """What comes before counts as if it had been sent; agents then make it shorter."""
    talk = Talk(max_body_bytes=SIZE)
    id = None
    for _ in range(3):
        id = talk.say("x" * (SIZE // 4), previous_response_id=id)["id"]
    calls = len(talk.ollama.calls)
    for given in ("x" * (SIZE // 4), [USER] * 200):
        answer = talk.ask(given, previous_response_id=id)
        assert (answer.status, answer.error["code"]) == (400, "context_length_exceeded")
        assert answer.error["param"] == "previous_response_id"
    assert len(talk.ollama.calls) == calls
    assert talk.ask("x", previous_response_id=id).status == 200


def test_a_conversation_has_as_many_items_as_a_request() -> None:
    """So many small ones are too much as well."""
    talk = Talk()
    id = talk.say([USER] * 6000)["id"]
    answer = talk.ask([USER] * 4000, previous_response_id=id)
    assert (answer.status, answer.error["code"]) == (400, "context_length_exceeded")
    assert talk.ask([USER] * 3000, previous_response_id=id).status == 200


def test_references_and_what_came_before_count_together() -> None:
    """Each of them may be half, but no more."""
    talk = Talk(max_body_bytes=SIZE)
    first = talk.say("x" * (SIZE * 2 // 5))
    (id,) = talk.input_of(first)
    assert talk.ask([reference(id)], previous_response_id=first["id"]).status == 200
    answer = talk.ask([reference(id)] * 2, previous_response_id=first["id"])
    assert answer.error["code"] == "context_length_exceeded"


# ------------------------------------------------------------ whose ids are whose


def test_what_is_named_twice_is_found_once() -> None:
    """No two items that are kept have the same id to be found by."""
    talk = Talk()
    first = talk.say("one")
    named = [*talk.input_of(first), first["output"][0]["id"]]
    again = talk.say([reference(id) for id in named * 3])
    assert talk.input_of(again) == named * 3
    ids = [item.id for items in talk.keeper.items_of.values() for item in items]
    found = [id for id in ids if not id.startswith("~")]
    assert len(found) == len(set(found)) == 3


def test_nobody_can_plant_an_item() -> None:
    """What a client calls by an id of ours is kept so, and never found by it."""
    talk = Talk()
    (id,) = talk.input_of(talk.say("true"))
    unknown = f"msg_{secrets.token_hex(16)}_0"
    planted = talk.say([USER | {"id": id, "content": "false"}, USER | {"id": unknown}])
    assert talk.input_of(planted) == [id, unknown]
    talk.say([reference(id)])
    assert talk.ollama.calls[-1].json["messages"] == [USER | {"content": "true"}]
    answer = talk.ask([reference(unknown)])
    assert (answer.status, answer.error["param"]) == (400, "input[0].id")


def test_no_previous_response() -> None:
    """An empty id is none, and is repeated as none."""
    response = Talk().say(previous_response_id="")
    assert response["previous_response_id"] is None


# --------------------------------------------------- what is held, and repeated


def test_an_open_stream_has_no_use_for_its_request() -> None:
    """It holds what it will keep, as bytes, and nothing of what was decoded."""
    keeper = FakeKeeper()
    app = ErrorMiddleware(
        ResponsesMiddleware(Ollama(LINE, LINE, DONE, headers=NDJSON), keeper=keeper)
    )
    body = json.dumps({"model": "m", "input": "a text", "stream": True}).encode()
    seen: list[int] = []

    def requests() -> int:
        gc.collect()
        return sum(isinstance(one, ResponsesRequest) for one in gc.get_objects())

    before = requests()  # of other tests, whose failures may hold some
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": RESPONSES,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": BytesIO(body),
    }
    answer = app(environ, lambda *_: lambda data: None)
    del environ
    stream = iter(answer)
    assert b"response.created" in next(stream)
    seen.append(requests())
    assert b"response.completed" in b"".join(stream)
    assert seen == [before]
    assert len(keeper.kept) == 1


def test_what_is_repeated_becomes_json_once() -> None:
    """Not again in each event that repeats it."""
    request = ResponsesRequest(
        model="m", instructions="Be kind.", metadata={"a": "b"}, tools=[{"type": "x"}]
    )
    repeated = echo(request, "m", store=True)
    for name in ("instructions", "metadata", "tools"):
        given = getattr(repeated, name)
        assert isinstance(given, msgspec.Raw)
        assert json.loads(bytes(given)) == getattr(request, name)


def test_ids_are_hard_to_guess() -> None:
    """Whoever has the id of a response gets what is kept under it."""
    first, second = Talk().say()["id"], Talk().say()["id"]
    assert len(first) == len("resp_") + 32
    assert first != second


# ------------------------------------------------------------- ends and errors


@pytest.mark.parametrize(
    "blocks", [[LINE, LINE + DONE], [LINE, DONE], [LINE + LINE, LINE, DONE]]
)
def test_a_stop_while_it_is_kept(blocks: list[bytes]) -> None:
    """The numbers of events go on where they were: what was not sent has none."""

    class Stopping(FakeKeeper):
        def keep(self, *arguments: Any) -> bool:
            raise Interruption(GatewayError("It stops.", status=503, code="stop"))

    ollama = Ollama(*blocks, headers=NDJSON)
    app = ErrorMiddleware(ResponsesMiddleware(ollama, keeper=Stopping()))
    body = {"model": "m", "input": "hi", "stream": True}
    found = events(ask(app, "POST", RESPONSES, body))
    assert found[-1]["type"] == "response.failed"
    assert found[-1]["response"]["error"]["code"] == "stop"
    numbers = [event["sequence_number"] for event in found]
    assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize(
    ("message", "body", "param"),
    [
        (
            "does not support thinking",
            {"reasoning": {"effort": "high"}},
            "reasoning.effort",
        ),
        ("does not support thinking", {"think": True}, "think"),
        ("does not support thinking", {}, "reasoning_effort"),
        ("does not support vision", {}, "input"),
        ("does not support tools", {}, "tools"),
    ],
)
def test_errors_name_fields_of_these_requests(
    message: str, body: dict[str, Any], param: str
) -> None:
    """What Ollama refuses is called what the client called it."""
    said = json.dumps({"error": f'"m" {message}'}).encode()
    refusing = linted(Ollama(said, status="400 Bad Request"))
    answer = ask(refusing, "POST", RESPONSES, {"model": "m", "input": "hi", **body})
    assert (answer.status, answer.error["param"]) == (400, param)


TOOL = {"type": "function", "parameters": {}}


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        (
            [
                TOOL | {"name": "n.x"},
                {"type": "namespace", "name": "n", "tools": [TOOL | {"name": "x"}]},
            ],
            "tools[1].tools[0].name",
        ),
        (
            [
                {"type": "namespace", "name": "a", "tools": [TOOL | {"name": "b.c"}]},
                {"type": "namespace", "name": "a.b", "tools": [TOOL | {"name": "c"}]},
            ],
            "tools[1].tools[0].name",
        ),
        (
            [
                {"type": "namespace", "name": "n", "tools": [TOOL | {"name": "x"}]},
                {"type": "custom", "name": "n.x"},
            ],
            "tools[1].name",
        ),
    ],
)
def test_names_that_would_be_the_same(tools: list[Any], param: str) -> None:
    """A call could not be told from another tool's, so it is a 400."""
    answer = Talk().ask(tools=tools)
    assert (answer.status, answer.error["param"]) == (400, param)


def test_a_tool_that_comes_twice() -> None:
    """The same tool in two places is no reason to refuse."""
    space = {"type": "namespace", "name": "n", "tools": [TOOL | {"name": "x"}]}
    more = {"type": "additional_tools", "tools": [space]}
    assert Talk().ask([more, USER], tools=[space]).status == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        *[(method, "", "POST") for method in ("GET", "HEAD", "DELETE", "PUT")],
        *[(method, "/x", "DELETE, GET") for method in ("HEAD", "POST", "PUT")],
        *[(method, "/x/input_items", "GET") for method in ("HEAD", "POST")],
    ],
)
def test_other_methods(method: str, path: str, allowed: str) -> None:
    """A 405 says what is there, and nothing that is not."""
    app = stacked(FakeUpstream(), lambda app: app)
    answer = ask(app, method, RESPONSES + path)
    assert (answer.status, answer.headers["Allow"]) == (405, allowed)


def test_the_log_has_no_whole_id() -> None:
    """Whoever reads it could read, and delete, what is kept."""
    log: list[str] = []
    keeper = FakeKeeper()
    app = linted(Plausible(), log, keeper=keeper)
    response = ask(app, "POST", RESPONSES, {"model": "plain", "input": "hi"}).json
    for path in (response["id"], f"{response['id']}/input_items"):
        assert ask(app, "GET", f"{RESPONSES}/{path}").status == 200
    secret = response["id"].removeprefix("resp_")
    assert len(log) == 3
    assert secret not in "".join(log)
    assert f"path=/v1/responses/resp_{secret[:4]}*** " in log[1]
    assert f"path=/v1/responses/resp_{secret[:4]}***/input_items " in log[2]
