"""What keys, limits and usage cost: Pannier with all of them beside Pannier without.

Two servers of this checkout before one upstream, asked in turns in one run.  One is
open; the other has a key with every limit, none of which is reached, and writes a row
for each request.

Started as ``python -m bench.gateway [ROUNDS] [--rows DIRECTORY] [--limits URL]
[--workers N]``.  With a directory that has a database of many rows
(``bench.usage_rows``) both have keys, and one of them those rows.  Limits can be
counted in a Redis, or by several workers in a file.
"""

import argparse
import contextlib
import statistics
import tempfile
import time

from app.administration import Administration
from app.settings import Settings
from app.storage.database import Database
from app.storage.upgrade import upgrade

from . import load
from .contestants import pannier, upstream

#: The model that answers, and whether it is streamed, by the name of a load.
LOADS = {"whole answer": ("chat", False), "stream of 64 words": ("flat-64", True)}
CLIENTS = (1, 16)
SECONDS = 0.4
#: The most that the latency with keys may be, in parts of that without.
BAR = 1.15
NEVER = 2**40


def request(model: str, stream: bool, key: str = "") -> bytes:
    """A chat, as the upstream understands it."""
    message = {"role": "user", "content": "hi"}
    body = {"model": model, "messages": [message], "stream": stream}
    return load.post("/v1/chat/completions", body, key)


def made_key(state: str) -> str:
    """A key with limits that nobody reaches."""
    database = Database("", state)
    try:
        upgrade(database)
        settings = Settings(state_dir=state)
        office = Administration(lambda job: job(database), settings, "bench")
        limits = {"rpm": NEVER, "tpd": NEVER, "max_concurrent": NEVER}
        caps = {"max_output_tokens": 4096, "max_num_ctx": 131_072}
        name = f"bench {time.time_ns()}"
        _, secret = office.keys.create(
            {"name": name, "allow_models": ["*"], **limits, **caps}
        )
        return secret
    finally:
        database.close()


def measured(
    clients: int, asked: dict[str, tuple[str, bytes]], rounds: int
) -> dict[str, list[float]]:
    """The p50 of each round in milliseconds; ``asked`` are addresses and requests."""
    p50: dict[str, list[float]] = {name: [] for name in asked}
    for number in range(rounds):
        for name in sorted(asked, reverse=bool(number % 2)):
            url, data = asked[name]
            answers = load.run(url, data, clients, SECONDS).answers
            for one in answers:
                one.body()
            took = [one.arrivals[-1] - one.asked for one in answers]
            p50[name].append(statistics.median(took) * 1000)
    return p50


def row(title: str, clients: int, p50: dict[str, list[float]], base: str) -> str:
    """One line of the table: all beside ``base``, round by round."""
    cells = [f"{title}", f"{clients}", f"{statistics.median(p50[base]):.2f}"]
    for name in p50.keys() - {base}:
        pairs = zip(p50[base], p50[name], strict=True)
        ratio = statistics.median(b / a for a, b in pairs)
        held = "held" if ratio <= BAR else "missed"
        cells += [f"{statistics.median(p50[name]):.2f}", f"{ratio:.2f}", held]
    return f"| {' | '.join(cells)} |"


def main(rounds: int, rows: str, limits: str, workers: int) -> None:
    """Print the table; with ``rows`` it is of keys before few and before many."""
    settings = {"WEB_CONCURRENCY": str(workers), "PANNIER_LIMITS_URL": limits}
    settings["PANNIER_USAGE_DAYS"] = "3650"  # no row is removed meanwhile
    with contextlib.ExitStack() as stack:
        ollama = stack.enter_context(upstream())
        asked: dict[str, tuple[str, str]] = {}
        for name in ("keys", "many rows" if rows else "open"):
            state = rows if name == "many rows" else ""
            state = state or stack.enter_context(tempfile.TemporaryDirectory())
            key = "" if name == "open" else made_key(state)
            ours = pannier(ollama.url, PANNIER_STATE_DIR=state, **settings)
            asked[name] = stack.enter_context(ours).url, key
        base = "keys" if rows else "open"
        other = "many rows" if rows else "keys"
        print(f"| answer | clients | {base}, p50 ms | {other}, p50 ms | ÷ | ≤ {BAR} |")
        print("|---|--:|--:|--:|--:|---|")
        for title, (model, stream) in LOADS.items():
            requests = {
                name: (url, request(model, stream, key))
                for name, (url, key) in asked.items()
            }
            for clients in CLIENTS:
                p50 = measured(clients, requests, rounds)
                print(row(title, clients, p50, base), flush=True)


def arguments() -> argparse.Namespace:
    """What was said on the command line."""
    words = argparse.ArgumentParser(prog="python -m bench.gateway")
    words.add_argument("rounds", nargs="?", type=int, default=15)
    words.add_argument("--rows", default="")
    words.add_argument("--limits", default="")
    words.add_argument("--workers", type=int, default=1)
    return words.parse_args()


if __name__ == "__main__":
    main(**vars(arguments()))
