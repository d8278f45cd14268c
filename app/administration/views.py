"""Views: how keys are shown to people; never their digests."""

from typing import Any

import msgspec

from ..gateway.keys import Key, Moment

#: What of a key nobody is shown.
_HIDDEN = {"digest", "previous_digest", "terms"}


def state(key: Key, now: Moment) -> str:
    """In one word what becomes of requests with a key; ``now`` in milliseconds."""
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is not None and key.expires_at <= now:
        return "expired"
    return "active" if key.enabled else "disabled"


def view(key: Key, now: Moment) -> dict[str, Any]:
    """A key with its terms, as JSON shows it; times are Unix milliseconds."""
    own = msgspec.structs.asdict(key)
    shown = {field: value for field, value in own.items() if field not in _HIDDEN}
    terms: dict[str, Any] = msgspec.to_builtins(key.terms)
    return {**shown, "state": state(key, now), **terms}
