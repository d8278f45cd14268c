"""Keys and other things that are set, as tests have them: without a database."""

from collections.abc import Iterable
from typing import Any

from app.errors import GatewayError
from app.gateway.credentials import hasher, shown
from app.gateway.current import Current
from app.gateway.entries import AliasEntry, ModelEntry
from app.gateway.keys import Key, Terms
from app.gateway.snapshot import Snapshot
from app.gateway.usage import Usage
from app.installation import Installation
from app.settings import Settings
from app.wire.names import key as key_of

from .secrecy import note

#: The installation's secret in tests.
SECRET = b"x" * 32
HASH = hasher(SECRET)


def key(
    name: str = "k", secret: str = "sk-test-key-of-thirty-two-characters", **more: Any
) -> Key:
    """A key; ``more`` are fields of it and of its terms."""
    note(secret)
    own = {field: more.pop(field) for field in Key.__struct_fields__ if field in more}
    terms = Terms(**{"allow_models": ("*",), **more})
    prefix, suffix = shown(secret)
    given = {"id": f"key_{name}", "digest": HASH(secret.encode()), "created_at": 0}
    return Key(name=name, prefix=prefix, suffix=suffix, terms=terms, **(given | own))


def snapshot(
    *keys: Key,
    models: Iterable[ModelEntry] = (),
    aliases: Iterable[AliasEntry] = (),
    version: int = 1,
    **more: Any,
) -> Snapshot:
    """What is set: these and ``more`` fields."""
    by_digest = {one.digest: one for one in keys}
    by_digest |= {one.previous_digest: one for one in keys if one.previous_digest}
    return Snapshot(
        version=version,
        keys=by_digest,
        models={key_of(one.name): one for one in models},
        aliases={one.name.lower(): one for one in aliases},
        **more,
    )


class Known:
    """A source of snapshots: the one it has, or an error while it is ``broken``."""

    def __init__(self, now: Snapshot) -> None:
        self.now = now
        self.broken: GatewayError | None = None

    def version(self) -> int:
        """Its version."""
        if self.broken is not None:
            raise self.broken
        return self.now.version

    def snapshot(self) -> Snapshot:
        """All of it."""
        return self.now


def installed(now: Snapshot, **settings: Any) -> Installation:
    """An installation in which this is set; nothing looks for changes by itself."""
    chosen = Settings(**settings)
    installation = Installation(chosen)
    installation.current = Current(Known(now), chosen.auth)
    installation.current.renew()
    installation.usage = Usage()
    installation.hash = HASH
    return installation
