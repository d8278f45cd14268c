"""A small firm that was made up: its keys, aliases, models, and a month of requests."""

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from app.gateway.usage import Row
from middleware.usage import row_id

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
DAYS, REQUESTS, LAST_HOUR = 30, 12_000, 40


class Team(NamedTuple):
    """Who has a key, what it says, and what is done with it; ``share`` of all that is.

    Each of ``asks`` is an endpoint, a protocol, a model and by what name it is asked.
    """

    name: str
    form: dict[str, Any]
    share: int = 0
    asks: tuple[tuple[str, str, str, str], ...] = ()
    agent: str = "OpenAI/Python 3.52.0"


LLAMA, QWEN = "llama3.2:latest", "qwen3:latest"
CODER, NOMIC = "qwen2.5-coder:latest", "nomic-embed-text:latest"
TEAMS = [
    Team(
        "website chat",
        {
            "allow_models": ["llama3.2*", "fast"],
            "rpm": 120,
            "max_concurrent": 8,
        }
        | {"tpd": 2_000_000, "notes": "The assistant on the public website"},
        9,
        (("chat", "openai", LLAMA, "fast"), ("chat", "openai", LLAMA, "llama3.2")),
        "OpenAI/JS 7.4.0",
    ),
    Team(
        "editors",
        {"allow_models": ["qwen2.5-coder*", "qwen3-coder*", "coder"], "rpm": 600}
        | {"notes": "Completion in everybody's editor"},
        8,
        (("code", "ollama", CODER, "coder"), ("chat", "openai", CODER, "coder")),
        "continue/2.8.1",
    ),
    Team(
        "search index",
        {"allow_models": ["*embed*"], "allow_endpoints": ["embeddings", "models"]},
        4,
        (("embeddings", "openai", NOMIC, "text-embedding-3-small"),),
    ),
    Team(
        "coding agents",
        {"allow_models": ["qwen3*", "gpt-oss*", "falcon3*"], "max_concurrent": 2}
        | {"tpd": 5_000_000, "overrides": {"num_ctx": 32768}},
        3,
        (("messages", "anthropic", QWEN, "qwen3"),),
        "claude-cli/3.0.4",
    ),
    Team(
        "nightly summaries",
        {"allow_models": ["gpt-oss:20b"], "rpm": 30, "allow_keep_alive": True},
        2,
        (("responses", "openai", "gpt-oss:20b", "gpt-oss:20b"),),
    ),
    Team(
        "ana's laptop",
        {"allow_models": ["*"], "notes": "Anything, for trying"},
        1,
        (("chat", "openai", QWEN, "gpt-4o"), ("native", "ollama", LLAMA, "llama3.2")),
        "ollama/0.24.1 (arm64 darwin)",
    ),
    Team("workshop in spring", {"allow_models": ["llama3.2*"], "rpm": 10}),
    Team("contractor", {"allow_models": ["qwen3*"]}),
]
ALIASES = [
    {"name": "fast", "target": "llama3.2", "overrides": {"temperature": 0.3}},
    {"name": "coder", "target": "qwen2.5-coder"},
    {"name": "gpt-4o", "target": "qwen3", "overrides": {"think": False}},
    {"name": "text-embedding-3-small", "target": "nomic-embed-text", "hidden": True},
]
MODELS = {
    LLAMA: {"description": "Small and quick", "overrides": {"num_ctx": 8192}},
    QWEN: {"overrides": {"temperature": 0.6, "top_p": 0.95, "keep_alive": "30m"}},
    CODER: {"description": "For editors", "overrides": {"num_predict": 256}},
    "gpt-oss:120b": {"enabled": False, "description": "Too large for this machine"},
}
SETTINGS = {"heartbeat": 15, "overrides": {"keep_alive": "10m", "top_k": 40}}

#: How busy an hour of the day is, of midnight (UTC) first; and a day, of Monday first.
_HOURS = (
    2,
    1,
    1,
    1,
    1,
    2,
    4,
    9,
    16,
    22,
    24,
    23,
    18,
    21,
    24,
    23,
    20,
    14,
    9,
    7,
    6,
    5,
    4,
    3,
)
_WEEK = (10, 11, 12, 11, 10, 7, 6)
#: What becomes of requests, how often in a thousand: status, HTTP's, code.
_ENDS: list[tuple[int, str, int | None, str]] = [
    (942, "ok", 200, ""),
    (22, "cancelled", 200, ""),
    (14, "client_error", 400, "context_length_exceeded"),
    (12, "rate_limited", 429, "rate_limit_exceeded"),
    (6, "upstream_error", 502, "upstream_error"),
    (4, "timeout", 504, "upstream_timeout"),
]


def usage(ids: dict[str, str], now: int, seed: int = 7) -> Iterator[Row]:
    """A month of requests up to now, by keys of these ids, and a busy last hour."""
    chance = random.Random(seed)
    teams = [team for team in TEAMS if team.share]
    for at in sorted(_times(chance, now)):
        (team,) = chance.choices(teams, [team.share for team in teams])
        yield _row(chance, at, team, ids[team.name])


def _times(chance: random.Random, now: int) -> Iterator[int]:
    made = 0
    while made < REQUESTS:
        at = now - chance.randrange(DAYS * DAY)
        hour, day = at // HOUR % 24, (at // DAY + 3) % 7  # 1970 began on a Thursday
        busy = _HOURS[hour] * _WEEK[day]
        if chance.random() * max(_HOURS) * max(_WEEK) < busy:
            made += 1
            yield at
    for _ in range(LAST_HOUR):
        yield now - MINUTE - chance.randrange(HOUR - MINUTE)


def _row(chance: random.Random, at: int, team: Team, key: str) -> Row:
    endpoint, protocol, model, asked = chance.choice(team.asks)
    (end,) = chance.choices(_ENDS, [one[0] for one in _ENDS])
    _, status, http, code = end
    is_text, went = endpoint != "embeddings", status in ("ok", "cancelled")
    tokens = min(int(chance.lognormvariate(5, 0.9)), 4096) if is_text and went else 0
    prompt = min(int(chance.lognormvariate(6.5, 1)), 30_000) if went else None
    queue = chance.expovariate(1 / 40)
    load = chance.uniform(1_500, 6_000) if chance.random() < 0.03 else 3.5
    reading = (prompt or 0) / chance.uniform(900, 2_400) * 1000
    speaking = tokens / chance.uniform(28, 75) * 1000
    first = int(queue + load + reading + 30)
    return Row(
        id=row_id(at),
        at=at,
        request_id=f"req_{chance.getrandbits(96):024x}",
        key_id=key,
        key_name=team.name,
        requested_model=asked,
        resolved_model=model,
        endpoint=endpoint,
        protocol=protocol,
        stream=is_text and chance.random() < 0.8,
        http_status=http,
        status=status,  # type: ignore[arg-type]
        error_code=code,
        prompt_tokens=prompt,
        completion_tokens=tokens if went else None,
        reasoning_tokens=None,
        estimated=status == "cancelled",
        queue_ms=round(queue, 1),
        load_ms=round(load, 1) if went else None,
        ttft_ms=first if is_text and went else None,
        prompt_ms=round(reading, 1) if went else None,
        eval_ms=round(speaking, 1) if went else None,
        duration_ms=int(first + speaking) if went else chance.randrange(2, 60),
        finish_reason="stop" if status == "ok" and is_text else "",
        n_messages=chance.randrange(1, 12) if is_text else None,
        n_tools=6 if team.name == "coding agents" else 0,
        n_tool_calls=0,
        n_images=0,
        bytes_in=(prompt or 50) * 4,
        bytes_out=tokens * 210 + 300,
        think="",
        client_ip=f"192.0.2.{20 + TEAMS.index(team)}",
        user_agent=team.agent,
        end_user="",
    )
