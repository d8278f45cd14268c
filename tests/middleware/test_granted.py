"""What a key is granted: by which names, through which routes, and what it is shown."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.gateway import installed, key, snapshot
from support.keyed import SECRET
from support.ollama import Started, ask, environ_of
from support.shelves import Shelves
from support.stack import linted

from app.exchange import Exchange
from app.gateway.entries import AliasEntry, ModelEntry
from app.gateway.groups import GROUPS
from app.gateway.keys import Key
from middleware.discreet import Discreet

case = pytest.mark.parametrize

WITH = {"Authorization": f"Bearer {SECRET}"}
TALK = [{"role": "user", "content": "Hi"}]


def allowed(*allow: str, deny: tuple[str, ...] = (), **more: Any) -> Key:
    """A key for these models, on all routes."""
    more = {"allow_endpoints": GROUPS, **more}
    return key(allow_models=allow, deny_models=deny, **more)


# ------------------------------------------------------ what touches any model

BLOB = "sha256:" + "0" * 64
ANY = [
    ("POST", "/api/experimental/aliases", {"alias": "a-x", "target": "b"}),
    ("POST", "/api/create", {"model": "a-x", "files": {"m.gguf": BLOB}}),
    ("POST", "/api/create", {"model": "a-x", "Adapters": {"m": BLOB}, "from": "a"}),
    ("POST", "/api/create", {"model": "a-x", "modelfile": "FROM b"}),
    ("POST", "/api/create", {"model": "a-x", "path": "/etc/passwd"}),
    ("POST", "/api/create", {"model": "a-x", "from": "a", "remote_host": "http://x"}),
    ("POST", f"/api/blobs/{BLOB}", {}),
    ("GET", f"/api/blobs/{BLOB}", None),
    ("POST", "/api/me", {}),
    ("PUT", "/api/chat", {"model": "b"}),
    ("POST", "/api/tags", {}),
]


@case(("method", "path", "body"), ANY)
def test_what_could_touch_any_model(method: str, path: str, body: Any) -> None:
    """It is for keys that may use all models; to others it is closed."""
    for one, passes in (
        (allowed("*"), True),
        (allowed("a*", "*"), True),
        (allowed("a*"), False),
        (allowed("*", deny=("b",)), False),
    ):
        asked = []

        def ollama(environ: Any, start: Any) -> list[bytes]:
            asked.append(environ["PATH_INFO"])  # noqa: B023
            start("200 OK", [("Content-Type", "application/json")])
            return [b"{}"]

        app = linted(ollama, installation=installed(snapshot(one)))
        answer = ask(app, method, path, body, **WITH)
        assert (answer.status, asked) == ((200, [path]) if passes else (403, []))
        assert passes or b"all models" in answer.body


@case(("path", "allow"), [("/api/chat", "POST"), ("/api/tags", "GET, HEAD")])
@case("method", ["PUT", "DELETE", "get", "FOO"])
@case("models", [("*",), ("a",), ()])
def test_another_method(
    path: str, allow: str, method: str, models: tuple[str, ...]
) -> None:
    """An ordinary key is told which methods a route has; Ollama is not asked."""
    shelves = Shelves("a")
    now = snapshot(key(allow_models=models))
    app = linted(shelves, control=shelves.control, installation=installed(now))
    answer = ask(app, method, path, {"model": "a"}, **WITH)
    assert (answer.status, answer.headers["Allow"]) == (405, allow)
    assert answer.json["error"].startswith(f"Not allowed to {method} on {path}. ")
    assert shelves.asked == []


@case("path", ["/api/version", "/api/tags", "/api/ps"])
def test_what_touches_no_model(path: str) -> None:
    """Looking needs no such key."""
    app = linted(Version(), installation=installed(snapshot(allowed("a*"))))
    assert ask(app, "GET", path, None, **WITH).status == 200


def test_a_model_made_of_one_that_is_allowed() -> None:
    """A key of the group ``manage`` can make models of its own, from its own."""
    shelves = Shelves("a", "a-x")
    app = linted(shelves, installation=installed(snapshot(allowed("a*"))))
    body = {"model": "a-x", "From": "a", "system": "Be kind.", "stream": False}
    own = "license messages name parameters parser quantization quantize renderer"
    body |= dict.fromkeys([*own.split(), "requires", "template"]) | {"name": ""}
    assert ask(app, "POST", "/api/create", body, **WITH).status == 200
    assert len(shelves.asked) == 1


class Version(Shelves):
    """Shelves that tell their version as well."""

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Answer one call."""
        if environ["PATH_INFO"] != "/api/version":
            return super().__call__(environ, start_response)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b'{"version":"0.0.0"}']


@case(
    ("path", "body"),
    [
        ("/api/copy", {"source": "a-off", "destination": "a-on"}),
        ("/api/copy", {"Source": "A-OFF:latest", "destination": "a-on"}),
        ("/api/create", {"model": "a-on", "from": "a-off"}),
    ],
)
@case("keys", [(), (allowed("a*"),), (allowed("*"),)], ids=["open", "some", "all"])
def test_what_is_switched_off_is_no_source(
    path: str, body: dict[str, str], keys: tuple[Key, ...]
) -> None:
    """Nobody gets at a disabled model by a copy of it; it can still be deleted."""
    shelves = Shelves("a-off", "a")
    now = snapshot(*keys, models=[ModelEntry(name="a-off", enabled=False)])
    app = linted(shelves, installation=installed(now))
    assert ask(app, "POST", path, body, **WITH).status == 404
    assert shelves.asked == []
    good = {**body, next(f for f in body if body[f].lower().startswith("a-off")): "a"}
    assert ask(app, "POST", path, good, **WITH).status in (200, 404)
    body = {"model": "a-off"}
    assert ask(app, "DELETE", "/api/delete", body, **WITH).status == 200
    assert len(shelves.asked) == 2


# ------------------------------------------------------------------ names of others

PARENTS = {"a": "secret:70b", "ab": "a:latest", "ac": "/root/blobs/sha256-1", "ad": ""}


def telling(environ: Any, start: Any) -> list[bytes]:
    """An Ollama that tells which models its models were made of."""
    start("200 OK", [("Content-Type", "application/json")])
    if environ["PATH_INFO"] in ("/api/tags", "/api/ps"):
        models = [
            {"name": name, "details": {"parent_model": parent, "family": "x"}}
            for name, parent in PARENTS.items()
        ]
        return [json.dumps({"models": models}).encode()]
    length = int(environ["CONTENT_LENGTH"])
    name = json.loads(environ["wsgi.input"].read(length))["model"]
    details = {"parent_model": PARENTS[name], "family": "x"}
    file = f"# FROM {name}\nFROM {PARENTS[name]}"
    return [json.dumps({"modelfile": file, "details": details, "z": 1}).encode()]


@case("rewrite", [True, False])
@case("path", ["/api/tags", "/api/ps", "/api/show"])
def test_parents_that_may_not_be_used(path: str, rewrite: bool) -> None:
    """Nobody is told the names of models that others were made of, unless they may."""
    open_ = snapshot(models=[ModelEntry(name="secret:70b", enabled=False)])
    for now, hidden in (
        (snapshot(allowed("a*")), {"a", "ac"}),
        (snapshot(allowed("*", deny=("secret*",))), {"a", "ac"}),
        (open_, {"a", "ac"}),
        (snapshot(), set()),
    ):
        installation = installed(now)
        app = linted(telling, installation=installation, code_rewrite=rewrite)
        told = {}
        if path != "/api/show":
            for model in ask(app, "GET", path, None, **WITH).json["models"]:
                assert model["details"]["family"] == "x"
                assert model.keys() == {"name", "details"}
                told[model["name"]] = model["details"]["parent_model"]
        else:
            for name in PARENTS:
                shown = ask(app, "POST", path, {"model": name}, **WITH).json
                assert (shown["z"], shown["details"]["family"]) == (1, "x")
                assert bool(shown["modelfile"]) is (name not in hidden)
                told[name] = shown["details"]["parent_model"]
        wanted = {n: "" if n in hidden else parent for n, parent in PARENTS.items()}
        assert told == wanted


@case("target", ["ab", "ad"], ids=["made of another", "made of none"])
def test_what_is_shown_by_an_alias(target: str) -> None:
    """The file of a model names it; who may only use an alias does not see that."""
    aliases = [AliasEntry(name="fast", target=target)]
    for allow, sees in (("fast", False), ("a*", True)):
        now = snapshot(allowed(allow, "fast"), aliases=aliases)
        app = linted(telling, installation=installed(now))
        shown = ask(app, "POST", "/api/show", {"model": "fast"}, **WITH).json
        assert bool(shown["modelfile"]) is sees


@case(
    ("said", "told"),
    [
        ('"secret:70b" does not support chat', '"fast-1" does not support chat'),
        ("no registry.ollama.ai/library/secret:70b.", "no fast-1."),
        ("Secret:70B and secret:70bx", "fast-1 and secret:70bx"),
        ("my/secret:70b, secret:70b-q4, secret:70b.q4, secret", None),
        ("no\\u0000name", None),
    ],
)
@case("target", ["secret:70b", "library/Secret:70b"])
@case("name", ["fast-1", "Fast", 'fast-"1\\'])
def test_a_refusal_of_an_alias(name: str, target: str, said: str, told: str) -> None:
    """It says the name that was asked for; whoever has no key reads Ollama's words."""
    aliases = [AliasEntry(name=alias, target=target) for alias in ("fast-*", "fast")]
    said = json.dumps({"error": said})

    def ollama(environ: Any, start: Any) -> list[bytes]:
        kind = ("Content-Type", "application/json")
        start("400 Bad Request", [kind, ("Content-Length", str(len(said)))])
        return [said[:9].encode(), said[9:].encode()]

    for keys in ((), (allowed("fast*"),)):
        now = snapshot(*keys, aliases=aliases)
        app = linted(ollama, installation=installed(now))
        wanted = json.loads(said)["error"]
        if keys and told:
            wanted = told.replace("fast-1", name)
        for path in ("/api/chat", "/v1/chat/completions", "/v1/messages"):
            body = {"model": name, "messages": TALK}
            answer = ask(app, "POST", path, body, **WITH)
            assert answer.status == 400
            error = answer.json["error"]
            got = error if isinstance(error, str) else error["message"]
            assert got == wanted, path


@case(("size", "told"), [(65_536, True), (65_537, False)])
def test_a_refusal_of_some_length(size: int, told: bool) -> None:
    """The name is looked for in 64 KiB; what is longer passes whole, as it comes."""
    fill = size - len(json.dumps({"error": "no big"}))
    said = json.dumps({"error": "no big" + "!" * fill}).encode()

    def ollama(environ: Any, start: Any) -> list[bytes]:
        start("400 Bad Request", [("Content-Type", "application/json")])
        return [said[:9], said[9:40_000], said[40_000:-1], said[-1:]]

    now = snapshot(allowed("fast"), aliases=[AliasEntry(name="fast", target="big")])
    app = linted(ollama, installation=installed(now))
    answer = ask(app, "POST", "/api/chat", {"model": "fast"}, **WITH)
    assert answer.status == 400
    wanted = said.replace(b"no big", b"no fast") if told else said
    assert answer.body == wanted


@case(
    ("status", "held"), [("400 Bad Request", 65), ("404 Not Found", 65), ("200 OK", 0)]
)
def test_an_answer_that_does_not_end(status: str, held: int) -> None:
    """Of a refusal no more is held than is looked at, of all else nothing."""
    read: list[int] = []

    def endless() -> Iterator[bytes]:
        while len(read) < 1000:
            read.append(len(read))
            yield b"x" * 1024

    def ollama(environ: Any, start: Any) -> Iterator[bytes]:
        start(status, [])
        return endless()

    environ = environ_of("POST", "/api/chat", b"")
    exchange = Exchange.of(environ)
    exchange.key, exchange.alias = allowed("*"), "fast"
    exchange.model, exchange.resolved = "fast", "big"
    started = Started()
    body = Discreet(ollama)(environ, started)
    assert len(read) == held
    assert started.calls == [(status, [])]
    assert sum(map(len, body)) == 1000 * 1024


@case("said", [b"404 page not found", b'{"error": ""}', b"{}"])
def test_a_404_that_names_no_model(said: bytes) -> None:
    """It is no refusal of Ollama's, and passes as it came."""

    def ollama(environ: Any, start: Any) -> list[bytes]:
        start("404 Not Found", [("Content-Type", "text/plain")])
        return [said]

    app = linted(ollama, installation=installed(snapshot(allowed("a"))))
    answer = ask(app, "POST", "/api/chat", {"model": "a"}, **WITH)
    assert (answer.status, answer.body) == (404, said)


@case(("many", "status"), [(1000, 200), (1001, 400)])
def test_members_of_a_native_request(many: int, status: int) -> None:
    """A request that has to be looked into has at most 1,000 members."""
    app = linted(Shelves("a"), installation=installed(snapshot(allowed("a"))))
    body = {"model": "a", **dict.fromkeys(map(str, range(many - 1)))}
    assert ask(app, "POST", "/api/chat", body, **WITH).status == status


# ------------------------------------------------------------ aliases with wildcards

PATTERNS = [
    AliasEntry(name="gpt-4*", target="big"),
    AliasEntry(name="*o*", target="zz"),
    AliasEntry(name="fast", target="big"),
]


@case(
    ("allow", "deny", "meant"),
    [
        (["a*"], [], {"a-o": "", "ao:x": "", "gpt-4": "", "fast": "", "a": "a"}),
        (["gpt-4*"], [], {"gpt-4o": "big", "a-o": "", "gpt-4": "big", "big": ""}),
        (["gpt-*"], [], {"gpt-4o": "big", "gpt-5o": "", "GPT-4O": "big"}),
        (["gpt-4o"], [], {"gpt-4o": "", "gpt-4o:latest": ""}),
        (["big"], [], {"gpt-4o": "big", "fast": "big", "big": "big", "a-o": ""}),
        (["zz"], [], {"a-o": "zz", "Box": "zz", "gpt-4": ""}),
        (["*"], ["gpt-4o"], {"gpt-4o": "", "GPT-4O:latest": "", "gpt-4": "big"}),
        (["*"], ["gpt-4*"], {"gpt-4o": "", "gpt-4": "", "fast": "big", "a-o": "zz"}),
        (["*"], ["big"], {"gpt-4o": "", "fast": "", "big": "", "a-o": "zz"}),
        (["fast"], [], {"fast": "big", "FAST": "big", "gpt-4": "", "big": ""}),
    ],
)
@case("path", ["/v1/chat/completions", "/api/chat", "/infill", "/api/generate"])
def test_the_text_of_a_client_opens_nothing(
    path: str, allow: list[str], deny: list[str], meant: dict[str, str]
) -> None:
    """A pattern's model is open by its own name or the pattern's; all three deny."""
    shelves = Shelves("a", "big", "zz")
    now = snapshot(allowed(*allow, deny=tuple(deny)), aliases=PATTERNS)
    app = linted(shelves, control=shelves.control, installation=installed(now))
    for name, model in meant.items():
        del shelves.asked[:]
        body = {"model": name, "messages": TALK, "prompt": "x", "input_prefix": "x = "}
        if path == "/v1/chat/completions":
            body = {"model": name, "messages": TALK}
        answer = ask(app, "POST", path, body, **WITH)
        asked = [json.loads(sent)["model"] for _, _, sent in shelves.asked]
        assert asked == [model] * bool(model), (name, answer.body)
        assert answer.status == (200 if model else 404)
