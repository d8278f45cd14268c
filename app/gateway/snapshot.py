"""Snapshot: what an installation has set, all of it, at one moment.

It never changes; another takes its place.  Whoever computes something out of it may
keep that for as long as ``Current`` still gives the same object.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from .entries import AliasEntry, ModelEntry
from .keys import Key, Moment


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """``keys`` by digest, those of a rotation twice; ``models`` by ``names.key``.

    ``aliases`` are by name in lower case.  ``settings`` are values by the field of
    ``Settings`` that somebody set in the database, as JSON has them; ``overrides`` is
    the global layer of parameters.  ``version`` 0 is that of nothing set.
    """

    version: int = 0
    keys: Mapping[bytes, Key] = MappingProxyType({})
    models: Mapping[str, ModelEntry] = MappingProxyType({})
    aliases: Mapping[str, AliasEntry] = MappingProxyType({})
    settings: Mapping[str, Any] = MappingProxyType({})
    overrides: Mapping[str, Any] = MappingProxyType({})

    def has(self, key: Key) -> bool:
        """Whether a key is as it is here; a request may have come with an older one.

        What is found out for that one must not be kept for this snapshot.
        """
        return self.keys.get(key.digest) is key

    def next_end(self, now: float) -> Moment | None:
        """When the next key, or secret before a rotation, is good no more.

        ``now`` is in milliseconds, too.  None: time alone ends none.
        """
        ends = [
            end
            for key in self.keys.values()
            for end in (key.expires_at, key.previous_until)
            if end is not None and end > now
        ]
        return min(ends, default=None)


NOTHING = Snapshot()
