"""The status map as tables: what each of the simulator's faults has to become.

And how to tell: whether an answer is a proper error, and what a good one means.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from .failing import WAYS, Seen, Way

#: A status with the code that goes with it.
Outcome = tuple[int, str]

UNREACHABLE = (502, "upstream_unreachable")
BROKEN = (502, "bad_upstream_response")
BROKE_OFF = (502, "upstream_error")
INCOMPLETE = (502, "upstream_incomplete")
LATE = (504, "upstream_timeout")

#: No answer that makes sense begins: status and code, streamed or not.
NO_ANSWER = {
    "drop": UNREACHABLE,
    "reset": UNREACHABLE,
    "truncated-head": BROKEN,
    "garbage-status": BROKEN,
    "http09": BROKEN,
    "tls": BROKEN,
    "huge-head": BROKEN,
    "many-headers": BROKEN,
    "endless-1xx": BROKEN,
    "status-101": BROKEN,
    "status-302": BROKEN,
    "status-307": BROKEN,
    "never": LATE,
    "stall-head": LATE,
    "slow-head": LATE,
}
#: Valid HTTP, and yet no answer: native routes hand it on.
NO_SENSE = {
    "status-204": BROKEN,
    "status-304": BROKEN,
    "html-200": BROKEN,
    "html-502": BROKEN,
    "text-404": (502, "upstream_too_old"),
    "text-500": BROKEN,
    "odd-error": BROKEN,
    "huge-error": BROKEN,
    "error-502": BROKEN,
    "status-507": BROKEN,
    "gzipped": BROKEN,
    "gzip-bomb": BROKEN,
}
#: What Ollama says in words of its own: status, code, and the words.
SAID = {
    "error-400": (400, "invalid_value", "invalid options: num_ctx"),
    "error-401": (401, "upstream_unauthorized", "unauthorized"),
    "error-403": (403, "upstream_forbidden", "ollama cloud is disabled"),
    "error-404": (404, "model_not_found", "model 'gone' not found"),
    "error-422": (422, "invalid_value", "unprocessable"),
    "error-429": (429, "rate_limit_exceeded", "you've reached your hourly usage limit"),
    "error-500": (500, "upstream_error", "llama runner process has terminated"),
    "busy": (503, "server_overloaded", "server busy, please try again."),
    "out-of-memory": (500, "upstream_error", "model requires more system memory (48.1"),
    "load-timeout": (500, "upstream_error", "timed out waiting for llama runner"),
    "retry-later": (503, "server_overloaded", "server busy"),
    "retry-odd": (503, "server_overloaded", "server busy"),
}
#: A body that goes wrong: the code of the error event, and of the whole answer.
BAD_BODY = {
    "cut-line": (BROKE_OFF, BROKE_OFF),
    "cut-line-clean": (BROKEN, BROKEN),
    "cut": (INCOMPLETE, BROKEN),
    "cut-close": (BROKE_OFF, BROKE_OFF),
    "cut-length": (BROKE_OFF, BROKE_OFF),
    "reset-body": (BROKE_OFF, BROKE_OFF),
    "bad-chunk": (BROKEN, BROKEN),
    "garbage-line": (BROKEN, BROKEN),
    "array-line": (BROKEN, BROKEN),
    "number-line": (BROKEN, BROKEN),
    "string-line": (BROKEN, BROKEN),
    "null-line": (BROKEN, BROKEN),
    "deep-line": (BROKEN, BROKEN),
    "deep-object": (BROKEN, BROKEN),
    "error-empty": (BROKEN, BROKEN),
    "error-object": (BROKEN, BROKEN),
    "error-line": ((500, "upstream_error"), (500, "upstream_error")),
    "stall": (LATE, LATE),
    "drip-blank": (LATE, LATE),
    "drip-line": (LATE, LATE),
}
#: The same for what only answers with text can have in them.
BAD_TEXT = {
    "not-done": (INCOMPLETE, INCOMPLETE),
    "wrong-types": (BROKEN, BROKEN),
    "wrong-content": (BROKEN, BROKEN),
    "bad-utf8": (BROKEN, BROKEN),
    "nan": (BROKEN, BROKEN),
    "infinity": (BROKEN, BROKEN),
    "huge-number": (BROKEN, BROKEN),
}
#: Good answers in an unusual dress.
INTERIM = ["interim", "status-102", "status-103"]
DRESSED = [
    "one-segment",
    "byte-chunks",
    "crlf",
    "blank-lines",
    "no-newline",
    "eof-body",
    "extra-bytes",
    "proxy-headers",
]
#: Answers that are done, whatever comes then.
DONE = ["two-done", "after-done", "stall-after-done", "no-last-chunk", "short-length"]
LISTS = ["wrong-list", "odd-list", "null-list"]

#: These take their time, so they are not tried in every way.
SLOW = {"never", "stall-head", "slow-head", "stall", "drip-blank", "drip-line"}
SLOW |= {"stall-error"}
PATIENT = {"chat", "chat-stream", "completion-stream", "native", "native-stream"}
PATIENTLY = {("never", "list"), ("stall", "retrieve"), ("never", "embeddings")}
PATIENTLY |= {("stall-error", "embeddings")}

OURS = [name for name, way in WAYS.items() if not way.native]
STREAMS = [name for name in OURS if WAYS[name].streams]
TEXTS = ["chat", "chat-stream", "completion", "completion-stream"]
NATIVE = [name for name, way in WAYS.items() if way.native]
#: The good answer that others are compared with.
GOOD = "with-length"


def pairs(faults: Iterable[str], ways: Iterable[str]) -> list[tuple[str, str]]:
    """Each fault in each way, where that is tried."""
    return [
        (fault, way)
        for fault in faults
        for way in ways
        if fault not in SLOW or way in PATIENT or (fault, way) in PATIENTLY
    ]


CASES = [
    *pairs([*NO_ANSWER, *BAD_BODY, GOOD, *DRESSED, *INTERIM], list(WAYS)),
    *pairs([*NO_SENSE, *SAID], [*OURS, "native", "native-stream"]),
    *pairs(["empty-200", "stall-error"], ["chat", "chat-stream", "embeddings"]),
    *pairs([*BAD_TEXT, *DONE, "lone-surrogate", "negative-counts", "frames"], TEXTS),
    *pairs(["wrong-types", "wrong-content", "nan", "infinity"], ["embeddings"]),
    *pairs(["no-last-chunk", "short-length"], ["embeddings", "list", "retrieve"]),
    *pairs(LISTS, ["list"]),
]

#: What no answer may hold: traces, paths, names of classes and libraries.
LEAKS = re.compile(
    r"Traceback|File \"|\.py\b|/(?:home|usr|root|tmp|work)/|site-packages|0x[0-9a-f]{6}"
    r"|\b[A-Z][A-Za-z]+(?:Error|Exception|Timeout|Broken|Unreachable)\b|Errno"
    r"|msgspec|gevent|gunicorn|werkzeug|flask|urllib3|requests\.|http\.client|greenlet"
    r"|127\.0\.0\.1|localhost|::1"
)


def check_refused(way: Way, seen: Seen, status: int, code: str) -> None:
    """The answer is an error in the dialect of the way, and nothing else."""
    assert seen.status == status, seen
    assert seen.whole
    assert seen.headers["content-type"] == "application/json"
    assert len(seen.body) <= 8192
    if way.native:
        assert list(json.loads(seen.body)) == ["error"]
        assert seen.error
        return
    assert list(json.loads(seen.body)) == ["error"]
    assert set(seen.error) == {"message", "type", "param", "code"}
    assert seen.error["code"] == code
    assert seen.error["type"]
    assert seen.error["message"]


def said(name: str, events: list[dict[str, Any]]) -> list[str]:
    """The pieces of text in a stream's chunks."""
    choices = [one for event in events for one in event["choices"]]
    if name == "chat-stream":
        pieces = [one["delta"].get("content") for one in choices]
    else:
        pieces = [one["text"] for one in choices]
    return [piece for piece in pieces if piece]


def finished(events: list[dict[str, Any]]) -> list[str]:
    """The reasons to finish in a stream's chunks."""
    choices = [one for event in events for one in event["choices"]]
    return [one["finish_reason"] for one in choices if one["finish_reason"]]


def meaning(name: str, seen: Seen) -> Any:
    """What a good answer says, without what differs each time."""
    assert seen.status == 200
    assert seen.whole
    if name in STREAMS:
        *events, done = seen.events
        assert done == "[DONE]"
        chunks = [json.loads(event) for event in events]
        assert finished(chunks) == ["stop"]
        return said(name, chunks)
    answer = json.loads(seen.body)
    for volatile in ("id", "created", "model"):
        answer.pop(volatile, None)
    return answer
