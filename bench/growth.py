"""How cost grows: with streams, and with the size of what is asked and answered.

CPU of Pannier's process tree, medians of a few turns.  Every answer is looked at.
"""

import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

from . import contestants, load, process
from .contestants import Contestant
from .load import Failed
from .trials import Trial, chat, says_the_sentence

#: Figures of which each point is the median.
TURNS = 3
#: Seconds for which one client asks, for one figure; at least one request.
SECONDS = 0.3

STREAMS = (50, 100, 200, 500, 1_000)
BYTES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
MESSAGES = (10, 30, 100, 300, 1_000)
MODELS = (10, 100, 1_000, 5_000)
INPUTS = (1, 16, 128, 512, 2_048)

#: A stream has so many chunks, at so many a second; all begin within some seconds.
CHUNKS, PACE, SPREAD = 75, 50, 0.5

#: A sentence as people write them, and characters of a token in it.
_DENSITY = 4
_TEXT = "The quick brown fox jumps over the lazy dog, and then again. "


class Curve(NamedTuple):
    """A cost (``y``, microseconds of CPU) at each of some sizes (``x``), ascending."""

    title: str
    x: str
    y: str
    points: list[tuple[float, float]]


def steepest(curve: Curve) -> float:
    """The largest exponent between neighbours: 1 is linear, 2 is quadratic, 0 is flat.

    What a request costs may be linear; what a chunk costs, among more streams, flat.
    """
    return max(
        math.log(y2 / y1) / math.log(x2 / x1)
        for (x1, y1), (x2, y2) in itertools.pairwise(curve.points)
    )


def measure() -> list[Curve]:
    """All curves, in a minute and a half.  Raises ``Failed`` for a wrong answer."""
    with contestants.upstream() as up, contestants.pannier(up.url) as pannier:
        return [
            _streams(pannier),
            _curve("One long message", "bytes", pannier, BYTES, _long),
            _curve("A long conversation", "messages", pannier, MESSAGES, _conversation),
            _models("Installed models"),
            _models("Installed models, with facts", PANNIER_MODEL_FACTS="1"),
            _curve("Embeddings, float", "inputs", pannier, INPUTS, _floats),
            _curve("Embeddings, base64", "inputs", pannier, INPUTS, _packed),
        ]


def _streams(pannier: Contestant) -> Curve:
    """Streams that have all begun within half a second, and last for longer."""
    return _curve("Open streams", "streams", pannier, STREAMS, _paced, "chunk")


def _models(title: str, **settings: str) -> Curve:
    """Each length of the list with an upstream and a Pannier of its own.

    The list is fetched and translated for every request; facts of models have been
    asked for before.
    """
    points: list[tuple[float, float]] = []
    for count in MODELS:
        with (
            contestants.upstream(count) as up,
            contestants.pannier(up.url, **settings) as pannier,
        ):
            points += _curve("", "", pannier, [count], _listed).points
    return Curve(title, "models", "CPU µs a request", points)


def _curve(
    title: str,
    x: str,
    pannier: Contestant,
    sizes: Sequence[int],
    trial: Callable[[int], Trial],
    unit: str = "request",
) -> Curve:
    points = [(float(size), _cost(pannier, trial(size))) for size in sizes]
    return Curve(title, x, f"CPU µs a {unit}", points)


def _cost(pannier: Contestant, trial: Trial) -> float:
    """Microseconds of CPU a unit, once all has been done before; streams begin cold."""
    if not trial.turns:
        _ask(pannier, trial)
    return statistics.median(_figure(pannier, trial) for _ in range(TURNS))


def _figure(pannier: Contestant, trial: Trial) -> float:
    used = process.cpu(pannier.pid)
    answers = _ask(pannier, trial)
    used = process.cpu(pannier.pid) - used
    return used / answers / trial.units * 1e6


def _ask(pannier: Contestant, trial: Trial) -> int:
    """Put the load on, and look at the answers: how many they were."""
    request = trial.request(native=False)
    spread = SPREAD if trial.turns else 0.0
    found = load.run(
        pannier.url, request, trial.clients, SECONDS, turns=trial.turns, spread=spread
    )
    for answer in found.answers:
        trial.check(answer.body())
    return len(found.answers)


def _paced(streams: int) -> Trial:
    return chat(
        "", f"paced-{PACE}-{CHUNKS}", streams, stream=True, units=CHUNKS, turns=1
    )


def _long(size: int) -> Trial:
    return _said([_TEXT * (size // len(_TEXT)) + _TEXT[: size % len(_TEXT)]])


def _conversation(count: int) -> Trial:
    return _said([_TEXT] * count)


def _said(texts: list[str]) -> Trial:
    """A chat of these messages, the user's and the model's in turn."""
    messages = [
        {"role": "assistant" if number % 2 else "user", "content": text}
        for number, text in enumerate(texts)
    ]
    # Ollama says that it has read all of them, or it would be looked into.
    model = f"read-{sum(map(len, texts)) // _DENSITY}"
    body = {"model": model, "messages": messages}
    return Trial("", "request", "/chat/completions", body, says_the_sentence, 1)


def _listed(count: int) -> Trial:
    check = _has(count, b'"id":"model-')
    return Trial("", "request", "/models", None, check, 1)


def _floats(count: int) -> Trial:
    return _embedded(count, "float", b'"embedding":[')


def _packed(count: int) -> Trial:
    return _embedded(count, "base64", b'"embedding":"')


def _embedded(count: int, encoding: str, sign: bytes) -> Trial:
    texts = [f"text number {number}" for number in range(count)]
    body = {"model": "embed", "input": texts, "encoding_format": encoding}
    return Trial("", "request", "/embeddings", body, _has(count, sign), 1)


def _has(count: int, sign: bytes) -> Callable[[bytes], None]:
    """Whether there are so many."""

    def check(body: bytes) -> None:
        if body.count(sign) != count:
            raise Failed(f"{body.count(sign)} instead of {count}: {body[:300]!r}")

    return check
