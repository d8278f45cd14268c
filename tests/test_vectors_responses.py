"""What Ollama's own Responses layer does, and where Pannier knowingly does otherwise.

The vectors were produced by Ollama's compiled middleware.  What it says whole, or in
events, must be ours, but for what ``_as_we_say_it`` changes everywhere and ``OURS`` in
one case; both say why (specification: other, section 4).
"""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.events import events
from support.ollama import Ollama, ask
from support.stack import linted

FILE = Path(__file__).parent / "golden" / "vectors-ollama-responses.json"
CASES = {case["name"]: case for case in json.loads(FILE.read_text())["cases"]}
NOW = 1767323045
AS_OLLAMA = object()


class Ours(NamedTuple):
    """Why we differ, our status and error, what is sent, and how an answer changes."""

    why: str
    status: int = 200
    code: str | None = None
    param: str | None = None
    native: Any = AS_OLLAMA
    changed: Any = None


def _cut(response: dict[str, Any]) -> None:
    response["status"] = response["output"][0]["status"] = "incomplete"
    response["incomplete_details"] = {"reason": "max_output_tokens"}
    response["completed_at"] = None


def _with_text(response: dict[str, Any]) -> None:
    part = {"type": "output_text", "text": "lead", "annotations": [], "logprobs": []}
    message = {"id": "<msg-id>", "type": "message", "status": "completed"}
    message |= {"role": "assistant", "content": [part]}
    response["output"].insert(0, message)
    response["tools"] = [
        {
            "type": "function",
            "name": "f",
            "parameters": {"type": "object", "properties": {}},
        }
    ]


ITEM = "resp item "
FOREIGN = {"content": "x"}
OURS = {
    "resp tools": Ours("text and calls are both kept", changed=_with_text),
    "resp length": Ours("what was cut is incomplete", changed=_cut),
    "resp prev id": Ours(
        "neither a history nor a choice among no tools is passed over in silence",
        400,
        "invalid_value",
        "tool_choice",
        None,
    ),
    "resp no input": Ours(
        "no model is loaded for nothing",
        400,
        "missing_required_parameter",
        "input",
        None,
    ),
    "resp effort bad": Ours("", 400, "invalid_value", "reasoning.effort", None),
    "resp stream pre err": Ours("", 404, None, None),
    "resp input items": Ours(
        "three bytes are no image, which would end the runner (observed)",
        400,
        "invalid_image",
        "input[1].content[1].image_url",
        None,
    ),
    ITEM + '{"type": "item_reference", "id": "x"}': Ours(
        "references are to what is kept", 400, "invalid_value", "input[0].id", None
    ),
    ITEM
    + json.dumps(
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_file", "file_data": "x"}],
        }
    ): Ours(
        "text files are read",
        400,
        "unsupported_value",
        "input[0].content[0].file_data",
        None,
    ),
    ITEM
    + json.dumps(
        {"type": "message", "role": "user", "content": [{"type": "input_audio"}]}
    ): Ours(
        "audio is heard",
        400,
        "invalid_type",
        "input[0].content[0].input_audio",
        None,
    ),
    ITEM + '{"content": "x"}': Ours(
        "", 400, "missing_required_parameter", "input[0].type", None
    ),
    ITEM + '{"type": "custom_tool_call", "name": "x"}': Ours(
        "such calls are like those of functions",
        400,
        "missing_required_parameter",
        "input[0].call_id",
        None,
    ),
}
#: Streams whose events differ in more than their keys: they are told by name in
#: ``tests/writers/test_responses.py``, as HEAD's defects.
DEFECTS = {"resp stream err", "resp text then tool"}


def test_every_difference_is_of_a_case() -> None:
    """The tables hold no case that is gone."""
    assert {*OURS, *DEFECTS} <= set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_vector(name: str) -> None:
    """A request gets what Ollama's own layer would answer, but for what we say."""
    case, ours = CASES[name], OURS.get(name, Ours(""))
    lines = [line.encode() + b"\n" for line in case["upstream"]["lines"]]
    ollama = Ollama(*lines, status=f"{case['upstream']['status']} Status")
    answer = ask(
        linted(ollama), "POST", "/v1/responses", case["request"]["body"].encode()
    )
    assert answer.status == ours.status
    native = case["native_body"] if ours.native is AS_OLLAMA else ours.native
    assert [call.json for call in ollama.calls] == ([native] if native else [])
    if answer.status != 200:
        if ours.code:
            assert (answer.error["code"], answer.error["param"]) == (
                ours.code,
                ours.param,
            )
        return
    if answer.headers["Content-Type"] == "text/event-stream":
        if name not in DEFECTS:
            assert _ours(events(answer)) == _theirs_streamed(case)
        return
    theirs = _as_we_say_it(json.loads(_timed(case["response"]["body"])))
    if ours.changed:
        ours.changed(theirs)
    assert _ours(answer.json) == theirs
    assert list(answer.json)[:10] == list(theirs)[:10]


def _ours(said: Any) -> Any:
    """Our answer with ids and times as the vectors have them."""
    text = json.dumps(said)
    text = re.sub(r'"(resp|rs|msg|fc)_[0-9a-f]{32}(_\d)?"', r'"<\1-id>"', text)
    return json.loads(re.sub(r'("completed_at": )\d+', rf"\g<1>{NOW}", text))


def _timed(body: str) -> str:
    return body.replace("<now>", str(NOW))


def _theirs_streamed(case: dict[str, Any]) -> list[Any]:
    """Ollama's events with the parts of summaries that it leaves out."""
    found: list[Any] = []
    for frame in _timed(case["response"]["body"]).strip().split("\n\n"):
        event = json.loads(frame.partition("\ndata: ")[2])
        place = {
            k: event[k]
            for k in ("item_id", "output_index", "summary_index")
            if k in event
        }
        if "response" in event:
            _as_we_say_it(event["response"])
        found.append(event)
        item = event.get("item", {})
        if item.get("type") == "reasoning" and event["type"].endswith("added"):
            found.append(_part("added", item["id"], ""))
        if event["type"] == "response.reasoning_summary_text.done":
            found.append(_part("done", place["item_id"], event["text"]))
    for number, event in enumerate(found):
        event["sequence_number"] = number
    return found


def _part(what: str, item_id: str, text: str) -> dict[str, Any]:
    return {
        "type": f"response.reasoning_summary_part.{what}",
        "item_id": item_id,
        "output_index": 0,
        "summary_index": 0,
        "part": {"type": "summary_text", "text": text},
    }


def _as_we_say_it(response: dict[str, Any]) -> dict[str, Any]:
    """Ollama's response with what is always ours."""
    response["output"] = response["output"] or []  # never null
    if usage := response["usage"]:
        usage["input_tokens_details"]["cache_write_tokens"] = 0  # the SDK's type
        if len(response["output"]) == 2:  # about so many of the three tokens
            thought, text = (_characters(item) for item in response["output"])
            share = round(3 * thought / (thought + text))
            usage["output_tokens_details"]["reasoning_tokens"] = max(1, share)
    return response


def _characters(item: dict[str, Any]) -> int:
    return len((item.get("summary") or item.get("content"))[0]["text"])
