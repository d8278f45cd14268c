"""Requests in the name of a key that is known already."""

import time
from typing import Any

import pytest
from support.gateway import key

from app.errors import BadRequest
from app.exchange import KEY, Exchange
from app.gateway.keys import Key
from middleware.as_key import AsKeyMiddleware


def passed(known: Key | None, **headers: str) -> str:
    """Where a request goes whose exchange has this key."""
    gone: list[str] = []

    def to(name: str) -> Any:
        return lambda environ, start_response: gone.append(name) or []

    environ: dict[str, Any] = {KEY: Exchange(key=known), **headers}
    AsKeyMiddleware(to("keyed"), to("keyless"))(environ, lambda *_: lambda data: None)
    (where,) = gone
    return where


def test_where_it_goes() -> None:
    """With a key through what a key has to pass; without one past that."""
    assert passed(key()) == "keyed"
    assert passed(None) == "keyless"


def test_headers_say_nothing() -> None:
    """What a client could send is not looked at."""
    assert passed(None, HTTP_AUTHORIZATION="Bearer x", HTTP_X_API_KEY="y") == "keyless"


NOW = int(time.time() * 1000)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"expires_at": NOW - 1}, "This API key has expired."),
        ({"revoked_at": NOW - 1}, "This API key has been revoked."),
        ({"enabled": False}, "This API key is disabled."),
    ],
    ids=["expired", "revoked", "disabled"],
)
def test_a_key_that_is_good_no_more(fault: dict[str, Any], told: str) -> None:
    """It is refused as if its secret had come."""
    with pytest.raises(BadRequest) as caught:
        passed(key(**fault))
    error = caught.value
    assert (error.status, error.code, error.message) == (401, "invalid_api_key", told)
