"""Pulling: models that Ollama gets, told while it does, and those that it loses."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from ..administration.checks import check_name
from ..carriers.base import Response
from ..errors import GatewayError
from ..refusal import in_stream
from ..relay import bounds
from ..wire import errors, ollama
from ..wire.decoding import decode
from .asked import Admin, Asked, Route, Sent
from .calls import answered, begun, incomplete, lines, told, understood

#: Seconds between two events that say the same of the same.
PERIOD = 0.2

_progress = partial(decode, msgspec.json.Decoder(ollama.Progress))
_HEADERS = (("X-Accel-Buffering", "no"),)


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be pulled; ``insecure``: its registry may do without TLS."""

    model: Annotated[str, Meta(min_length=1, max_length=512)]
    insecure: bool = False


class Told:
    """The events of a pull; closing them ends it."""

    def __init__(self, response: Response, done: Callable[[], object]) -> None:
        self._response = response
        self._events = events(
            map(partial(understood, _progress), lines(response)), done
        )

    def __iter__(self) -> Iterator[bytes]:
        return self._events

    def close(self) -> None:
        """Nobody listens any more."""
        self._response.close()
        self._events = iter(())


def pull(admin: Admin, asked: Asked) -> Sent:
    """Have Ollama get a model; how far it is comes as events."""
    wanted = asked.json(Wanted)
    check_name(wanted.model, "model")
    call = ollama.PullRequest(wanted.model, wanted.insecure)
    usual = bounds(admin.settings, None)
    # It may take hours, and be silent for long while a digest is computed.
    timeouts = replace(usual, idle=usual.first_byte, total=None)
    response = begun(admin.upstream, "POST", "/api/pull", call, timeouts)
    done = partial(_changed, admin, asked, "model.pull", wanted.model)
    return Sent(
        body=Told(response, done),
        type="text/event-stream",
        headers=_HEADERS,
        failure=failed,
    )


def remove(admin: Admin, asked: Asked) -> None:
    """Have Ollama delete a model; what is set for it stays."""
    asked.check_empty()
    name = asked.path["name"]
    call, timeouts = ollama.DeleteRequest(name), bounds(admin.settings, False)
    answered(admin.upstream, "DELETE", "/api/delete", call, timeouts)
    _changed(admin, asked, "model.remove", name)


def events(
    progress: Iterable[ollama.Progress],
    done: Callable[[], object],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[bytes]:
    """What Ollama says, as events: each status, and of each digest the last number.

    ``done`` is called before the event that says that it is there.  Raises
    ``UpstreamError``.
    """
    said, held, at = ("", ""), b"", -math.inf
    for one in progress:
        about = one.status or "", one.digest or ""
        if about != said and held:
            yield held
        held = b""
        if one.error is not None:
            raise in_stream(one.error)
        frame = b"data: %b\n\n" % msgspec.json.encode(one)
        if one.status == "success":
            done()
            yield frame
            return
        now = clock()
        if about == said and now - at < PERIOD:
            held = frame
            continue
        said, at = about, now
        yield frame
    if held:
        yield held
    raise incomplete()


def failed(error: GatewayError) -> bytes:
    """The last event of a pull that fails."""
    said = errors.openai_envelope(told(error), error.type, error.param, error.code)
    return b"event: error\ndata: %b\n\n" % said


def _changed(admin: Admin, asked: Asked, action: str, name: str) -> None:
    """Have all workers look at Ollama's models again."""
    admin.catalog.forget()
    with suppress(GatewayError):  # it is done, whether or not that can be noted
        admin.office(asked.actor).models.refresh(action, name)


ROUTES: list[Route] = [
    Route("POST", "/models/pull", pull),
    Route("POST", "/models/<path:name>/remove", remove),
]
