"""Stale requests: which of an editor's a newer one ends, and which it leaves alone."""

from typing import Any

import pytest

from app.errors import GatewayError
from middleware.code import supersede
from middleware.code.supersede import BURST, Sessions, Ticket, superseded, who


class Watch:
    """Stands in for what watches over a request: notes how it is ended."""

    def __init__(self) -> None:
        self.errors: list[GatewayError] = []
        self.over = False

    def end_with(self, error: GatewayError) -> None:
        """Note it; as a real one, it may take a while until that is over."""
        self.errors.append(error)


class Editors:
    """Requests by their names, in a time that the test makes."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sessions = Sessions(lambda: self.now)
        self.watches: dict[str, Watch] = {}
        self.tickets: dict[str, Ticket] = {}

    def ask(self, name: str, session: str, body: str) -> None:
        """A request comes in."""
        watch: Any = Watch()
        self.watches[name] = watch
        self.tickets[name] = self.sessions.enter(session, watch, body)

    def do(self, steps: str) -> str:
        """Do what steps say; the names of those who were ended, in order of names.

        ``name:session:body`` asks, ``name!`` has its first token, ``name.`` is over,
        and a number lets so many milliseconds pass.
        """
        for step in steps.split():
            if step.isdecimal():
                self.now += int(step) / 1000
            elif step.endswith("!"):
                self.tickets[step[:-1]].begin()
            elif step.endswith("."):
                self.watches[step[:-1]].over = True
            else:
                self.ask(*step.split(":"))
        return "".join(n for n, watch in self.watches.items() if watch.errors)


CASES = {
    "the first": ("a:s:x", ""),
    "a newer one": ("a:s:x b:s:y", "a"),
    "each by the next": ("a:s:1 10 b:s:2 10 c:s:3 10 d:s:4", "abc"),
    "much later": ("a:s:x 60000 b:s:y", "a"),
    "another session": ("a:s:x b:t:y c:s:z", "a"),
    "one that has begun": ("a:s:x a! b:s:y", ""),
    "one that has begun, between": ("a:s:x b:s:x a! c:s:y", "b"),
    "one that is over": ("a:s:x a. b:s:y", ""),
    "a burst": ("a:s:x 40 b:s:x 40 c:s:x", ""),
    "a burst, to the last moment": ("a:s:x 100 b:s:x", ""),
    "no burst": ("a:s:x 101 b:s:x", "a"),
    "the first of a burst that lasts": ("a:s:x 60 b:s:x 60 c:s:x", "a"),
    "a newer one after a burst": ("a:s:x b:s:x c:s:x 10 d:s:y", "abc"),
    "a burst after an older one": ("a:s:x 10 b:s:y c:s:y d:s:y", "a"),
    "one that comes back": ("a:s:x 10 b:s:y 10 c:s:x", "ab"),
    "a burst of which one has begun": ("a:s:x b:s:x c:s:x b! d:s:y", "ac"),
    "bursts of two": ("a:s:x b:t:x c:s:x d:t:x e:t:y", "bd"),
}


@pytest.mark.parametrize("case", CASES)
def test_who_is_ended(case: str) -> None:
    """A newer request ends the older ones of its session that wait, but not a burst."""
    steps, ended = CASES[case]
    editors = Editors()
    assert editors.do(steps) == ended
    assert all(len(watch.errors) <= 1 for watch in editors.watches.values())


def test_burst() -> None:
    """What the cases above call a burst is what the specification does."""
    assert BURST == 0.1


def test_what_its_client_is_told() -> None:
    """A status that no library answers by asking again, a code, and the setting."""
    editors = Editors()
    editors.do("a:s:x b:s:y")
    (error,) = editors.watches["a"].errors
    assert (error.status, error.code) == (499, "request_superseded")
    assert error.headers == [("x-should-retry", "false")]
    assert "PANNIER_CODE_SUPERSEDE" in error.message
    assert superseded() is not superseded()  # an error is one request's


def test_without_a_watch() -> None:
    """A request that nobody watches over has its place, and is only not ended."""
    sessions = Sessions()
    begun = sessions.enter("s", None, "x")
    begun.begin()
    assert not begun.waiting
    for body in "abc":
        assert sessions.enter("s", None, body).waiting
    assert len(sessions) == 1


def test_bodies_are_not_kept() -> None:
    """Of a request's body no more is kept than tells it apart."""
    ticket = Sessions().enter("s", None, b"x" * 1_000_000)
    assert ticket.body == hash(b"x" * 1_000_000)


def test_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is over or has begun gives way first, then those that wait longest."""
    monkeypatch.setattr(supersede, "MOST", 8)
    editors = Editors()
    for number in range(100):
        editors.do(f"w{number % 3}:wait{number % 3}:{number} o:{number}:x o.")
        editors.do(f"b:{-number - 1}:x b!")
        assert len(editors.sessions) <= 8
    editors = Editors()
    for number in range(100):
        editors.do(f"{number}:{number}:x")
        assert len(editors.sessions) <= 8
    assert editors.do("last:99:y") == "99"  # the newest are still known


def test_who_waits_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of what is remembered may wait, whoever else comes and goes."""
    monkeypatch.setattr(supersede, "MOST", 8)
    editors = Editors()
    editors.do("a:1:x b:2:x c:3:x d:4:x")
    for number in range(50):
        editors.do(f"o:other{number}:x o.")
    assert editors.do("e:1:y f:2:y g:3:y h:4:y") == "abcd"


def test_the_last_to_ask_is_the_last_to_be_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It counts when an editor asked last, not when it asked first."""
    monkeypatch.setattr(supersede, "MOST", 8)
    editors = Editors()
    editors.do("a:early:x " + " ".join(f"w{n}:{n}:x" for n in range(6)))
    assert editors.do("b:early:y") == "a"
    assert editors.do("w6:6:x w7:7:x c:early:z") == "ab"


HEAD = {
    "REMOTE_ADDR": "127.0.0.1",
    "HTTP_AUTHORIZATION": "Bearer sk-secret",
    "HTTP_X_API_KEY": "sk-other-secret",
    "HTTP_USER_AGENT": "editor/1",
    "HTTP_X_FORWARDED_FOR": "10.0.0.1, 10.0.0.2",
}


@pytest.mark.parametrize("name", list(HEAD)[1:])
def test_who(name: str) -> None:
    """Key, program and what a proxy says each tell editors apart; nothing else does."""
    one = who(HEAD, "192.0.2.1")
    assert one == who({**HEAD, "PATH_INFO": "/x", "HTTP_ACCEPT": "*/*"}, "192.0.2.1")
    assert one != who({**HEAD, name: "another"}, "192.0.2.1")
    assert one != who({**HEAD, name: ""}, "192.0.2.1")
    without = {key: value for key, value in HEAD.items() if key != name}
    assert one != who(without, "192.0.2.1")


def test_who_by_address() -> None:
    """Clients at two addresses are two, with nothing else to tell them apart."""
    assert who({}, "192.0.2.1") != who({}, "192.0.2.2")
    assert who({}, "192.0.2.1") == who({}, "192.0.2.1")


def test_who_is_not_confused() -> None:
    """What stands in one header is never taken for what stands in another."""
    moved = {"HTTP_X_API_KEY": "x", "HTTP_USER_AGENT": "y"}
    assert who(moved, "") != who({"HTTP_X_API_KEY": "y", "HTTP_USER_AGENT": "x"}, "")
    assert who({"HTTP_USER_AGENT": "x"}, "") != who({"HTTP_X_API_KEY": "x"}, "")


@pytest.mark.parametrize("value", ["x" * 100_000, "\xff\xfe", "\ud800", "\x00"])
def test_who_is_short_and_no_secret(value: str) -> None:
    """Whatever headers say, what is kept of them is short and tells nothing."""
    for name in list(HEAD)[1:]:
        told = who({**HEAD, name: value}, "192.0.2.1")
        assert all(isinstance(part, str) and len(part) <= 32 for part in told)
        assert "secret" not in repr(told)
