"""Rows of the specification's tables: a request, and what must be seen of it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from support import messages
from support.able import Able
from support.messages import MESSAGES
from support.ollama import Answer, Call, ask
from support.plausible import Plausible
from support.stack import linted

HI = [{"role": "user", "content": "hi"}]
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"model": "m", "messages": HI}),
    "completions": ("/v1/completions", {"model": "m", "prompt": "hi"}),
    "embeddings": ("/v1/embeddings", {"model": "m", "input": "hi"}),
    "messages": (MESSAGES, {"model": "m", "messages": HI}),
    "responses": ("/v1/responses", {"model": "m", "input": "hi"}),
}


class Seen(NamedTuple):
    """What one request led to."""

    answer: Answer
    calls: list[Call]


Check = Callable[[Seen], None]


class Ignores:
    """The check that these fields and no others are named as without effect."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def __call__(self, seen: Seen) -> None:
        """Look."""
        assert seen.answer.status == 200, seen.answer.body
        listed = seen.answer.headers.get("X-Pannier-Ignored", "")
        assert tuple(name for name in listed.split(", ") if name) == self.names


class Case:
    """One request of a row and what must be seen of it.

    ``body`` is put into a good request, ``settings`` are in force, ``ollama`` makes a
    stand-in that is not ``Plausible``.  Without a ``path`` it goes to the endpoint.
    ``named`` are the fields that it says have no effect.
    """

    def __init__(
        self,
        body: dict[str, Any] | None,
        *checks: Check,
        path: str = "",
        method: str = "POST",
        headers: dict[str, str] | None = None,
        ollama: Callable[[], Any] = Plausible,
        **settings: Any,
    ) -> None:
        self.body = body
        self.checks = checks
        self.named = [
            name for one in checks if isinstance(one, Ignores) for name in one.names
        ]
        self.headers = headers or {}
        self.path = path
        self.method = method
        self.ollama = ollama
        self.settings = settings

    def ask(self, endpoint: str, **settings: Any) -> Seen:
        """Ask, with more ``settings``."""
        path, good = REQUESTS.get(endpoint, ("", {}))
        ollama = self.ollama()
        app = linted(ollama, control=Able(), **self.settings | settings)
        body = None if self.body is None else good | self.body
        answer = ask(app, self.method, self.path or path, body, **self.headers)
        return Seen(answer, ollama.calls)

    def look(self, seen: Seen) -> None:
        """Everything that must be seen is."""
        for check in self.checks:
            check(seen)


class Row(NamedTuple):
    """A row: its name and its class as the specification has them, and its cases."""

    name: str
    kind: str
    cases: tuple[Case, ...]


def row(kind: str, name: str, *cases: Case) -> Row:
    """A row of a table."""
    return Row(name, kind, cases)


def says(fact: Callable[[Seen], Any]) -> Check:
    """Any other fact."""

    def check(seen: Seen) -> None:
        assert fact(seen), (seen.answer.body, seen.calls)

    return check


# ------------------------------------------------------------------ what is seen


def sends(**fields: Any) -> Check:
    """Every call to Ollama has these fields; of an object, at least these members."""

    def check(seen: Seen) -> None:
        assert seen.answer.status == 200, seen.answer.body
        assert seen.calls
        for call in seen.calls:
            for name, value in fields.items():
                found = call.json.get(name)
                if isinstance(value, dict):
                    found = {key: (found or {}).get(key) for key in value}
                assert found == value, (name, call.json)

    return check


def lacks(*names: str) -> Check:
    """No call has these fields, or options."""

    def check(seen: Seen) -> None:
        assert seen.answer.status == 200, seen.answer.body
        for call in seen.calls:
            assert not set(names) & {*call.json, *(call.json.get("options") or {})}

    return check


def calls(**values: list[Any]) -> Check:
    """The calls, in their order, have these values of a field or an option."""

    def check(seen: Seen) -> None:
        assert seen.answer.status == 200, seen.answer.body
        for name, wanted in values.items():
            given = [
                {**call.json, **call.json.get("options", {})} for call in seen.calls
            ]
            assert [one.get(name) for one in given] == wanted

    return check


def answers(place: str, value: Any) -> Check:
    """The answer has this value at ``choices.0.index``; or what a function accepts."""

    def check(seen: Seen) -> None:
        assert seen.answer.status == 200, seen.answer.body
        found = seen.answer.json
        for step in place.split(".") if place else ():
            found = found[int(step) if step.isdigit() else step]
        assert value(found) if callable(value) else found == value, found

    return check


def each(place: str, *values: Any) -> Check:
    """So it is in each choice, or vector, in turn."""

    def check(seen: Seen) -> None:
        assert seen.answer.status == 200, seen.answer.body
        listed = seen.answer.json.get("choices", seen.answer.json.get("data"))
        found = []
        for one in listed:
            for step in place.split("."):
                one = one[step]
            found.append(one)
        assert found == list(values)

    return check


def omits(place: str, *names: str) -> Check:
    """These keys are not in the object at ``place``."""
    return answers(place, lambda found: not set(names) & set(found))


def streams(*facts: Callable[[list[Any]], Any]) -> Check:
    """The events of the stream, which ends well, are so."""

    def check(seen: Seen) -> None:
        events = seen.answer.frames
        assert events[-1] == "[DONE]"
        for fact in facts:
            assert fact(events[:-1]), events

    return check


def rejects(
    *words: str, status: int = 400, kind: str = "invalid_request_error"
) -> Check:
    """An error in Anthropic's envelope says these words, and nothing was generated."""

    def check(seen: Seen) -> None:
        message = messages.error(seen.answer, status, kind)
        assert all(word in message for word in words), message
        if status != 404:  # which Ollama has to tell
            assert seen.calls == []

    return check


def is_unsupported(seen: Seen, name: str) -> bool:
    """Whether a field was refused by its name, in the dialect of the endpoint."""
    if seen.calls or seen.answer.status != 400:
        return False
    error = seen.answer.json["error"]
    if "code" in error:
        return (error["code"], error["param"]) == ("unsupported_parameter", name)
    said: str = messages.error(seen.answer, 400, "invalid_request_error")
    return said.startswith(f"Unsupported parameter: '{name}' ")


def refuses(param: str | None, code: str = "invalid_value", status: int = 400) -> Check:
    """An error of this code names the field, and nothing was generated."""

    def check(seen: Seen) -> None:
        assert seen.answer.status == status, seen.answer.body
        error = seen.answer.error
        assert (error["param"], error["code"]) == (param, code)
        if status == 400:
            assert error["type"] == "invalid_request_error"
        if status != 404:  # which Ollama has to tell
            assert seen.calls == []

    return check
