"""Failure: why the database cannot be used, and what a client is told of it."""

from ..errors import GatewayError


class Failure(Exception):
    """The database cannot be used; the text says why, for the log."""


def unavailable(why: str) -> GatewayError:
    """The error of a request that needs the database."""
    return GatewayError(
        "What Pannier keeps cannot be reached at the moment. Please try again.",
        status=503,
        code="storage_unavailable",
        headers=[("Retry-After", "1")],
        detail=why,
    )
