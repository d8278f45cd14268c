import logging
from typing import Any

import pytest

from app.changeable import REPLACED, WHERE, changeable, check, in_force
from app.option import Given, SettingsError

URL = "http://other.example:11434"


def found(**texts: str) -> dict[str, Given]:
    """What somebody set in the environment."""
    return {f: Given(t, f.upper(), "the environment") for f, t in texts.items()}


@pytest.mark.parametrize(
    ("field", "value", "meant"),
    [
        ("strict", True, True),
        ("think", "off", "off"),
        ("max_choices", 3, 3),
        ("idle_timeout", 1.5, 1.5),
        ("origins", "https://a.example", "https://a.example"),
    ],
)
def test_values_of_the_database_count(field: str, value: Any, meant: Any) -> None:
    """A JSON value is what its text would be in the environment."""
    check(field, value)
    assert getattr(in_force({}, {field: value}), field) == meant


def test_the_environment_counts_more() -> None:
    """What the environment says is so, whatever the database says."""
    settings = in_force(found(think="auto"), {"think": "off"})
    assert settings.think == "auto"


@pytest.mark.parametrize(("pinned", "wins"), [("no", True), ("yes", False)])
def test_the_address_of_ollama(pinned: str, wins: bool) -> None:
    """Of Ollama's address the environment says the first value, unless it is pinned."""
    given = found(upstream_url="http://first.example", pin_upstream=pinned)
    settings = in_force(given, {"upstream_url": URL})
    assert (settings.upstream_url == URL) is wins


@pytest.mark.parametrize(
    ("kept", "wins"), [("http://dead.example", False), (URL, True)]
)
def test_what_a_simulator_stands_for(
    kept: str, wins: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address for which there is a simulator counts when it is another."""
    monkeypatch.setenv(REPLACED, "http://dead.example")
    given = found(upstream_url="http://simulator.example")
    settings = in_force(given, {"upstream_url": kept})
    assert (settings.upstream_url == URL) is wins
    assert (settings.upstream_url == "http://simulator.example") is not wins


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("port", 1),
        ("state_dir", "/tmp"),
        ("upstream_api_key", "x"),
        ("auth", "off"),
        ("no_such", 1),
        ("strict", "perhaps"),
        ("max_choices", 0),
        ("max_choices", None),
        ("idle_timeout", [1]),
        ("upstream_url", "file:///etc"),
    ],
)
def test_what_cannot_be_set(
    field: str, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It is refused by name, and left out where it is in the database all the same."""
    with pytest.raises(SettingsError):
        check(field, value)
    with caplog.at_level(logging.WARNING, "pannier"):
        assert in_force({}, {field: value, "think": "off"}).think == "off"
    assert "is not used" in caplog.text


def test_a_refusal_names_the_place() -> None:
    """The sentence says that the value is in the database."""
    with pytest.raises(SettingsError, match=f"PANNIER_THINK .in {WHERE}.*'auto'"):
        check("think", "never")


def test_most_can_be_changed() -> None:
    """What a server is started with cannot be, and most else can."""
    assert len(changeable()) > 35
    assert {"host", "port", "database_url"}.isdisjoint(changeable())
