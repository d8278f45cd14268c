"""The health of the Redis in which machines count together what keys use."""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.retry import Retry

from ..gateway.limits_redis import SLOW
from ..settings import Settings
from .finding import Finding, bad, ok

_PATIENCE = 2.0

CANNOT_COUNT = (
    "The limits of keys cannot be counted in Redis at {place}: {why}. What to do:"
    " {advice}. Until then each machine counts for itself."
)
_START = "start Redis there, or correct PANNIER_LIMITS_URL"
_CORRECT = "PANNIER_LIMITS_URL has to name a user and a password that Redis has"


def counting(settings: Settings) -> Iterator[Finding]:
    """Look whether it answers, and in time."""
    pool = ConnectionPool.from_url(
        settings.limits_url,
        socket_timeout=_PATIENCE,
        socket_connect_timeout=_PATIENCE,
        retry=Retry(NoBackoff(), 0),
    )
    with closing(Redis(connection_pool=pool)) as redis:
        yield _asked(redis, _place(pool.connection_kwargs))
    pool.disconnect()


def _asked(redis: Any, place: str) -> Finding:
    # Not what errors say: they may quote the URL, and that has a password.
    try:
        redis.ping()
        begun = time.monotonic()
        redis.ping()
        taken = time.monotonic() - begun
        about = _about(redis)
    except AuthenticationError:
        return _bad(place, "it refuses this user or password", _CORRECT)
    except ResponseError as error:
        word = str(error).partition(" ")[0]  # such as NOAUTH
        return _bad(place, f"it says {word[:20]}", _CORRECT)
    except (RedisError, OSError) as error:
        return _bad(place, f"no answer ({type(error).__name__})", _START)
    if about.get("role") == "slave":
        return _bad(place, "it is a replica, which cannot be written", _START)
    if taken > SLOW:
        why = f"an answer took {taken * 1000:.0f} ms, more than {SLOW * 1000:.0f}"
        return _bad(place, why, "take one that is nearer, or less busy")
    version = about.get("redis_version", "of an unknown version")
    return ok(f"Redis {version} at {place} counts the limits of keys")


def _about(redis: Any) -> dict[str, Any]:
    """What it says of itself, if this user may know."""
    try:
        found: dict[str, Any] = redis.info()
    except ResponseError:
        return {}
    return found


def _bad(place: str, why: str, advice: str) -> Finding:
    return bad(CANNOT_COUNT.format(place=place, why=why, advice=advice))


def _place(where: dict[str, Any]) -> str:
    """Where it is, without the password."""
    if "path" in where:
        return str(where["path"])
    return f"{where.get('host', 'localhost')}:{where.get('port', 6379)}"
