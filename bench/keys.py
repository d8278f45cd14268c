"""``python -m bench.keys``: how long it takes to find one key among many.

All that a request pays for its key is measured: the headers, the digest, the look-up,
the comparison, the rights.  1 if that is more than the bar.
"""

import gc
import random
import statistics
import sys
import time
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from app.gateway.credentials import hasher, new_secret, shown
from app.gateway.current import Current
from app.gateway.keys import Key, Terms
from app.gateway.snapshot import Snapshot
from app.installation import Installation
from app.settings import Settings
from middleware.auth import AuthMiddleware

KEYS = 10_000
LOOKS = 100_000
#: Microseconds, of the slowest in a hundred.
BAR = 50.0

_hash = hasher(b"of the benchmark, which is no secret")


class _Set:
    """A source that has this snapshot."""

    def __init__(self, now: Snapshot) -> None:
        self._now = now

    def version(self) -> int:
        """Its version."""
        return self._now.version

    def snapshot(self) -> Snapshot:
        """All of it."""
        return self._now


def _answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return ()


def _start(*head: object) -> object:
    return None


def layer(snapshot: Snapshot) -> AuthMiddleware:
    """The layer alone, around nothing."""
    installation = Installation(Settings())
    installation.current = Current(_Set(snapshot))
    installation.current.renew()
    installation.hash = _hash
    return AuthMiddleware(_answer, installation, lambda environ: "")


def known(secret: str) -> Key:
    """A key that has been in use."""
    prefix, suffix = shown(secret)
    digest = _hash(secret.encode())
    return Key(
        id=digest.hex(),
        name=prefix,
        digest=digest,
        prefix=prefix,
        suffix=suffix,
        terms=Terms(allow_models=("*",)),
        created_at=0,
    )


def measure(app: AuthMiddleware, environs: list[WSGIEnvironment]) -> list[float]:
    """Microseconds of each request, in ascending order; exchanges are not counted."""
    taken = []
    for _ in range(LOOKS):
        environ = random.choice(environs).copy()
        begun = time.perf_counter_ns()
        app(environ, _start)
        taken.append((time.perf_counter_ns() - begun) / 1000)
    return sorted(taken)


def main() -> int:
    """Measure and print."""
    secrets = [new_secret() for _ in range(KEYS)]
    keys = {key.digest: key for key in map(known, secrets)}
    plain = {"REQUEST_METHOD": "POST", "PATH_INFO": "/v1/chat/completions"}
    given = [plain | {"HTTP_AUTHORIZATION": f"Bearer {secret}"} for secret in secrets]
    gc.disable()
    for title, app, environs in (
        ("no key is needed", layer(Snapshot()), [plain]),
        (f"one of {KEYS:,} keys", layer(Snapshot(version=1, keys=keys)), given),
    ):
        measure(app, environs)  # each key is noted for the first time, once a minute
        taken = measure(app, environs)
        middle, slow = statistics.median(taken), taken[len(taken) * 99 // 100]
        print(f"{title}: p50 {middle:.1f} µs, p99 {slow:.1f} µs")
    print(f"bar: p99 below {BAR:g} µs: {'held' if slow < BAR else 'MISSED'}")
    return 0 if slow < BAR else 1


if __name__ == "__main__":
    sys.exit(main())
