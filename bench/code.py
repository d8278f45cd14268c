"""What code mode costs: a marked prompt beside the same bytes that are only relayed.

Both ask the same Pannier, in turns, in one run: ``/api/generate`` with an editor's
markers, which is parsed, looked up, put into the family's template and whose answer is
trimmed; and with a raw prompt as large, which goes on as it came.  Both stream.

Started as ``python -m bench.code [ROUNDS]``.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from middleware.code.families import Families
from middleware.code.parser import markers, parse

from . import load
from .contestants import pannier, upstream

#: Pieces of an answer, as many as an editor takes.
PIECES = 32
SIZES = {"4 kB": 4_000, "64 kB": 64_000, "1 MB": 1_000_000}
SECONDS = 0.4

_FAMILY = """\
[[family]]
name = "bench"
match = ["fill-*"]
template = "<|fim_prefix|>{code_prefix}<|fim_suffix|>{code_suffix}<|fim_middle|>"
stop = ["<|endoftext|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"]
tokens = ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"]
"""
_LINE = "    return {number} < 1 and [a for a in items]  # a line of code\n"


def text(size: int) -> str:
    """So many characters of code, about."""
    lines = size // len(_LINE) + 1
    return "".join(_LINE.format(number=number) for number in range(lines))[:size]


def requests(size: int) -> dict[str, bytes]:
    """What is asked: by its name, the bytes."""
    half = text(size // 2)
    marked = f"<PRE> # Language: Python\n# Path: /w/a.py\n{half} <SUF> {half} <MID>"
    model = f"fill-{size * 10 // 32}-{PIECES}"
    # The model is read off the ends of the body.
    common = {"stream": True, "options": {"num_ctx": 2_000_000}, "model": model}
    return {
        "relayed": load.post(
            "/api/generate", {"prompt": half * 2, "raw": True, **common}
        ),
        "code mode": load.post("/api/generate", {"prompt": marked, **common}),
    }


def _post(prompt: str, **more: object) -> bytes:
    return load.post("/api/generate", {"prompt": prompt, **more})


def prepared(size: int) -> float:
    """Milliseconds for the parser and the template alone; the best of many."""
    family = Families.load().of("qwen2.5-coder:7b")
    half = text(size // 2)
    prompt = f"<PRE> # Language: Python\n# Path: /w/a.py\n{half} <SUF> {half} <MID>"
    assert family is not None
    found = []
    for _ in range(30):
        began = time.perf_counter()
        assert markers(prompt)
        family.prompt(parse(prompt))
        found.append(time.perf_counter() - began)
    return min(found) * 1000


def main(rounds: int = 15) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as directory:
        families = Path(directory, "families.toml")
        families.write_text(_FAMILY)
        with (
            upstream() as ollama,
            pannier(ollama.url, PANNIER_CODE_FAMILIES=str(families)) as ours,
        ):
            print("| prompt | relayed p50 ms | code mode p50 ms | added ms | ÷ |"
                  " parser and template ms |")  # fmt: skip
            print("|---|--:|--:|--:|--:|--:|")
            for title, size in SIZES.items():
                print(_row(title, size, ours.url, rounds))


def _row(title: str, size: int, url: str, rounds: int) -> str:
    found: dict[str, list[float]] = {"relayed": [], "code mode": []}
    asked = requests(size)
    for number in range(rounds):
        for name in sorted(asked, reverse=bool(number % 2)):
            answers = load.run(url, asked[name], 1, SECONDS).answers
            for one in answers:
                one.body()
            took = [one.arrivals[-1] - one.asked for one in answers]
            found[name].append(statistics.median(took) * 1000)
    relayed, coded = found["relayed"], found["code mode"]
    added = statistics.median(b - a for a, b in zip(relayed, coded, strict=True))
    ratio = statistics.median(b / a for a, b in zip(relayed, coded, strict=True))
    return (
        f"| {title} | {statistics.median(relayed):.2f} | {statistics.median(coded):.2f}"
        f" | {added:.2f} | {ratio:.2f} | {prepared(size):.2f} |"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
