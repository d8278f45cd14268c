"""Reached: where this machine reaches a Pannier of some settings."""

from .settings import Settings


def reached_at(settings: Settings) -> tuple[str, int]:
    """The host and the port."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not bound
    return everywhere.get(settings.host, settings.host), settings.port


def url_of(settings: Settings) -> str:
    """The same as a URL."""
    host, port = reached_at(settings)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
