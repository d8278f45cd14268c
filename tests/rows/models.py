"""Models: the rows of the specification (other endpoints, section 2)."""

from collections.abc import Callable
from typing import Any

from support.ollama import Ollama

from .seen import HI, Case, Check, Seen, answers, omits, refuses, row, says, sends

#: The table names no classes.
SPECIFIED = """
H list
H empty
H retrieve
H namespaced names
H unknown
H malformed
H extra keys
H DELETE
H anthropic caller
H aliases
"""

NO_MODEL = b'{"error":"model \'zz:latest\' not found"}'


def refusing(body: bytes, status: str) -> Callable[[], Ollama]:
    """An Ollama that refuses everything."""
    return lambda: Ollama(body, status=status)


def get(path: str, *checks: Check, **more: Any) -> Case:
    """A question about models."""
    return Case(None, *checks, path=f"/v1/models{path}", method="GET", **more)


def asks(**body: Any) -> Check:
    """The one call has this body."""

    def check(seen: Seen) -> None:
        (call,) = seen.calls
        assert call.json == body

    return check


ROWS = [
    row(
        "H",
        "list",
        get(
            "",
            answers("object", "list"),
            answers(
                "data",
                [
                    {
                        "id": "a:latest",
                        "object": "model",
                        "created": 1767323045,
                        "owned_by": "library",
                    }
                ],
            ),
        ),
    ),
    row(
        "H",
        "empty",
        get("", answers("data", []), ollama=lambda: Ollama(b'{"models":[]}')),
        get("", answers("data", []), ollama=lambda: Ollama(b'{"models":null}')),
    ),
    row(
        "H",
        "retrieve",
        get(
            "/llama3.2",
            answers("id", "llama3.2"),
            answers("created", 1767323045),
            asks(model="llama3.2"),
        ),
    ),
    row(
        "H",
        "namespaced names",
        get("/u/x", answers("id", "u/x"), answers("owned_by", "u"), asks(model="u/x")),
        get(
            "/hf.co%2Fns%2Fmodel:tag",
            answers("id", "hf.co/ns/model:tag"),
            asks(model="hf.co/ns/model:tag"),
        ),
    ),
    row(
        "H",
        "unknown",
        get(
            "/zz",
            refuses("model", "model_not_found", 404),
            says(
                lambda seen: (
                    seen.answer.error["message"] == "The model 'zz' does not exist"
                )
            ),
            ollama=refusing(NO_MODEL, "404 Not Found"),
        ),
    ),
    row(
        "H",
        "malformed",
        get(
            "/z!z",
            refuses("model", "model_not_found", 404),
            ollama=refusing(b'{"error":"invalid model name"}', "400 Bad Request"),
        ),
        get("/a%0Ab", refuses("model", "model_not_found", 404)),
    ),
    row(
        "H",
        "extra keys",
        get("/plain", omits("", "capabilities", "context_length")),
        get(
            "/plain",
            answers("capabilities", ["completion", "tools"]),
            model_facts=True,
        ),
    ),
    row(
        "H",
        "DELETE",
        Case(
            None,
            refuses(None, "endpoint_not_allowed", 403),
            path="/v1/models/a",
            method="DELETE",
        ),
        Case(
            None,
            answers("", {"id": "a", "object": "model", "deleted": True}),
            asks(model="a"),
            path="/v1/models/a",
            method="DELETE",
            model_delete=True,
        ),
    ),
    row(
        "H",
        "anthropic caller",
        get("", answers("has_more", False), headers={"anthropic_version": "1"}),
        get("/a", answers("type", "model"), headers={"anthropic_version": "1"}),
    ),
    row(
        "H",
        "aliases",
        get(
            "",
            answers(
                "data", lambda found: [m["id"] for m in found] == ["a:latest", "b"]
            ),
            aliases="b=a",
        ),
        get("/b", answers("id", "b"), aliases="b=plain"),
        Case(
            {"model": "b", "messages": HI},
            sends(model="plain"),
            answers("model", "b"),
            path="/v1/chat/completions",
            aliases="b=plain",
        ),
    ),
]
