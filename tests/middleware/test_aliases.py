import json
from collections.abc import Callable
from typing import Any

import pytest
from support.gateway import installed, key, snapshot
from support.keyed import SECRET
from support.ollama import Ollama, ask
from support.stack import linted

from app.aliases import aliases
from app.catalog import Catalog
from app.errors import UpstreamUnreachable
from app.exchange import Exchange
from app.gateway.entries import AliasEntry, ModelEntry
from app.gateway.snapshot import Snapshot
from app.settings import Settings, SettingsError
from app.wire import ollama
from middleware.aliases import Aliases

NAMES = (
    "gpt-4o=qwen3, gpt-4*=llama3.2 ,GPT-4-t?rbo=phi4,gpt-4-turbo-2*=hf.co/a/b:Q4,"
    "Fast=qwen3:0.6b,shadow=qwen3,tagged:latest=tiny,me/x=tiny,*-mini=tiny"
)


class Known:
    """What Ollama has, for a catalogue; counts how often it is asked."""

    def __init__(self, *models: str, away: bool = False) -> None:
        self.models = models
        self.away = away
        self.calls = 0

    def __call__(self, method: str, path: str, *rest: Any) -> bytes:
        """One call."""
        self.calls += 1
        if self.away:
            raise UpstreamUnreachable("away")
        if path == "/api/show":
            can = "embedding" if "embed" in rest[0].model else "completion"
            return json.dumps({"capabilities": [can]}).encode()
        return json.dumps({"models": [{"name": name} for name in self.models]}).encode()


def resolver(known: Known, bare: bool = False, **settings: Any) -> Callable[[str], str]:
    """What names become."""
    return Aliases(Catalog(known), Settings(**settings), bare=bare).resolved


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("gpt-4o", "qwen3"),
        ("GPT-4o", "qwen3"),
        (" gpt-4o ", "qwen3"),
        ("fast", "qwen3:0.6b"),
        ("shadow", "qwen3"),
        ("gpt-4o-2024", "llama3.2"),
        ("gpt-4", "llama3.2"),
        ("Gpt-4.1", "llama3.2"),
        ("gpt-4-turbo", "phi4"),
        ("gpt-4-trbo", "llama3.2"),
        ("gpt-4-turbo-2024", "hf.co/a/b:Q4"),
        ("gpt-4o-mini", "llama3.2"),
        ("o3-mini", "tiny"),
        ("gpt-4-installed", "gpt-4-installed"),
        ("gpt-4-installed:latest", "gpt-4-installed:latest"),
        ("GPT-4-Installed", "GPT-4-Installed"),
        ("gpt-3.5-turbo", "gpt-3.5-turbo"),
        ("xgpt-4o", "xgpt-4o"),
        ("llama3.2", "llama3.2"),
        ("[gpt]", "[gpt]"),
        ("fast:latest", "qwen3:0.6b"),
        (" FAST:Latest ", "qwen3:0.6b"),
        ("gpt-4o:latest", "qwen3"),
        ("tagged", "tiny"),
        ("me/x:latest", "tiny"),
        ("shadow:latest", "shadow:latest"),
        ("fast:latest:latest", "fast:latest:latest"),
        ("fast:7b", "fast:7b"),
        ("me:latest/x", "me:latest/x"),
        (" llama3.2\t", "llama3.2"),
        (" default ", "gpt-4-installed:latest"),
    ],
)
def test_resolution(name: str, model: str) -> None:
    """An alias in any case, what is installed, an alias by ``:latest``, a pattern."""
    known = Known("shadow:latest", "gpt-4-installed:latest", "llama3.2:latest")
    assert resolver(known, aliases=NAMES)(name) == model


@pytest.mark.parametrize("name", ["gpt-4o", "llama3.2", "anything", "gpt-3", ""])
def test_nothing_is_looked_up_in_vain(name: str) -> None:
    """Ollama's list is only asked where a pattern matches."""
    known = Known()
    resolver(known, aliases=NAMES)(name)
    resolver(known, default_model="m")("default")
    resolver(known)(name)
    assert known.calls == 0


@pytest.mark.parametrize(
    ("settings", "name", "model"),
    [
        ({}, "default", "b:latest"),
        ({}, "DEFAULT", "b:latest"),
        ({"default_model": "a"}, "default", "a"),
        ({"default_model": "fast", "aliases": "fast=c"}, "default", "c"),
        ({"default_model": "fast:latest", "aliases": "Fast=c"}, "default", "c"),
        ({"default_model": "b:latest", "aliases": "b=c"}, "default", "b:latest"),
        ({"aliases": "default=c", "default_model": "a"}, "default", "c"),
        ({"aliases": "*=c"}, "default", "b:latest"),
        ({}, "gpt-4o", "gpt-4o"),
        ({}, "defaults", "defaults"),
    ],
)
def test_default(settings: Any, name: str, model: str) -> None:
    """The model of the settings, or the first that chats; an alias is stronger."""
    assert resolver(Known("embed:latest", "b:latest"), **settings)(name) == model


@pytest.mark.parametrize("default", ["quick", "Quick:latest"])
def test_the_default_of_a_key(default: str) -> None:
    """It may be an alias that is all a key may use, with or without ``:latest``."""
    ollama = Ollama()
    holder = key(default_model=default, allow_models=("quick",))
    entry = AliasEntry(name="quick", target="tiny")
    app = linted(ollama, installation=installed(snapshot(holder, aliases=[entry])))
    body = {"model": "default", "messages": [{"role": "user", "content": "hi"}]}
    answer = ask(app, body=body, Authorization=f"Bearer {SECRET}")
    assert (answer.status, ollama.calls[0].json["model"]) == (200, "tiny")


@pytest.mark.parametrize(
    ("settings", "name", "model"),
    [
        ({}, "gpt-4o", "b:latest"),
        ({}, "GPT-5", "b:latest"),
        ({}, "gpt-oss", "gpt-oss"),
        ({"default_model": "a"}, "gpt-4o", "a"),
        ({"default_model": "a"}, "gpt-oss:latest", "gpt-oss:latest"),
        ({"default_model": "a", "aliases": "gpt-4*=c"}, "gpt-4o", "c"),
        ({"default_model": "a"}, "o3", "o3"),
    ],
)
def test_bare(settings: Any, name: str, model: str) -> None:
    """On the bare route a gpt-* that is not installed is the default model, too."""
    known = Known("b:latest", "gpt-oss:latest")
    assert resolver(known, bare=True, **settings)(name) == model


@pytest.mark.parametrize("known", [Known(), Known("embed:latest"), Known(away=True)])
def test_no_default(known: Known) -> None:
    """Where nothing chats the name stays: Ollama will say that it has none."""
    assert resolver(known)("default") == "default"
    assert resolver(known, bare=True)("gpt-4o") == "gpt-4o"


def test_an_installed_model_called_default() -> None:
    """It is meant where no setting says otherwise."""
    known = Known("b:latest", "default:latest")
    assert resolver(known)("default") == "default"


@pytest.mark.parametrize(
    "now",
    [
        snapshot(),
        snapshot(models=[ModelEntry(name="other", hidden=True)]),
        snapshot(key(secret=SECRET, allow_models=("llama*",))),
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/api/chat"])
def test_space_around_a_name(now: Snapshot, path: str) -> None:
    """It counts only on Ollama's own routes, where nothing is set: nobody looks there.

    The answer says the client's name.
    """
    upstream = Ollama()
    app = linted(upstream, installation=installed(now))
    body = {"model": " llama3.2 ", "messages": [{"role": "user", "content": "Hi"}]}
    answer = ask(app, path=path, body=body, Authorization=f"Bearer {SECRET}")
    assert answer.status == 200
    native = path.startswith("/api/")
    passed = native and not (now.models or now.keys)  # nobody looked into it
    assert upstream.calls[0].json["model"] == (" llama3.2 " if passed else "llama3.2")
    assert native or answer.json["model"] == " llama3.2 "


def test_only_the_call_changes() -> None:
    """The exchange keeps the client's name."""
    exchange, call = Exchange(model="gpt-4o"), ollama.ShowRequest("gpt-4o")
    Aliases(Catalog(Known()), Settings(aliases="gpt-4o=qwen3"))(exchange, call)
    assert (exchange.model, call.model) == ("gpt-4o", "qwen3")


@pytest.mark.parametrize("base", ["", "/v1"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/chat/completions", {"messages": [{"role": "user", "content": "hi"}]}),
        ("/completions", {"prompt": "p"}),
        ("/embeddings", {"input": "x"}),
    ],
)
def test_the_endpoints(base: str, path: str, body: Any) -> None:
    """Ollama is asked for the model, the answer has the client's name."""
    inner = Ollama()
    app = linted(inner, aliases="gpt-4o=qwen3")
    answer = ask(app, "POST", base + path, body | {"model": "gpt-4o"})
    assert (answer.status, answer.json["model"]) == (200, "gpt-4o")
    assert inner.calls[0].json["model"] == "qwen3"


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/chat/completions", "mine"),
        ("/v1/chat/completions", "gpt-9"),
        ("/completions", "gpt-9"),
    ],
)
def test_which_route_is_bare(path: str, model: str) -> None:
    """Only /chat/completions without /v1 takes any gpt-* for the default model."""
    inner = Ollama()
    body = {"model": "gpt-9", "messages": [{"role": "user", "content": "hi"}]}
    body["prompt"] = "p"
    ask(linted(inner, default_model="mine"), "POST", path, body)
    assert inner.calls[0].json["model"] == model


def test_a_stream_has_the_clients_name() -> None:
    """Every chunk says the name that was asked for."""
    app = linted(Ollama(), aliases="gpt-4o=qwen3")
    body = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
    chunks = ask(app, body=body | {"model": "gpt-4o"}).frames[:-1]
    assert {chunk["model"] for chunk in chunks} == {"gpt-4o"}


def test_explain_says_both_names() -> None:
    """An explanation has the name that was asked for and the one it became."""
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    app = linted(Ollama(), aliases="gpt-4o=qwen3")
    answer = ask(app, body=body, X_Pannier_Explain="1").json
    assert answer["model"] == {"requested": "gpt-4o", "resolved": "qwen3"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        (" , ", {}),
        ("a=b", {"a": "b"}),
        (" a = b , c=hf.co/d/e:Q4,", {"a": "b", "c": "hf.co/d/e:Q4"}),
        ("gpt-4*=x,b?=y", {"gpt-4*": "x", "b?": "y"}),
        ("a=b=c", {"a": "b=c"}),
    ],
)
def test_the_setting(text: str, found: dict[str, str]) -> None:
    """Names and models, in their order; spaces do not count."""
    assert list(aliases(text).items()) == list(found.items())


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("gpt-4o", "'gpt-4o'"),
        ("a=b,c", "'c'"),
        ("=b", "'=b'"),
        ("a=", "'a='"),
        ("a=b c", "'a=b c'"),
        ("a b=c", "'a b=c'"),
        ("a=b*", "'a=b*'"),
        ("[ab]=c", "'[ab]=c'"),
        ("ä=c", "'ä=c'"),
        ("a=b,A=c", "'A' is there twice"),
        ("a" * 129 + "=b", "name=model is wanted"),
        ("a=" + "b" * 513, "name=model is wanted"),
    ],
)
def test_a_wrong_setting(text: str, named: str) -> None:
    """What is no alias stops the start, with a sentence that names it."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ({"PANNIER_ALIASES": text})
    assert str(caught.value).startswith("PANNIER_ALIASES: ")
    assert named in str(caught.value)


def test_patterns_do_not_run_away() -> None:
    """A long name against a pattern of many stars is decided at once."""
    pattern = "a*" * 30 + "b=m"
    assert resolver(Known(), aliases=pattern)("a" * 512) == "a" * 512
