"""Key, Terms: who may ask Pannier, and for what (specification: gateway, 2 and 4)."""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from .groups import ORDINARY, Group

#: Unix time in milliseconds.
Moment = int

Glob = Annotated[str, Meta(min_length=1, max_length=256)]
Globs = Annotated[tuple[Glob, ...], Meta(max_length=256)]
Limit = Annotated[int, Meta(ge=0, le=2**53)]
Name = Annotated[str, Meta(min_length=1, max_length=80)]


#: What is said of a key that was deleted, too.
REVOKED = "This API key has been revoked."
REPLACED = "This API key has been replaced by a newer one."


# There may be thousands of both, which never are a part of a circle: Python's collector
# has no need to look through them, and would hold all requests up meanwhile.
class Terms(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False
):
    """What a key grants.

    A model may be used if a glob of ``allow_models`` fits one of its names and none of
    ``deny_models`` does.  Limits: ``None`` is none, 0 lets nothing through.
    ``max_output_tokens`` and ``max_num_ctx`` are caps: what is above is lowered.
    Options that change how a model is loaded need ``allow_runner_options``, those that
    unload it, or keep it for longer, ``allow_keep_alive``.  ``overrides`` are as for a
    model.
    """

    allow_models: Globs
    deny_models: Globs = ()
    allow_endpoints: tuple[Group, ...] = ORDINARY
    rpm: Limit | None = None
    tpd: Limit | None = None
    max_concurrent: Limit | None = None
    max_output_tokens: Limit | None = None
    max_num_ctx: Limit | None = None
    allow_runner_options: bool = False
    allow_keep_alive: bool = False
    default_model: str = ""
    default_code_model: str = ""
    overrides: dict[str, Any] = {}


class Key(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One key; of its secret no more is known than ``digest`` and what is shown.

    ``prefix`` and ``suffix`` are the first and last characters of the secret.  After a
    rotation the old secret, ``previous_digest``, is good until ``previous_until``.
    ``weak`` marks a secret from elsewhere that is shorter than 32 characters.
    """

    id: str
    name: Name
    digest: bytes
    prefix: str
    suffix: str
    terms: Terms
    created_at: Moment
    enabled: bool = True
    weak: bool = False
    notes: str = ""
    expires_at: Moment | None = None
    revoked_at: Moment | None = None
    previous_digest: bytes | None = None
    previous_until: Moment | None = None
    last_used_at: Moment | None = None
    last_used_ip: str = ""

    def fault(self, clock: Callable[[], float], newest: bool = True) -> str:
        """Why the key is good no more, empty if it is; ``clock`` is Unix time.

        Without ``newest``: why its secret before the last rotation is.  Its owner may
        know.
        """
        if self.revoked_at is not None:
            return REVOKED
        if not self.enabled:
            return "This API key is disabled."
        if self.expires_at is not None and self.expires_at <= clock() * 1000:
            return "This API key has expired."
        until = self.previous_until
        if not newest and (until is None or until <= clock() * 1000):
            return REPLACED
        return ""

    @property
    def shown(self) -> str:
        """How people recognise it: ``sk-AbC12dE…9xYz``."""
        return f"{self.prefix}…{self.suffix}"
