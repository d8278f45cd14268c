"""Families: every metric of Pannier's, with what it means (docs/metrics.md).

``COUNTED`` is added up on the board, over all workers; ``ASKED`` is found out when
somebody asks.  Labels have few values: no key, no address, and no model's name but
those that Ollama has answered for.
"""

from typing import Literal

import msgspec

Kind = Literal["counter", "gauge", "histogram"]


class Family(msgspec.Struct, frozen=True):
    """One metric; ``buckets`` are the upper bounds of a histogram's, without infinity.

    A series of it has ``width`` numbers: one; of a histogram one for each bucket, that
    of infinity, and the sum of all values.
    """

    kind: Kind
    name: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    width: int = 1


#: From what comes out of a cache to what a large model takes for a long text.
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
#: From a large model in slow memory to a small one in many streams.
SPEEDS = (1.0, 2, 5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300, 500, 1000)

WHAT = ("endpoint", "model")

REQUESTS = Family(
    "counter",
    "pannier_requests_total",
    "Requests that are over, by the status that was answered.",
    (*WHAT, "status"),
)
ERRORS = Family(
    "counter",
    "pannier_errors_total",
    "Requests that did not end well, by the code of their error.",
    ("endpoint", "code"),
)
DURATION = Family(
    "histogram",
    "pannier_request_duration_seconds",
    "Time from a request's head to the end of its answer.",
    WHAT,
    SECONDS,
    len(SECONDS) + 2,
)
FIRST_TOKEN = Family(
    "histogram",
    "pannier_first_token_seconds",
    "Time from a request's head to the first piece of its streamed answer.",
    WHAT,
    SECONDS,
    len(SECONDS) + 2,
)
PROMPT_TOKENS = Family(
    "counter",
    "pannier_prompt_tokens_total",
    "Tokens of prompts, as Ollama counted them.",
    WHAT,
)
COMPLETION_TOKENS = Family(
    "counter",
    "pannier_completion_tokens_total",
    "Tokens that were generated, as Ollama counted them.",
    WHAT,
)
SPEED = Family(
    "histogram",
    "pannier_tokens_per_second",
    "Speed at which the answer to a request was generated.",
    ("model",),
    SPEEDS,
    len(SPEEDS) + 2,
)
OLLAMA = Family(
    "counter",
    "pannier_ollama_seconds_total",
    "Time that Ollama spent, by what it did.",
    ("model", "phase"),
)
DROPPED = Family(
    "counter",
    "pannier_usage_dropped_total",
    "Rows of usage that could not be kept.",
)
COUNTED = (
    *(REQUESTS, ERRORS, DURATION, FIRST_TOKEN, PROMPT_TOKENS, COMPLETION_TOKENS),
    *(SPEED, OLLAMA, DROPPED),
)

INFO = Family(
    "gauge", "pannier_info", "What runs here; always 1.", ("version", "python")
)
START = Family(
    "gauge", "pannier_start_time_seconds", "When counting began, in Unix seconds."
)
WORKERS = Family("gauge", "pannier_workers", "Worker processes.")
MEMORY = Family(
    "gauge",
    "pannier_worker_memory_bytes",
    "Memory of a worker; what several share is divided among them.",
    ("worker",),
)
IN_FLIGHT = Family(
    "gauge", "pannier_requests_in_flight", "Requests that are being answered."
)
UP = Family(
    "gauge",
    "pannier_upstream_up",
    "Whether Ollama answered the last request that needed it.",
)
KEYS = Family("gauge", "pannier_keys", "API keys, those that are revoked too.")
DATABASE = Family(
    "gauge",
    "pannier_database_up",
    "Whether keys and settings could be read when they were last looked at.",
)
ASKED = (INFO, START, WORKERS, MEMORY, IN_FLIGHT, UP, KEYS, DATABASE)
