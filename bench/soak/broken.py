"""Every fault of the simulator in turn, on every route: a whole answer or a failure.

After a fault that is valid HTTP and JSON the answer must be right; after any other it
must say that it failed, once and in its dialect.  A few are neither: see ``EITHER``.
"""

from typing import Any

from app.simulator.faults import FAULTS, describe

from ..load import post
from .checks import FAILURES, ended, good, lines, message, must, refused
from .kinds import CHAT, CODE, EMBED, MESSAGE, TEXT, Scene, chat, code, kind
from .wire import Answer, line

#: Routes and their bodies, by the name of a model.
ROUTES: list[tuple[str, str, Any]] = [
    ("chat", CHAT, lambda model: chat("x", model)),
    ("chat, streamed", CHAT, lambda model: chat("x", model, stream=True)),
    ("completion", TEXT, lambda model: {"model": model, "prompt": "x"}),
    (
        "completion, streamed",
        TEXT,
        lambda model: {"model": model, "prompt": "x", "stream": True},
    ),
    ("message", MESSAGE, lambda model: chat("x", model)),
    ("message, streamed", MESSAGE, lambda model: chat("x", model, stream=True)),
    ("embeddings", EMBED, lambda model: {"model": model, "input": "x"}),
    ("native", "/api/chat", lambda model: chat("x", model)),
    ("code", CODE, lambda model: code(model, stream=False)),
    ("code, lines", CODE, lambda model: code(model, stream=True)),
]
#: What keeps everybody busy until a limit in time or size; as bytes, all that is
#: endless does.  These come seldom, and are taken in sips.
FLOODS = [
    (fault, route)
    for fault in ("endless-stream", "endless-line", "endless-error", "big-line")
    for route in ROUTES
]
TURNS = [
    (fault, route)
    for fault in FAULTS
    for route in ROUTES
    if (fault, route) not in FLOODS
]
#: The answer is whole nevertheless.
VALID = {name for name in FAULTS if "(valid)" in describe(name)} | {
    "extra-bytes",
    "lone-surrogate",
    "negative-counts",
    "no-reason",
}
#: Whole or not, as the route or a limit in time has it.
EITHER = {
    "byte-segments",
    "after-done",
    "bad-utf8",
    "drip",
    "huge-number",
    "no-last-chunk",
    "not-done",
    "short-length",
    "slow-head",
    "stall-after-done",
    "two-done",
    "wrong-types",
}


@kind(weight=25, limit=40)
def faults(scene: Scene) -> None:
    """The next fault on the next route."""
    fault, (name, path, body) = TURNS[next(scene.turns) % len(TURNS)]
    answer = scene.ask(path, body(f"fault-{fault}"))
    try:
        check(fault, name, answer)
    except Exception as exc:
        exc.add_note(f"{fault}, {name}")
        raise


@kind(weight=0.3, limit=60, long=True)
def floods(scene: Scene) -> None:
    """What is very large, or never ends: whole, or cut at a limit."""
    fault, (name, path, body) = scene.luck.choice(FLOODS)
    with line(scene.port, small=True) as one:
        one.send(post(path, body(f"fault-{fault}")))
        answer = one.answer(pause=0.1)
    check(fault, name, answer)


def check(fault: str, route: str, answer: Answer) -> None:
    """Raise if this is no answer to that."""
    if route == "native":
        _native(answer)
        return
    failed = answer.status != 200
    if failed:
        refused(answer, *FAILURES)
    elif route == "message, streamed":
        failed = message(answer)[1] is not None
    elif route == "code, lines":
        failed = lines(answer)[1] is not None
    elif route.endswith("streamed"):
        failed = ended(answer)[1] is not None
    else:
        good(answer)
    if fault not in EITHER:
        must(failed == (fault not in VALID), "failed" if failed else "passed", answer)


def _native(answer: Answer) -> None:
    """What is valid HTTP passes as it is, also where its content is none.

    What Ollama announced and did not send cannot be made up for: that is cut off.
    """
    must(answer.status != 0, "no answer", answer)
    must(answer.whole or "content-length" in answer.headers, "cut off", answer)
