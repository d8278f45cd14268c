"""What keys, limits and usage cost: Pannier with all of them beside Pannier without.

Two servers of this checkout before one upstream, asked in turns in one run.  One is
open; the other has a key with every limit, none of which is reached, and writes a row
for each request.

Started as ``python -m bench.gateway [ROUNDS] [--state DIRECTORY] [--limits URL]
[--workers N]``: a directory with a database of many rows (``bench.usage_rows``) shows
whether these cost requests anything; limits can be counted in a Redis, or by several
workers in a file.
"""

import argparse
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


def row(
    title: str, clients: int, asked: dict[str, tuple[str, bytes]], rounds: int
) -> str:
    """One line of the table; ``asked`` are addresses and requests, by who answers."""
    p50: dict[str, list[float]] = {name: [] for name in asked}
    rate: dict[str, list[float]] = {name: [] for name in asked}
    for number in range(rounds):
        for name in sorted(asked, reverse=bool(number % 2)):
            url, data = asked[name]
            answers = load.run(url, data, clients, SECONDS).answers
            for one in answers:
                one.body()
            took = [one.arrivals[-1] - one.asked for one in answers]
            p50[name].append(statistics.median(took) * 1000)
            rate[name].append(len(answers) / SECONDS)
    ratio = statistics.median(
        b / a for a, b in zip(p50["open"], p50["keys"], strict=True)
    )
    return (
        f"| {title} | {clients} | {statistics.median(p50['open']):.2f}"
        f" | {statistics.median(p50['keys']):.2f} | {ratio:.2f}"
        f" | {statistics.median(rate['open']):.0f}"
        f" | {statistics.median(rate['keys']):.0f}"
        f" | {'held' if ratio <= BAR else 'missed'} |"
    )


def main(rounds: int, state: str, limits: str, workers: int) -> None:
    """Print the table."""
    settings = {"WEB_CONCURRENCY": str(workers)}
    with tempfile.TemporaryDirectory() as directory:
        key = made_key(state or directory)
        kept = {
            "PANNIER_STATE_DIR": state or directory,
            "PANNIER_USAGE_DAYS": "3650",  # no row is removed meanwhile
            "PANNIER_LIMITS_URL": limits,
        }
        with (
            upstream() as ollama,
            tempfile.TemporaryDirectory() as empty,
            pannier(ollama.url, PANNIER_STATE_DIR=empty, **settings) as open_one,
            pannier(ollama.url, **kept, **settings) as ours,
        ):
            print("| answer | clients | open p50 ms | keys p50 ms | ÷ | open/s | keys/s"
                  f" | ≤ {BAR} |")  # fmt: skip
            print("|---|--:|--:|--:|--:|--:|--:|---|")
            for title, (model, stream) in LOADS.items():
                asked = {
                    "open": (open_one.url, request(model, stream)),
                    "keys": (ours.url, request(model, stream, key)),
                }
                for clients in CLIENTS:
                    print(row(title, clients, asked, rounds), flush=True)


def arguments() -> argparse.Namespace:
    """What was said on the command line."""
    words = argparse.ArgumentParser(prog="python -m bench.gateway")
    words.add_argument("rounds", nargs="?", type=int, default=15)
    words.add_argument("--state", default="")
    words.add_argument("--limits", default="")
    words.add_argument("--workers", type=int, default=1)
    return words.parse_args()


if __name__ == "__main__":
    main(**vars(arguments()))
