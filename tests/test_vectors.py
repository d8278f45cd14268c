"""What Ollama's own /v1 layer does, and where Pannier knowingly does otherwise.

The vectors were produced by Ollama's compiled middleware.  Every answer of ours must
equal its answer, but for what ``_as_we_say_it`` changes everywhere and ``DIFFERENCES``
change in one case; both say why (specification: chat, other, errors; the
recommendations there).
"""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import ANY

import pytest
from support.ollama import Answer, FakeUpstream, Ollama, ask, frames

from app.catalog import Catalog
from app.pages import create_app
from app.settings import Settings
from middleware.endpoints import dialect_routes
from middleware.errors import ErrorMiddleware
from middleware.routes import Routes
from middleware.shared import Shared

FILE = Path(__file__).parent / "golden" / "vectors-ollama-head.json"
CASES = json.loads(FILE.read_text())["cases"]

CREATED = 1767323045  # of the time in every fixture
AS_OLLAMA = object()
NOTHING_SENT = None


class Difference(NamedTuple):
    """Why we differ, and what is exactly ours; the rest is as Ollama does it."""

    why: str
    status: Any = AS_OLLAMA
    answer: Any = AS_OLLAMA
    native: Any = AS_OLLAMA


def error(
    message: str,
    code: str,
    param: str | None = None,
    type_: str = "invalid_request_error",
) -> dict[str, Any]:
    """OpenAI's envelope."""
    return {"error": {"message": message, "type": type_, "param": param, "code": code}}


def chat(**more: Any) -> dict[str, Any]:
    """A native chat call as these cases make it."""
    call = {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": False,
        "options": {"temperature": 1, "top_p": 1},
    }
    return call | more


def said(*messages: dict[str, Any]) -> dict[str, Any]:
    """The call for a conversation."""
    return chat(messages=list(messages))


def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    """A chunk of a chat's stream."""
    return {
        "id": "<chatcmpl-id>",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": "m",
        "system_fingerprint": "fp_ollama",
        "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
    }


def text_chunk(text: str, reason: str | None = None) -> dict[str, Any]:
    """A chunk of a completion's stream."""
    choice = {"text": text, "index": 0, "finish_reason": reason, "logprobs": None}
    return {
        "id": "<cmpl-id>",
        "object": "text_completion",
        "created": CREATED,
        "model": "m",
        "system_fingerprint": "fp_ollama",
        "choices": [choice],
    }


def completion(finish_reason: str = "stop", content: str = "") -> dict[str, Any]:
    """A whole chat completion, of the fixture's usage."""
    message = {"role": "assistant", "content": content, "refusal": None}
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": finish_reason,
        "logprobs": None,
    }
    return {
        "id": "<chatcmpl-id>",
        "object": "chat.completion",
        "created": CREATED,
        "model": "m",
        "system_fingerprint": "fp_ollama",
        "choices": [choice],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }


PARAM = "message kept; param and code are set (errors 2)"
NOT_JSON = "one stable text (chat 1)"
NO_IMAGE = "what is no image would crash the runner (gateway 6; observed)"
CREATED_MODEL = {"object": "model", "created": CREATED}

DIFFERENCES = {
    "stream midstream error": Difference(
        "an error line is told, in one last frame (chat 4, native error line)",
        answer=[
            chunk({"role": "assistant", "content": "He"}),
            error("boom", "upstream_error", type_="api_error"),
        ],
    ),
    "stream eof no done": Difference(
        "an answer is complete only after done:true (chat 4, EOF; reliability U5)",
        answer=[
            chunk({"role": "assistant", "content": "He"}),
            error(
                "Ollama's answer ended before it was complete.",
                "upstream_incomplete",
                type_="api_error",
            ),
        ],
    ),
    "stream tool calls + usage": Difference(
        "name and id, then the arguments; content null beside the role (chat 4)",
        answer=[
            chunk(
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {
                            "index": 0,
                            "id": "call_a",
                            "type": "function",
                            "function": {"name": "f", "arguments": ""},
                        }
                    ],
                }
            ),
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a":1}'}}]}),
            chunk({}, "tool_calls"),
            "[DONE]",
        ],
    ),
    "nonstream done_reason load": Difference(
        "a reason that OpenAI's clients do not know is stop (chat 4, enum)",
        answer=completion("stop"),
    ),
    "nonstream no done_reason": Difference(
        "without done:true the answer is not whole (decisions 12)",
        status=502,
        answer=error(
            "Ollama's answer ended before it was complete.",
            "upstream_incomplete",
            type_="api_error",
        ),
    ),
    'err 400 {"error":"bad"}': Difference(PARAM, answer=error("bad", "invalid_value")),
    'err 404 {"error":"model \'m\' not found"}': Difference(
        PARAM,
        answer=error(
            "model 'm' not found", "model_not_found", "model", "not_found_error"
        ),
    ),
    'err 503 {"error":"server busy"}': Difference(
        PARAM, answer=error("server busy", "server_overloaded", type_="api_error")
    ),
    'err 500 {"error":"x"}': Difference(
        PARAM, answer=error("x", "upstream_error", type_="api_error")
    ),
    'err 429 {"StatusCode":429,"Status":"429 Too Many': Difference(
        "the status prefix goes, the type is OpenAI's (errors 2 and 3)",
        answer=error("slow", "rate_limit_exceeded", type_="rate_limit_error"),
    ),
    'err 401 {"error":"unauthorized","signin_url":"ht': Difference(
        "the sign-in URL is kept; the code is not that of a key of ours (errors 3)",
        answer=error(
            "unauthorized (sign in at https://x)",
            "upstream_unauthorized",
            type_="authentication_error",
        ),
    ),
    "err 502 <html>bad</html>": Difference(
        "only the string of a JSON error is relayed (reliability E1)",
        answer=error(
            "Ollama, or what answers in its place, failed with status 502.",
            "bad_upstream_response",
            type_="api_error",
        ),
    ),
    'err 400 {"error":"{\\"error\\":{\\"code\\":400,\\"mes': Difference(
        "the inner message is unwrapped; agents act on the code (errors 3)",
        answer=error("too long", "context_length_exceeded", "messages"),
    ),
    "empty body": Difference(
        NOT_JSON,
        answer=error(
            "We could not parse the JSON body of your request.", "invalid_json"
        ),
    ),
    "bad json": Difference(
        NOT_JSON,
        answer=error(
            "We could not parse the JSON body of your request.", "invalid_json"
        ),
    ),
    "not object": Difference(
        NOT_JSON,
        answer=error("The body of the request must be a JSON object.", "invalid_type"),
    ),
    "no messages": Difference(
        PARAM,
        answer=error("[] is too short - 'messages'", "invalid_value", "messages"),
    ),
    "wrong type max_tokens": Difference(
        "words of OpenAI, not Go's; param and code are set (errors 2)",
        answer=error(
            "Invalid type for 'max_tokens': expected an integer, but got a string"
            " instead.",
            "invalid_type",
            "max_tokens",
        ),
    ),
    "float max_tokens": Difference(
        "integral floats are integers (chat 1)",
        status=200,
        answer=completion(),
        native=chat(
            messages=[{"role": "user", "content": "x"}],
            options={"num_predict": 5, "temperature": 1, "top_p": 1},
        ),
    ),
    "stop mixed": Difference(
        "a stop that is no string is a 400, never dropped (chat 1)",
        status=400,
        answer=error(
            "Invalid type for 'stop[1]': expected a string, but got an integer"
            " instead.",
            "invalid_type",
            "stop[1]",
        ),
        native=NOTHING_SENT,
    ),
    "stop number": Difference(
        "a stop that is no string is a 400, never ignored (chat 1)",
        status=400,
        answer=error(
            "Invalid type for 'stop': expected a string or an array, but got an"
            " integer instead.",
            "invalid_type",
            "stop",
        ),
        native=NOTHING_SENT,
    ),
    "content null no tools": Difference(
        "an assistant's null is an empty text (chat 2)",
        status=200,
        answer=completion(content="Hello"),
        native=said({"role": "assistant", "content": ""}),
    ),
    "content obj": Difference(
        "our own words, and param (chat 2)",
        answer=error(
            "Invalid type for 'messages[0].content': expected a string or an array,"
            " but got an object instead.",
            "invalid_type",
            "messages[0].content",
        ),
    ),
    "content parts 2 text": Difference(
        "one message stays one message, its texts joined (chat 2)",
        native=said({"role": "user", "content": "a\n\nb"}),
    ),
    "content []": Difference(
        "without content there is nothing to answer (chat 2)",
        status=400,
        answer=error(
            "Invalid 'messages[0].content': expected 1 to 1024 parts, but got 0"
            " instead.",
            "invalid_value",
            "messages[0].content",
        ),
        native=NOTHING_SENT,
    ),
    "part unknown": Difference(
        "files of text can be read; what cannot is said (chat 2)",
        answer=error(
            "Only text files given as a base64 data URL in 'file_data' can be read.",
            "unsupported_value",
            "messages[0].content[0].file",
        ),
    ),
    "part str": Difference(
        PARAM,
        answer=error(
            "invalid message format", "invalid_type", "messages[0].content[0]"
        ),
    ),
    "img https://x/y.png": Difference(
        PARAM,
        answer=error(
            "image URLs are not currently supported, please use base64 encoded data"
            " instead",
            "invalid_image",
            "messages[0].content[0].image_url",
        ),
    ),
    "rf json_schema": Difference(
        "a strict schema that is not kept is an error (chat 3)",
        status=502,
        answer=error(
            "The model did not keep to the schema it was held to: it is not JSON.",
            "bad_upstream_response",
            type_="api_error",
        ),
    ),
    "toolcall bad args": Difference(
        PARAM,
        answer=error(
            "invalid tool call arguments",
            "invalid_value",
            "messages[0].tool_calls[0].function.arguments",
        ),
    ),
    "toolcall empty args": Difference(
        "clients send empty text for a call without arguments (chat 2)",
        status=200,
        answer=completion(content="Hello"),
        native=said(
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {
                        "id": "a",
                        "function": {"index": 0, "name": "f", "arguments": {}},
                    }
                ],
            }
        ),
    ),
    "toolcall array args": Difference(
        PARAM,
        answer=error(
            "invalid tool call arguments",
            "invalid_value",
            "messages[0].tool_calls[0].function.arguments",
        ),
    ),
    "tool msg by id": Difference(
        "a tool's answer keeps its id, also where its content is parts (chat 2)",
        native=said(
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {
                        "id": "a",
                        "function": {
                            "index": 0,
                            "name": "f",
                            "arguments": {"z": 1, "a": 2},
                        },
                    }
                ],
            },
            {"role": "tool", "content": "r", "tool_name": "f", "tool_call_id": "a"},
            {"role": "tool", "content": "r2", "tool_call_id": "zz"},
        ),
    ),
    "rf json_schema null": Difference(
        "a format without its schema would constrain nothing (chat 3)",
        status=400,
        answer=error(
            "Missing required parameter: 'response_format.json_schema'.",
            "missing_required_parameter",
            "response_format.json_schema",
        ),
        native=NOTHING_SENT,
    ),
    "rf weird": Difference(
        "an unknown format is refused, not ignored (chat 3)",
        status=400,
        answer=error(
            "Invalid value: 'xml'. Supported values are: 'text', 'json_object', and"
            " 'json_schema'.",
            "invalid_value",
            "response_format.type",
        ),
        native=NOTHING_SENT,
    ),
    "effort bad": Difference(
        PARAM,
        answer=error(
            'invalid reasoning value: "extreme" (must be "minimal", "low", "medium",'
            ' "high", "xhigh", "ultra", "max", or "none")',
            "invalid_value",
            "reasoning_effort",
        ),
    ),
    "reasoning obj wins": Difference(
        "the first spelling that says something counts (gateway 5.1)",
        native=chat(think="high"),
    ),
    "reasoning obj": Difference(
        "the first spelling that says something counts (gateway 5.1)",
        native=chat(think="low"),
    ),
    "tools extra schema keys": Difference(
        "references are put in place, limits said in words, nothing is lost"
        " (native 2: Ollama drops them)",
        native=chat(
            tools=[
                {
                    "type": "function",
                    "function": {
                        "name": "f",
                        "description": "d",
                        "parameters": {
                            "type": "object",
                            "additionalProperties": False,
                            "properties": {
                                "x": {
                                    "type": ["string", "null"],
                                    "minLength": 2,
                                    "default": "q",
                                    "items": {"type": "string"},
                                    "description": '(default: "q", minLength: 2)',
                                },
                                "y": {"type": "string"},
                                "o": {
                                    "type": "object",
                                    "properties": {
                                        "k": {
                                            "type": "integer",
                                            "minimum": 0,
                                            "description": "(minimum: 0)",
                                        }
                                    },
                                    "additionalProperties": False,
                                    "required": ["k"],
                                },
                            },
                            "required": ["x"],
                        },
                    },
                }
            ]
        ),
    ),
    "tools no params": Difference(
        "a function without parameters takes an empty object (native 2)",
        native=chat(
            tools=[
                {
                    "type": "function",
                    "function": {
                        "name": "f",
                        "parameters": {"type": "object", "properties": {}},
                    },
                }
            ]
        ),
    ),
    "tools bad prop type": Difference(
        "true is a schema in JSON Schema; Ollama's type cannot hold it (native 2)",
        status=200,
        answer=completion(),
        native=chat(
            tools=[
                {
                    "type": "function",
                    "function": {
                        "name": "f",
                        "parameters": {"type": "object", "properties": {"a": {}}},
                    },
                }
            ]
        ),
    ),
    "unknown fields keep_alive options": Difference(
        "Ollama's own powers and max_completion_tokens count (chat 1)",
        native=chat(
            options={"num_predict": 9, "temperature": 1, "top_p": 1, "num_ctx": 5},
            think=True,
            keep_alive="1h",
        ),
    ),
    "cmpl stream err": Difference(
        "an error line is told, in one last frame (other 1; chat 4)",
        answer=[text_chunk("a"), error("boom", "upstream_error", type_="api_error")],
    ),
    "cmpl thinking": Difference(
        "logprobs arrive, in the legacy form (other 1); reasoning is counted",
        answer={
            **text_chunk("a", "stop"),
            "choices": [
                {
                    "text": "a",
                    "index": 0,
                    "finish_reason": "stop",
                    "logprobs": {
                        "tokens": ["a"],
                        "token_logprobs": [-1.0],
                        "top_logprobs": [None],
                        "text_offset": [0],
                    },
                }
            ],
            "usage": {
                "prompt_tokens": 2,
                "completion_tokens": 4,
                "total_tokens": 6,
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
        },
    ),
    "cmpl all": Difference(
        "max_tokens below 1 is a 400 on every route (decisions 5)",
        status=400,
        answer=error(
            "Invalid 'max_tokens': integer below minimum value. Expected a value >="
            " 1, but got 0 instead.",
            "integer_below_min_value",
            "max_tokens",
        ),
        native=NOTHING_SENT,
    ),
    "cmpl prompt list": Difference(
        "several prompts: a call and a choice for each (other 1)",
        status=200,
        answer=ANY,  # tests/middleware/test_choices.py looks at it
        native=[
            {
                "model": "m",
                "prompt": prompt,
                "stream": False,
                "options": {"temperature": 1, "top_p": 1},
            }
            for prompt in ("a", "b")
        ],
    ),
    "cmpl prompt null": Difference(
        "without a prompt Ollama would only load the model (other 1)",
        status=400,
        answer=error(
            "Missing required parameter: 'prompt'.",
            "missing_required_parameter",
            "prompt",
        ),
        native=NOTHING_SENT,
    ),
    "cmpl stop bad": Difference(
        "the same words for a wrong type everywhere, with param (reliability B5)",
        answer=error(
            "Invalid type for 'stop[0]': expected a string, but got an integer"
            " instead.",
            "invalid_type",
            "stop[0]",
        ),
    ),
    "emb badfmt": Difference(
        PARAM,
        answer=error(
            "Invalid value for 'encoding_format' = int8. Supported values: ['float',"
            " 'base64'].",
            "invalid_value",
            "encoding_format",
        ),
    ),
    "emb []": Difference(
        PARAM, answer=error("invalid input", "invalid_value", "input")
    ),
    "emb null": Difference(
        PARAM, answer=error("invalid input", "invalid_value", "input")
    ),
    "emb tokens": Difference(
        "Ollama refuses tokens too, in other words (other 3)",
        status=400,
        answer=error(
            "token array input cannot be read by this server, which lacks the"
            " vocabulary cl100k_base; send text",
            "unsupported_value",
            "input",
        ),
        native=NOTHING_SENT,
    ),
    "emb empty result": Difference(
        "no embeddings are an empty list (other 3)",
        answer={
            "object": "list",
            "data": [],
            "model": "m",
            "usage": {"prompt_tokens": 0, "total_tokens": 0},
        },
    ),
    "emb null result": Difference(
        "null is no list of embeddings (other 3)",
        status=502,
        answer=error(
            "Ollama answered without embeddings.",
            "bad_upstream_response",
            type_="api_error",
        ),
    ),
    "models empty": Difference(
        "an empty list is a list (other 2)", answer={"object": "list", "data": []}
    ),
    "model": Difference("the newer name of the field (other 2)", native="llama3.2"),
    "model ns": Difference(
        "names may hold slashes (other 2)",
        status=200,
        answer={"id": "u/x", **CREATED_MODEL, "owned_by": "u"},
        native="u/x",
    ),
    "model ns enc": Difference(
        "names may hold slashes, also encoded (other 2)",
        status=200,
        answer={"id": "u/x", **CREATED_MODEL, "owned_by": "u"},
        native="u/x",
    ),
    "model 404": Difference(
        "OpenAI's words and code (other 2)",
        answer=error(
            "The model 'zz' does not exist",
            "model_not_found",
            "model",
            "not_found_error",
        ),
        native="zz",
    ),
    "model bad": Difference(
        "a name that cannot be is a model that is not (other 2)",
        status=404,
        answer=error(
            "The model 'z z' does not exist",
            "model_not_found",
            "model",
            "not_found_error",
        ),
        native="z z",
    ),
    "method": Difference(
        "an envelope instead of plain text (other, route table)",
        answer=error(
            "Not allowed to GET on /v1/chat/completions. (HINT: Perhaps you meant to"
            " use a different HTTP method?)",
            "method_not_allowed",
        ),
    ),
    "unknown": Difference(
        "an envelope instead of plain text (other, route table)",
        answer=error(
            "Unknown request URL: GET /v1/foo. Please check the URL for typos, or see"
            " the docs at https://platform.openai.com/docs/api-reference/.",
            "unknown_url",
            type_="not_found_error",
        ),
    ),
    "chat tool parts": Difference(
        "a tool's answer keeps its id and name, also where it is parts (chat 2)",
        native=said(
            {
                "role": "assistant",
                "content": "a",
                "tool_calls": [
                    {"id": "q", "function": {"index": 0, "name": "f", "arguments": {}}}
                ],
            },
            {"role": "tool", "content": "r", "tool_name": "f", "tool_call_id": "q"},
        ),
    ),
}
DIFFERENCES["audio"] = Difference(
    "bytes that are no audio end Ollama's runner (observed)",
    status=400,
    answer=error(
        "invalid input_audio data: no audio of a known kind (wav, mp3, flac, ogg, m4a,"
        " webm)",
        "invalid_value",
        "messages[0].content[0].input_audio.data",
    ),
    native=NOTHING_SENT,
)
#: Their images are no images: three bytes or fewer.
DIFFERENCES |= {
    f"img {url}": Difference(
        NO_IMAGE,
        status=400,
        answer=error(
            "invalid image input in messages[0].content[0].image_url: these bytes"
            " cannot be read; PNG, JPEG, WebP and GIF are accepted",
            "invalid_image",
            "messages[0].content[0].image_url",
        ),
        native=NOTHING_SENT,
    )
    for url in (
        "AAAA",
        "data:;base64,AAAA",
        "data:image/PNG;base64,AAAA",
        "data:image/gif;base64,AAAA",
        "data:image/png;base64,A-_",
        "data:image/png;base64,AAA",
        "data:image/png;base64,AAAA",
        "data:image/png;charset=utf-8;base64,AAAA",
        "data:image/webp;base64,AAAA",
    )
}


def test_every_difference_is_of_a_case() -> None:
    """The table of differences holds no case that is gone."""
    assert set(DIFFERENCES) <= {case["name"] for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_vector(case: dict[str, Any]) -> None:
    """A request gets what Ollama's own layer would answer, but for what we say."""
    ours = DIFFERENCES.get(case["name"], Difference(""))
    lines = [line.encode() + b"\n" for line in case["upstream"]["lines"]]
    ollama = Ollama(*lines, status=f"{case['upstream']['status']} Status")
    answer = _ask(case["request"], ollama)
    theirs = case["response"]
    assert answer.status == _first(ours.status, theirs["status"])
    wanted = _first(ours.answer, lambda: _as_we_say_it(theirs, case["request"]))
    assert _read(answer) == wanted
    native = _first(ours.native, lambda: _as_we_call_it(case))
    assert _called(ollama) == native


def _first(ours: Any, theirs: Any) -> Any:
    if ours is not AS_OLLAMA:
        return ours
    return theirs() if callable(theirs) else theirs


def _ask(request: dict[str, Any], ollama: Ollama) -> Answer:
    upstream: Any = FakeUpstream()
    catalog = Catalog(upstream.control)
    relay: Any = ollama
    routes = list(dialect_routes(Shared(relay, catalog, Settings())))
    app = ErrorMiddleware(Routes(create_app(upstream), routes))
    method = request["method"]
    body = (request.get("body") or "").encode() if method == "POST" else None
    return ask(app, method, request["path"], body)


def _read(answer: Answer) -> Any:
    body = re.sub(rb'"(chatcmpl|cmpl)-\w{24}"', rb'"<\1-id>"', answer.body)
    if answer.headers["Content-Type"] == "text/event-stream":
        return frames(body)
    return json.loads(body)


def _called(ollama: Ollama) -> Any:
    """The native body; of a call for one model its name; none for a list."""
    if not ollama.calls or ollama.calls[0].method == "GET":
        return NOTHING_SENT
    if len(ollama.calls) > 1:
        return [call.json for call in ollama.calls]
    call = ollama.calls[0].json
    return call["model"] if ollama.calls[0].path == "/api/show" else call


def _as_we_call_it(case: dict[str, Any]) -> Any:
    """Ollama's call without what means "not sent": "", null, and penalties of 0.

    Penalties are sent only where a request names them (other 1).
    """
    call = case["native_body"]
    if call is None:
        return NOTHING_SENT
    call = {k: v for k, v in call.items() if v not in ("", None)}
    if "options" in call:
        call["options"] = {
            name: value
            for name, value in call["options"].items()
            if value is not None and not (name.endswith("_penalty") and value == 0)
        }
    return call


def _as_we_say_it(theirs: dict[str, Any], request: dict[str, Any]) -> Any:
    """Ollama's answer with what is always ours."""
    body = theirs["body"].replace("<now>", str(CREATED))
    if theirs["content_type"] != "text/event-stream":
        return _answer(json.loads(body), asked_usage=False)
    asked = "include_usage" in request["body"]
    return [
        event if isinstance(event, str) else _answer(event, asked_usage=asked)
        for event in frames(body.encode())
    ]


def _answer(answer: dict[str, Any], *, asked_usage: bool) -> Any:
    for choice in answer.get("choices", ()):
        _choice(choice, whole="message" in choice)
        if answer["object"] == "text_completion":
            choice["logprobs"] = None  # the key is always there (other 1)
    if any("reasoning" in c.get("message", ()) for c in answer.get("choices", ())):
        # About one of the three tokens (gateway 5.1).
        answer["usage"]["completion_tokens_details"] = {"reasoning_tokens": 1}
    if asked_usage and answer["choices"]:
        answer["usage"] = None  # OpenAI's null on all but the last chunk (chat 4)
    return answer


def _choice(choice: dict[str, Any], *, whole: bool) -> None:
    message = choice.get("message") or choice.get("delta") or {}
    if "reasoning" in message:  # under both names (chat 4, reasoning field)
        message["reasoning_content"] = message["reasoning"]
    if "logprobs" in choice:  # chat 5, logprobs
        choice["logprobs"]["refusal"] = None
    if whole:  # chat 5: null when empty beside calls, refusal, no index, logprobs
        if message.get("tool_calls"):
            message["content"] = message["content"] or None
        message["refusal"] = None
        for call in message.get("tool_calls", ()):
            call.pop("index")
        choice.setdefault("logprobs", None)
