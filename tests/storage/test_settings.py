"""The settings of the database: what they may be, and that they stay secret."""

from pathlib import Path
from unittest.mock import patch

import pytest
from support.postgres import Postgres

from app.in_force import in_force
from app.redaction import Redaction
from app.settings import Settings, SettingsError

URL = f"postgresql://me:{Postgres.PASSWORD}@db.example.org/pannier"
NOWHERE = Path("/nowhere")


def test_a_url_is_taken() -> None:
    """Both ways to begin PostgreSQL's URLs are good."""
    for url in (URL, URL.replace("postgresql", "postgres")):
        found = Settings.from_environ({"PANNIER_DATABASE_URL": url}, NOWHERE)
        assert found.database_url == url


@pytest.mark.parametrize(
    "url",
    [
        "geheim",
        "mysql://me:geheim@host/x",
        "sqlite:///geheim",
        "postgresql+psycopg2://me:geheim@host/x",
        "//me:geheim@host",
        "postgresql:/geheim",
        "postgresql://me:geheim@[host/x",
        "postgresql://me:geheim@host:port/x",
        "http://[geheim",
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    """What is no URL of PostgreSQL stops the start, and is not repeated."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ({"PANNIER_DATABASE_URL": url}, NOWHERE)
    assert str(caught.value).startswith("PANNIER_DATABASE_URL: ")
    assert "geheim" not in str(caught.value)


def test_without_the_library_the_start_says_so() -> None:
    """Not the first request that needs it."""
    with (
        patch("app.option.find_spec", return_value=None),
        pytest.raises(SettingsError, match=r"requirements-postgres\.lock"),
    ):
        Settings.from_environ({"PANNIER_DATABASE_URL": URL}, NOWHERE)


def test_it_is_shown_nowhere() -> None:
    """``pannier config`` masks it, and lines of the log lose the password."""
    given = {"PANNIER_DATABASE_URL": URL}
    rows = {row.option.field: row for row in in_force(given, NOWHERE)}
    assert rows["database_url"].shown == "********"
    assert "geheim" not in Redaction().redacted(f"cannot connect to {URL}")


@pytest.mark.parametrize("value", ["-1", "31536001", "1.5", "a day"])
def test_times_are_whole_seconds(value: str) -> None:
    """Other times stop the start."""
    with pytest.raises(SettingsError, match="a whole number of seconds from 0 to 3"):
        Settings.from_environ({"PANNIER_RESPONSES_TTL": value}, NOWHERE)


@pytest.mark.parametrize("value", ["0", "1048575", "1GB"])
def test_sizes_are_bytes(value: str) -> None:
    """So do sizes below a mebibyte."""
    with pytest.raises(SettingsError, match="a whole number of bytes of 1048576"):
        Settings.from_environ({"PANNIER_RESPONSES_MAX_BYTES": value}, NOWHERE)
