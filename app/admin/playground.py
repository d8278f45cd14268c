"""Playground: requests to models, in the name of any key or of none.

What is tried goes through all that a client's request does, and its answer is handed on
as it comes, errors too.  It is watched over, and called, as the request that brings it.
"""

from collections.abc import Iterable
from functools import partial
from typing import Literal
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec

from ..administration import Refused
from ..body import OwnBody
from ..exchange import KEY, Exchange
from ..gateway.keys import Key
from .asked import Admin, Asked, Route, Sent

Path = Literal[
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/messages",
    "/v1/responses",
    "/infill",
    "/api/chat",
    "/api/generate",
]
#: What Ollama is asked there is the request itself.
_PLAIN = "/api/chat"
#: What is taken over of the request that brings one: who asks, and how it is served.
_SAME = ("REMOTE_", "SERVER_", "wsgi.")
_HEADERS = {"HTTP_HOST", "HTTP_USER_AGENT", "HTTP_X_FORWARDED_FOR"}


class Trial(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is tried: ``key`` is an id or a name, ``None`` nobody's limits.

    With ``explain`` the answer is what would be sent to Ollama.
    """

    path: Path
    body: msgspec.Raw
    key: str | None = None
    explain: bool = False


def try_out(admin: Admin, asked: Asked) -> Sent:
    """The answer that the key would get."""
    trial = asked.json(Trial)
    if trial.explain and trial.path == _PLAIN:
        raise Refused(f"What comes to {_PLAIN} is sent on as it is.", "explain")
    key = None
    if trial.key is not None:
        try:
            key = admin.office(asked.actor).keys.get(trial.key)
        except Refused as refused:
            raise Refused(str(refused), "key", unknown=refused.unknown) from None
    return Sent(app=partial(_tried, admin.answer, trial, key))


def _tried(
    answer: WSGIApplication,
    trial: Trial,
    key: Key | None,
    environ: WSGIEnvironment,
    start_response: StartResponse,
) -> Iterable[bytes]:
    outer = Exchange.of(environ)
    inner = Exchange(id=outer.id, key=key, watch=outer.watch)
    outer.watch = None  # from here on it says what becomes of the inner one
    outer.headers = lambda: inner.headers() if inner.headers is not None else []
    return answer(_environ(environ, trial, inner), start_response)


def _environ(
    environ: WSGIEnvironment, trial: Trial, exchange: Exchange
) -> WSGIEnvironment:
    """As if a client had sent it; of the session and its cookie nothing is left."""
    body = bytes(trial.body)
    made = {
        name: value
        for name, value in environ.items()
        if name.startswith(_SAME) or name in _HEADERS
    }
    made |= {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": trial.path,
        "RAW_URI": trial.path,
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": OwnBody(body),
        KEY: exchange,
    }
    if trial.explain:
        made["HTTP_X_PANNIER_EXPLAIN"] = "1"
    return made


ROUTES: list[Route] = [Route("POST", "/playground", try_out)]
