"""Access to models: what a key may call, what it is shown, and what it never learns."""

import json
import random
import re
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote
from wsgiref.types import WSGIApplication

import pytest
from support.gateway import Known, installed, key, snapshot
from support.keyed import SECRET
from support.ollama import Answer, Started, ask, environ_of
from support.shelves import Shelves
from support.stack import linted

from app.catalog import Catalog
from app.exchange import KEY, Exchange
from app.gateway.current import Current
from app.gateway.entries import AliasEntry, ModelEntry
from app.gateway.groups import GROUPS
from app.gateway.keys import Key
from app.gateway.snapshot import Snapshot
from app.settings import Settings
from app.wire.names import key as key_of
from middleware.access import _REMEMBERED, Access, unknown
from middleware.aliases import Aliases
from middleware.native_lists import TagsMiddleware

case = pytest.mark.parametrize

MODELS = (
    "qwen3:latest",
    "qwen3:8b",
    "llama3.2:latest",
    "phi4:14b",
    "me/tiny:latest",
    "hf.co/Acme/Big-GGUF:Q4_K_M",
    "nomic-embed-text:latest",
    "secret:latest",
)
TALK = [{"role": "user", "content": "Hi"}]
WITH = {"Authorization": f"Bearer {SECRET}"}


def standing(
    now: Snapshot, shelves: Shelves | None = None, **settings: Any
) -> WSGIApplication:
    """The whole stack where this is set."""
    shelves = shelves or Shelves(*MODELS)
    chosen = {"model_delete": True, "counting": "exact", **settings}
    installation = installed(now, **chosen)
    return linted(shelves, control=shelves.control, installation=installation, **chosen)


def allowed(*allow: str, deny: tuple[str, ...] = (), **more: Any) -> Key:
    """A key for these models, on all routes."""
    more = {"allow_endpoints": GROUPS, **more}
    return key(allow_models=allow, deny_models=deny, **more)


def chatting(app: WSGIApplication, model: str, **headers: str) -> Answer:
    """One message to a model."""
    said = {"model": model, "messages": TALK}
    return ask(app, body=said, **(headers or WITH))


#: A request of every route that takes the name of a model.
ROUTES: dict[str, tuple[str, str, Any]] = {
    "chat": ("POST", "/v1/chat/completions", {"messages": TALK}),
    "chat, streamed": (
        "POST",
        "/v1/chat/completions",
        {"messages": TALK, "stream": True},
    ),
    "several": ("POST", "/v1/chat/completions", {"messages": TALK, "n": 2}),
    "bare chat": ("POST", "/chat/completions", {"messages": TALK}),
    "completions": ("POST", "/v1/completions", {"prompt": "x"}),
    "completions, filled in": (
        "POST",
        "/v1/completions",
        {"prompt": "x", "suffix": "y"},
    ),
    "embeddings": ("POST", "/v1/embeddings", {"input": "x"}),
    "messages": ("POST", "/v1/messages", {"messages": TALK, "max_tokens": 9}),
    "messages, streamed": (
        "POST",
        "/v1/messages",
        {"messages": TALK, "max_tokens": 9, "stream": True},
    ),
    "count": ("POST", "/v1/messages/count_tokens", {"messages": TALK}),
    "responses": ("POST", "/v1/responses", {"input": "x"}),
    "responses, streamed": ("POST", "/v1/responses", {"input": "x", "stream": True}),
    "input tokens": ("POST", "/v1/responses/input_tokens", {"input": "x"}),
    "fim": ("POST", "/v1/fim/completions", {"prompt": "x", "suffix": "y"}),
    "infill": ("POST", "/infill", {"input_prefix": "x", "input_suffix": "y"}),
    "completion": ("POST", "/completion", {"prompt": "x"}),
    "segments": ("POST", "/v1/completions", {"segments": {"prefix": "x"}}),
    "code": ("POST", "/code/generate", {"prompt": "x", "suffix": "y"}),
    "code of nothing": ("POST", "/code/generate", {"prompt": ""}),
    "native chat": ("POST", "/api/chat", {"messages": TALK}),
    "native generate": ("POST", "/api/generate", {"prompt": "x"}),
    "native code": ("POST", "/api/generate", {"prompt": "x", "suffix": "y"}),
    "native embed": ("POST", "/api/embed", {"input": "x"}),
    "native embeddings": ("POST", "/api/embeddings", {"prompt": "x"}),
    "show": ("POST", "/api/show", {}),
    "retrieve": ("GET", "/v1/models/", None),
    "bare retrieve": ("GET", "/models/", None),
    "Anthropic's retrieve": ("GET", "/anthropic/v1/models/", None),
}
#: Those of them on which Ollama is asked, and knows what it does not have.
ASKING = ROUTES.keys() - {"code of nothing"}
#: Those that ask about a model, and not for what it says.
LOOKING = {"show", "retrieve", "bare retrieve", "Anthropic's retrieve"}
#: Those that change models take their names as they are.
MANAGING: dict[str, tuple[str, str, Any]] = {
    "delete": ("DELETE", "/v1/models/", None),
    "native delete": ("DELETE", "/api/delete", {}),
    "push": ("POST", "/api/push", {}),
}


def named(app: WSGIApplication, route: str, model: str) -> Answer:
    """The answer of a route to one who names a model."""
    method, path, body = (ROUTES | MANAGING)[route]
    if body is None:
        return ask(app, method, path + model, None, **WITH)
    return ask(app, method, path, {"model": model, **body}, **WITH)


def is_unknown(answer: Answer, model: str) -> bool:
    """Whether it says that there is no such model, in the one way to say it."""
    said = f"The model `{model}` does not exist or you do not have access to it."
    error = answer.json["error"]
    told = error if isinstance(error, str) else error["message"]
    if isinstance(error, dict) and "code" in error:
        assert (error["code"], error["param"]) == ("model_not_found", "model")
        assert error["type"] == "not_found_error"
    return bool((answer.status, told) == (404, said))


def is_unavailable(answer: Answer, model: str) -> bool:
    """Whether it says that Ollama does not have what is meant to be there."""
    error = answer.json["error"]
    told = error if isinstance(error, str) else error["message"]
    if isinstance(error, dict) and "code" in error:
        assert (error["code"], error["param"]) == ("model_unavailable", "model")
        assert error["type"] == "api_error"
    assert "qwen3:8b" not in told
    assert answer.headers["x-should-retry"] == "false"
    return answer.status == 503 and f"`{model}` is not available" in told


# ------------------------------------------------------ what is listed can be called


class Set:
    """One set of permissions, at random, and what follows from it by the letter."""

    def __init__(self, seed: int) -> None:
        self.random = dice = random.Random(seed)
        self.entries = [
            ModelEntry(
                name=self.spelt(name),
                enabled=dice.random() < 0.7,
                hidden=dice.random() < 0.2,
            )
            for name in dice.sample(MODELS, dice.randrange(5))
        ]
        self.aliases = [
            AliasEntry(
                name=name,
                target=self.spelt(dice.choice([*MODELS, "missing:1b"])),
                display=dice.random() < 0.3,
                enabled=dice.random() < 0.8,
                hidden=dice.random() < 0.2,
            )
            for name in dice.sample(
                ["gpt-4o", "Fast", "llama3.2", "qwen3:8b", "a/b", "o3", "tts-*"],
                dice.randrange(6),
            )
        ]
        self.key = allowed(
            *self.globs(1, 4), deny=self.globs(0, 3) if dice.random() < 0.6 else ()
        )
        self.closed = dice.random() < 0.2
        self.now = snapshot(
            self.key,
            models=self.entries,
            aliases=self.aliases,
            version=seed + 2,
        )

    def spelt(self, name: str) -> str:
        """A name in one of its spellings."""
        ways = [name, name.upper(), name.removesuffix(":latest")]
        if "/" not in name:
            ways += [f"library/{name}", f"registry.ollama.ai/library/{name}"]
        return self.random.choice(ways)

    def globs(self, least: int, most: int) -> tuple[str, ...]:
        """Patterns of which some fit something."""
        dice = self.random
        known = [*MODELS, "gpt-4o", "fast", "llama3.2", "o3"]

        def glob() -> str:
            name = dice.choice(known)
            at = dice.randrange(len(name))
            more = (
                "*",
                name[:at] + "*",
                "*" + name[at:],
                f"{name[:at]}?{name[at + 1 :]}",
            )
            return dice.choice((name, name.upper(), name.partition(":")[0], *more))

        return tuple(glob() for _ in range(dice.randint(least, most)))

    # ----------------------------------------------------- by the letter

    def aliased(self, name: str, more: str = "") -> tuple[str, str]:
        """What an alias of this name, with ``more`` after it, says."""
        for entry in self.aliases:
            if entry.enabled and entry.name.lower() + more == name.lower():
                return entry.target, entry.name.lower()
        return name, ""

    def meant(self, name: str) -> tuple[str, str]:
        """The model that a name means, and the alias that says so."""
        model, alias = self.aliased(name)
        if alias or self.may(name):
            return model, alias
        return self.aliased(name, ":latest")

    def callable(self, name: str) -> bool:
        """Whether a name can be called."""
        return self.may(*self.meant(name))

    def gone(self, name: str) -> bool:
        """Whether a name could be called if only its model were there."""
        model, alias = self.meant(name)
        there = key_of(model) in map(key_of, MODELS)
        return bool(alias) and not there and self.admits(model, alias)

    def may(self, model: str, alias: str = "") -> bool:
        """Whether a model can be called, by an alias or by its own name."""
        there = key_of(model) in map(key_of, MODELS)
        return there and self.admits(model, alias)

    def admits(self, model: str, alias: str) -> bool:
        """Whether it may be called, be it there or not."""
        entry = next((e for e in self.entries if key_of(e.name) == key_of(model)), None)
        if not (entry.enabled if entry else not self.closed):
            return False
        short = key_of(model).removeprefix("registry.ollama.ai/")
        names = {short.removeprefix("library/"), *([alias] if alias else ())}
        names |= {n.removesuffix(":latest") for n in names}
        names |= {n + ":latest" for n in names if ":" not in n}
        fits = lambda glob: any(fnmatchcase(n, glob.lower()) for n in names)  # noqa: E731
        terms = self.key.terms
        return any(map(fits, terms.allow_models)) and not any(
            map(fits, terms.deny_models)
        )

    def shown(self) -> set[str]:
        """The names that lists have."""
        there = {name.lower() for name in MODELS}
        names, replaced = set(), set()
        for entry in self.aliases:
            if not entry.enabled or entry.hidden or "*" in entry.name:
                continue
            if self.callable(entry.name):
                names.add(entry.name)
                if entry.display and entry.name.lower() not in there:
                    replaced.add(key_of(entry.target))
        hidden = {key_of(entry.name) for entry in self.entries if entry.hidden}
        unseen = {e.name.lower() for e in self.aliases if e.enabled and e.hidden}
        for name in MODELS:
            model, alias = self.aliased(name)
            gone = name.lower() in unseen if alias else key_of(name) in hidden
            if self.may(model, alias) and not gone and key_of(name) not in replaced:
                names.add(name)
        return names


def listed(app: WSGIApplication, path: str, **more: str) -> set[str]:
    """The names that a list has, each once."""
    answer = ask(app, "GET", path, None, **WITH, **more)
    assert answer.status == 200
    body = answer.json
    entries = body["models"] if path.startswith("/api/") else body["data"]
    names = [entry.get("id") or entry["name"] for entry in entries]
    assert len(names) == len(set(names))
    return set(names)


@case("seeds", [range(begin, begin + 20) for begin in range(0, 200, 20)])
def test_k4_what_is_listed_can_be_called_and_nothing_else(seeds: range) -> None:
    """Every list has what can be called and is not hidden; all else is unknown."""
    shelves = Shelves(*MODELS)
    installation = installed(snapshot())
    source = Known(snapshot())
    installation.current = current = Current(source)
    apps = [
        linted(
            shelves,
            control=shelves.control,
            installation=installation,
            counting="exact",
            new_models=setting,
        )
        for setting in ("enabled", "disabled")
    ]
    for seed in seeds:
        chosen = Set(seed)
        source.now = chosen.now
        current.renew()
        app = apps[chosen.closed]
        names = listed(app, "/v1/models")
        assert names == chosen.shown(), seed
        assert listed(app, "/models") == listed(app, "/api/tags") == names
        assert listed(app, "/anthropic/v1/models?limit=1000") == names
        assert listed(app, "/api/ps") <= names
        for name in names:
            assert chatting(app, name).status == 200, (seed, name)
        more = [spelt for name in MODELS for spelt in (name, chosen.spelt(name))]
        more += [entry.name for entry in chosen.aliases if "*" not in entry.name]
        for name in dict.fromkeys(more):
            bare = {"bare chat"} if name.startswith("gpt-") else set()
            route = chosen.random.choice(sorted(ASKING - bare))
            answer = named(app, route, name)
            if chosen.callable(name):
                assert answer.status == 200, (seed, name, route, answer.body)
            elif chosen.gone(name) and route not in LOOKING:
                assert is_unavailable(answer, name), (seed, name, route, answer.body)
            else:
                assert is_unknown(answer, name), (seed, name, route, answer.body)


@case("route", [*ROUTES, *MANAGING])
@case("allow", ["qwen*", "*"])
def test_k4_no_route_lets_through_what_is_not_allowed(route: str, allow: str) -> None:
    """Whatever the route and the spelling, Ollama is not asked."""
    shelves = Shelves(*MODELS)
    app = standing(snapshot(allowed(allow, deny=("secret",))), shelves)
    for name in (
        "secret",
        "SECRET:latest",
        "library/secret",
        "registry.ollama.ai/library/secret:latest",
        "https://registry.ollama.ai/library/secret",
        "x://registry.ollama.ai/library/secret",
        "secret:local",
    ):
        if ROUTES.get(route, MANAGING.get(route, ()))[2] is None and "//" in name:
            continue  # the client's library, and the server, make one slash of two
        assert is_unknown(named(app, route, name), name)
    for name in ("../secret", "secret/..", " secret", "sec ret", "secret\\"):
        assert named(app, route, name).status == 404
    assert [path for _, path, _ in shelves.asked] == []


@case("route", [*ROUTES, *MANAGING])
def test_what_is_allowed_is_answered(route: str) -> None:
    """The same routes answer for a model that the key may use."""
    app = standing(snapshot(allowed("qwen*", deny=("secret",))))
    assert named(app, route, "qwen3:8b").status == 200


@case(("model", "status"), [("qwen3:8b", 200), ("secret", 404)])
def test_recordings_and_guesses(model: str, status: int) -> None:
    """A transcription is refused as well, and a count for which nobody is asked."""
    app = standing(snapshot(allowed("qwen*")), counting="estimate")
    for route in ("count", "input tokens"):
        assert named(app, route, model).status == status
    form = (
        f'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n{model}\r\n'
        '--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        "RIFF\x00\x00\x00\x00WAVE\r\n--b--\r\n"
    ).encode()
    kind = "multipart/form-data; boundary=b"
    path = "/v1/audio/transcriptions"
    answer = ask(app, "POST", path, form, **WITH, Content_Type=kind)
    assert answer.status == status
    assert status == 200 or is_unknown(answer, model)


# --------------------------------------------------------------------- no oracle


@case("route", [*ROUTES, *MANAGING])
def test_k4_nobody_learns_what_there_is(route: str) -> None:
    """What is not there and what is not allowed are told alike but for the name."""
    app = standing(snapshot(allowed("*", deny=("secret", "denied"))))

    def told(model: str) -> tuple[Any, ...]:
        answer = named(app, route, model)
        body = answer.body.replace(model.encode(), b"x")
        body = re.sub(rb"req_[0-9a-f]+", b"id", body)
        headers = [(n, v) for n, v in answer.headers if "id" not in n.lower()]
        return answer.status, headers, body

    assert told("secret") == told("denied")
    if route in ASKING or route in MANAGING:
        assert told("secret") == told("absent")
    assert told("secret")[0] == 404


@case("path", ["/v1/chat/completions", "/api/chat", "/v1/messages", "/api/embed"])
def test_without_keys_ollama_says_it(path: str) -> None:
    """Where no key is needed, the words are Ollama's own."""
    body = {"model": "absent", "messages": TALK, "max_tokens": 9, "input": "x"}
    if path == "/v1/chat/completions":
        del body["input"]
    answer = ask(standing(snapshot()), "POST", path, body)
    assert answer.status == 404
    assert b"not found" in answer.body
    assert b"access" not in answer.body


# ------------------------------------------------------------------ native bodies

NAMING = ["/api/chat", "/api/generate", "/api/embed", "/api/embeddings", "/api/show"]


@case("path", NAMING)
@case(
    "body",
    [
        '{"model":"secret"}',
        '{"Model":"secret"}',
        '{"MODEL":"secret"}',
        '{"\\u006dodel":"secret"}',
        '{"model":"s\\u0065cret"}',
        '{"model":"qwen3","Model":"secret"}',
        '{"model":"secret","model":"qwen3"}',
        '{"model":"secret","model":null}',
        '{"model":"secret","mod\\u0065l":null}',
        '{"model":"secret","Model":null}',
        '{"model":"secret","prompt":"\\ud800"}',
        '{"model":"secret"} trailing',
        '{"model":"secret"}{"model":"qwen3"}',
        '{"model":"secret","x":' + "[" * 200 + "]" * 200 + "}",
        '{"model":"secret","x":123456789012345678901234567890}',
        '{"model":"secret",' + '"x":1,' * 2000 + '"y":1}',
        '{"model":"qwen3","source":1,"\u017fource":2}',
        b'{"model":"secret","prompt":"\xff"}',
        b'\xef\xbb\xbf{"model":"secret"}',
    ],
    ids=lambda body: str(body)[:40],
)
def test_native_bodies(path: str, body: str | bytes) -> None:
    """However a body names a model, it is Ollama's reading of it that counts."""
    shelves = Shelves(*MODELS)
    app = standing(snapshot(allowed("*", deny=("secret",))), shelves)
    raw = body if isinstance(body, bytes) else body.encode()
    assert ask(app, "POST", path, raw, **WITH).status in (400, 404)
    assert shelves.asked == []


@case(
    ("body", "sent"),
    [
        (b'{ "model" : "qwen3" , "options":{"a" : 1.0e0} }', None),
        (b'{"Model":"QWEN3"}', None),
        (b'{"model":"fast", "x":[ ]}', b'{"model":"qwen3:8b","x":[ ]}'),
        # what is there twice goes on once: Go would join the two
        (b'{"model":"qwen3","x":{"a":1},"x":{}}', b'{"model":"qwen3","x":{}}'),
    ],
)
def test_what_a_native_body_becomes(body: bytes, sent: bytes | None) -> None:
    """A body that may go on keeps its bytes, but for an alias and what is ambiguous."""
    shelves = Shelves(*MODELS)
    aliases = [AliasEntry(name="fast", target="qwen3:8b")]
    now = snapshot(allowed("*", allow_runner_options=True), aliases=aliases)
    assert ask(standing(now, shelves), "POST", "/api/embed", body, **WITH).status == 200
    assert shelves.asked == [("POST", "/api/embed", body if sent is None else sent)]


@case("body", [b"", b" ", b"null", b"[]", b'"secret"', b"{}", b'{"model":7}'])
def test_what_names_no_model_goes_on(body: bytes) -> None:
    """Ollama itself refuses what cannot be for any model."""
    asked = []

    def ollama(environ: Any, start: Any) -> list[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        asked.append(environ["wsgi.input"].read(length) if length else b"")
        start("400 Bad Request", [("Content-Type", "application/json")])
        return [b'{"error":"no"}']

    app = linted(ollama, installation=installed(snapshot(allowed("qwen3"))))
    answer = ask(app, "POST", "/api/chat", body, **WITH)
    assert (answer.status, answer.json) == (400, {"error": "no"})
    assert asked == [body]


@case(
    ("method", "path", "body"),
    [
        ("POST", "/api/pull", {"model": "secret"}),
        ("POST", "/api/pull", {"name": "secret"}),
        ("POST", "/api/push", {"Name": "secret"}),
        ("POST", "/api/create", {"model": "mine", "from": "secret"}),
        ("POST", "/api/create", {"model": "secret", "from": "mine"}),
        ("POST", "/api/create", {"model": "mine", "From": "/etc/passwd"}),
        ("POST", "/api/copy", {"source": "secret", "destination": "mine"}),
        ("POST", "/api/copy", {"source": "mine", "destination": "secret"}),
        ("DELETE", "/api/delete", {"model": "secret"}),
        ("DELETE", "/api/delete", {"name": "secret"}),
    ],
)
def test_changing_models(method: str, path: str, body: dict[str, str]) -> None:
    """All models that a change touches must be allowed, be they there or not."""
    for allow, passes in (("mine", False), ("*", True)):
        shelves = Shelves("mine", "secret", "/etc/passwd")
        app = standing(snapshot(allowed(allow)), shelves)
        answer = ask(app, method, path, body, **WITH)
        if "/etc/passwd" in body.values():
            passes = False
        assert bool(shelves.asked) is passes
        assert answer.status == (200 if passes else 404)


def test_two_names_for_a_change() -> None:
    """A change that names something twice is refused."""
    shelves = Shelves("mine")
    app = standing(snapshot(allowed("*")), shelves)
    body = b'{"source":"mine","Source":"other","destination":"mine"}'
    answer = ask(app, "POST", "/api/copy", body, **WITH)
    assert answer.status == 400
    assert "source" in answer.json["error"]
    assert shelves.asked == []


def test_caps_hold_on_native_routes() -> None:
    """What a key is bound to is put into a native request."""
    shelves = Shelves(*MODELS)
    app = standing(snapshot(allowed("*", max_output_tokens=5)), shelves)
    for options in ({"num_predict": 99}, {}):
        body = {"model": "qwen3", "messages": TALK, "options": options}
        assert ask(app, "POST", "/api/chat", body, **WITH).status == 200
        assert json.loads(shelves.asked[-1][2])["options"] == {"num_predict": 5}


# ------------------------------------------------------------------------- lists


@case("shown", ["The-Big-One", "The Big One (4 bit)", "\u901a\u4e49 \u5343\u95ee"])
def test_a_display_name(shown: str) -> None:
    """It stands where its model's own name stood; both can be called."""
    aliases = [
        AliasEntry(name=shown, target="hf.co/acme/big-gguf:q4_k_m", display=True),
        AliasEntry(name="small", target="me/tiny"),
        AliasEntry(name="gone", target="missing", display=True),
    ]
    app = standing(snapshot(aliases=aliases), Shelves(*MODELS[4:6]))
    wanted = ["me/tiny:latest", shown, "small"]
    answer = ask(app, "GET", "/v1/models")
    assert [model["id"] for model in answer.json["data"]] == wanted
    tags = ask(app, "GET", "/api/tags").json["models"]
    assert [(model["name"], model["model"]) for model in tags] == [
        (name, name) for name in wanted
    ]
    assert tags[1]["digest"] == "hf.co/Acme/Big-GGUF:Q4_K_M"
    loaded = ask(app, "GET", "/api/ps").json["models"]
    assert [model["name"] for model in loaded] == wanted[:2]
    for name in (MODELS[5], shown, f" {shown.upper()} "):
        said = {"model": name, "messages": TALK}
        assert ask(app, body=said).status == 200
        assert ask(app, "POST", "/api/chat", said).status == 200
    assert ask(app, "GET", f"/v1/models/{quote(shown)}").json["id"] == shown


def test_a_display_name_that_may_not_be_used() -> None:
    """It is left out, and the model keeps its own name."""
    entry = AliasEntry(name="big", target="qwen3:8b", display=True)
    now = snapshot(allowed("*", deny=("big",)), aliases=[entry])
    assert listed(standing(now, Shelves("qwen3:8b")), "/v1/models") == {"qwen3:8b"}
    now = snapshot(allowed("qwen3:8b"), aliases=[entry])
    assert listed(standing(now, Shelves("qwen3:8b")), "/v1/models") == {"big"}


@case(("target", "shows"), [("phi4:14b", True), ("absent", False), ("secret", False)])
def test_a_name_that_an_alias_has_taken(target: str, shows: bool) -> None:
    """A model whose name means another is shown where that other can be called."""
    aliases = [AliasEntry(name="qwen3:8b", target=target, shadow=True)]
    app = standing(snapshot(allowed("*", deny=("secret",)), aliases=aliases))
    assert ("qwen3:8b" in listed(app, "/v1/models")) is shows
    hidden = 503 if target == "absent" else 404
    assert chatting(app, "qwen3:8b").status == (200 if shows else hidden)


@case("settings", [{}, {"aliases": "x=absent"}])
def test_lists_stay_as_they_are(settings: dict[str, Any]) -> None:
    """Where nothing is set, or it concerns nothing, Ollama's bytes pass."""
    shelves = Shelves(*MODELS)
    for now in (snapshot(), snapshot(allowed("*"))):
        app = standing(now, shelves, **settings)
        for path in ("/api/tags", "/api/ps"):
            assert ask(app, "GET", path, None, **WITH).body == shelves.listed()


@case("path", ["/api/tags", "/api/ps"])
def test_the_head_of_a_list_has_no_length(path: str) -> None:
    """It would tell of what is left out."""
    aliases = Aliases(Catalog(Shelves().control), Settings())
    app = TagsMiddleware(Shelves(*MODELS), aliases)
    for asks, length in ((None, True), (allowed("qwen3"), False)):
        start = Started()
        app(environ_of("HEAD", path) | {KEY: Exchange(key=asks)}, start)
        assert start.status == 200
        assert ("content-length" in start.headers) is length


@case("path", ["/api/tags", "/api/ps"])
@case(
    ("body", "headers"),
    [
        (b"no JSON", {}),
        (b'["secret"]', {}),
        (b'{"models":{"name":"secret"}}', {}),
        (b'{"models":["secret"],"x":"secret"}', {"Content-Type": "text/plain"}),
        (b'{"models":["secret"]}', {"Content-Encoding": "gzip"}),
    ],
)
def test_a_list_that_cannot_be_read(
    path: str, body: bytes, headers: dict[str, str]
) -> None:
    """Nothing of it goes to a key that may not know all of it."""

    def ollama(environ: Any, start: Any) -> list[bytes]:
        start("200 OK", [*({"Content-Type": "application/json"} | headers).items()])
        return [body]

    app = linted(ollama, installation=installed(snapshot(allowed("qwen3"))))
    answer = ask(app, "GET", path, None, **WITH)
    assert answer.status in (200, 502)
    assert b"secret" not in answer.body


# --------------------------------------------------------------- what is switched off


@case("keys", [(), (allowed("*"),)])
def test_a_model_that_is_switched_off(keys: tuple[Key, ...]) -> None:
    """With keys or without, it is as unknown; one that is hidden can be called."""
    entries = [
        ModelEntry(name="library/QWEN3", enabled=False),
        ModelEntry(name="me/tiny", hidden=True),
    ]
    app = standing(snapshot(*keys, models=entries))
    names = listed(app, "/v1/models")
    assert names == {*MODELS} - {"qwen3:latest", "me/tiny:latest"}
    for route in ROUTES if keys else ():
        assert is_unknown(named(app, route, "qwen3"), "qwen3"), route
    assert chatting(app, "me/tiny").status == 200
    assert chatting(app, "qwen3:8b").status == 200


@case("route", sorted(ASKING))
def test_a_model_that_is_switched_off_without_keys(route: str) -> None:
    """Nobody can tell it from one that is not there: Ollama would say it as we do."""
    told = []
    for off, models in (("qwen3", ["qwen3:latest"]), ("a", ["a"])):
        now = snapshot(models=[ModelEntry(name=off, enabled=False)])
        answer = named(standing(now, Shelves(*models)), route, "qwen3")
        assert answer.status == 404
        told.append(answer.json["error"])
    assert told[0] == told[1]
    assert "access" not in str(told)


@case("keys", [(), (allowed("fast*", "qwen3*"),)])
@case("name", ["fast", "Fast:latest", "faster", "qwen3", "qwen3:latest"])
@case("route", sorted(ASKING))
def test_a_model_that_is_gone(route: str, name: str, keys: tuple[Key, ...]) -> None:
    """What was set up and may be used is unavailable; about it, and else, it is 404."""
    aliases = [
        AliasEntry(name="fast", target="qwen3:8b"),
        AliasEntry(name="faste*", target="qwen3:8b"),
    ]
    entries = [ModelEntry(name="qwen3", hidden=True)]
    app = standing(snapshot(*keys, aliases=aliases, models=entries), Shelves("a"))
    answer = named(app, route, name)
    if route in LOOKING or (not keys and ROUTES[route][1].startswith("/api/")):
        assert answer.status == 404
    else:
        assert is_unavailable(answer, name)
    other = named(app, route, "qwen3:14b")
    assert other.status == 404
    assert not keys or is_unknown(other, "qwen3:14b")


def test_a_model_that_is_gone_is_no_secret_to_learn() -> None:
    """Who may not use it hears nothing of what was set up, whatever became of it."""
    now = snapshot(
        allowed("a", "off"),
        aliases=[
            AliasEntry(name="fast", target="gone"),
            AliasEntry(name="off", target="disabled"),
        ],
        models=[
            ModelEntry(name="gone", hidden=True),
            ModelEntry(name="disabled", enabled=False),
        ],
    )
    app = standing(now, Shelves("a"))
    for route in ROUTES:
        for name in ("fast", "gone", "off", "disabled"):
            assert is_unknown(named(app, route, name), name), (route, name)


@case("name", ["qwen3:local", "x://registry.ollama.ai/library/qwen3", "a/b/c/qwen3"])
def test_a_name_that_ollama_may_read_otherwise(name: str) -> None:
    """Once a model is switched off, nobody comes to it by an odd name, key or none."""
    for keys in ((), (allowed("*"),)):
        now = snapshot(*keys, models=[ModelEntry(name="qwen3", enabled=False)])
        answer = chatting(standing(now), name)
        assert (answer.status, answer.error["code"]) == (404, "model_not_found")
        assert is_unknown(answer, name) == bool(keys)


def test_what_is_remembered_is_bounded() -> None:
    """Names that clients make up take no memory for ever; nor is one said in full."""
    now = snapshot(allowed("qwen*"))
    current = Current(Known(now))
    current.renew()
    access = Access(current, Settings())
    (one,) = now.keys.values()
    for number in range(3 * _REMEMBERED):
        assert access.admits(one, f"qwen{number}")
    assert len(access._verdicts) <= _REMEMBERED
    assert len(unknown("x" * 100_000).message) < 1000


@case(("setting", "admits"), [("enabled", True), ("disabled", False)])
def test_new_models(setting: str, admits: bool) -> None:
    """Models for which nothing was set are used where the setting says so."""
    now = snapshot(models=[ModelEntry(name="qwen3")])
    app = standing(now, new_models=setting)
    assert chatting(app, "qwen3").status == 200
    assert (chatting(app, "qwen3:8b").status == 200) is admits
    assert ("qwen3:8b" in listed(app, "/v1/models")) is admits


def test_what_is_set_anew_counts_at_once() -> None:
    """The request after a change is decided by what is set then."""
    source = Known(snapshot(allowed("qwen3")))
    shelves = Shelves(*MODELS)
    installation = installed(snapshot())
    installation.current = current = Current(source)
    current.renew()
    app = linted(shelves, control=shelves.control, installation=installation)
    assert chatting(app, "phi4:14b").status == 404
    source.now = snapshot(allowed("phi4*"), version=2)
    current.renew()
    assert chatting(app, "phi4:14b").status == 200
    assert chatting(app, "qwen3").status == 404


def test_a_request_from_before_leaves_nothing_behind() -> None:
    """What a key might use before it was changed is remembered for nobody after it."""
    old, new = (
        snapshot(key(allow_models=("*",), deny_models=deny)) for deny in ((), ("tiny",))
    )
    for before, after in ((old, new), (new, old)):
        current = Current(Known(after))
        current.renew()
        access = Access(current, Settings())
        ((was,), (is_now,)) = before.keys.values(), after.keys.values()
        assert access.admits(was, "tiny") is not access.admits(is_now, "tiny")
        assert access.admits(is_now, "tiny") is (after is old)


# ---------------------------------------------------------------------- the default


def resolved(app: WSGIApplication, shelves: Shelves, route: str, name: str) -> str:
    """The model that Ollama is asked for."""
    before = len(shelves.asked)
    answer = named(app, route, name)
    if answer.status != 200:
        assert len(shelves.asked) == before
        return str(answer.status)
    return str(json.loads(shelves.asked[-1][2])["model"])


@case(
    ("terms", "settings", "wanted"),
    [
        ({"allow": ("*",)}, {}, "hf.co/Acme/Big-GGUF:Q4_K_M"),
        ({"allow": ("qwen3:8b", "secret")}, {}, "qwen3:8b"),
        ({"allow": ("nomic*",)}, {}, "404"),
        ({"allow": ("phi4*",), "default_model": "phi4:14b"}, {}, "phi4:14b"),
        ({"allow": ("qwen3:8b",), "default_model": "phi4:14b"}, {}, "qwen3:8b"),
        ({"allow": ("qwen3:8b",)}, {"default_model": "phi4:14b"}, "qwen3:8b"),
        ({"allow": ("*",)}, {"default_model": "phi4:14b"}, "phi4:14b"),
        ({"allow": ("best",), "default_model": "best"}, {}, "qwen3:8b"),
        ({"allow": ("best",)}, {"default_model": "Best"}, "qwen3:8b"),
    ],
)
def test_the_default_of_a_key(
    terms: dict[str, Any], settings: dict[str, Any], wanted: str
) -> None:
    """It is a model that the key may use: its own, the server's, or the first there."""
    shelves = Shelves(*MODELS)
    aliases = [AliasEntry(name="best", target="qwen3:8b")]
    now = snapshot(allowed(*terms.pop("allow"), **terms), aliases=aliases)
    app = standing(now, shelves, **settings)
    assert resolved(app, shelves, "chat", "default") == wanted


def test_the_default_for_code() -> None:
    """It is the first model that can fill in and that the key may use."""
    shelves = Shelves(*MODELS)
    for allow, settings, wanted in (
        ("qwen3:8b", {}, "qwen3:8b"),
        ("qwen3:8b", {"code_model": "phi4:14b"}, "qwen3:8b"),
        ("*", {"code_model": "phi4:14b"}, "phi4:14b"),
        ("absent", {}, "404"),
    ):
        app = standing(snapshot(allowed(allow)), shelves, **settings)
        assert resolved(app, shelves, "code", "default") == wanted
        props = ask(app, "GET", "/props", None, **WITH).json["model_path"]
        health = ask(app, "GET", "/v1/health", None, **WITH).json["model"]
        assert props == health == (wanted if wanted != "404" else "")


def test_what_a_bare_route_takes() -> None:
    """A gpt-* that the key may not use is one that nobody knows."""
    shelves = Shelves("gpt-secret:latest", "gpt-oss:latest", "qwen3:latest")
    aliases = [AliasEntry(name="gpt-taken", target="gpt-secret")]
    now = snapshot(allowed("qwen3", "gpt-oss"), aliases=aliases)
    app = standing(now, shelves)
    wanted = {"gpt-secret": "gpt-oss:latest", "gpt-4": "gpt-oss:latest"}
    wanted |= {"gpt-oss": "gpt-oss", "gpt-taken": "gpt-oss:latest"}
    for name, model in wanted.items():
        assert resolved(app, shelves, "bare chat", name) == model
    assert resolved(app, shelves, "chat", "gpt-secret") == "404"


# -------------------------------------------------------------------------- aliases


@case(
    ("allow", "deny", "name", "passes"),
    [
        ("gpt-4o", (), "gpt-4o", True),
        ("gpt-4o", (), "GPT-4o", True),
        ("gpt-4o", (), "qwen3:8b", False),
        ("qwen3:8b", (), "gpt-4o", True),
        ("*", ("gpt-4o",), "gpt-4o", False),
        ("*", ("gpt-4o",), "qwen3:8b", True),
        ("*", ("qwen3:8b",), "gpt-4o", False),
        ("tts-1", (), "tts-1", False),
        ("tts-*", (), "tts-1", True),
        ("tts-1", (), "tts-2", False),
        ("*", ("tts-2",), "tts-2", False),
        ("off", (), "off", False),
    ],
)
def test_an_alias_counts_by_all_its_names(
    allow: str, deny: tuple[str, ...], name: str, passes: bool
) -> None:
    """Globs are matched against the alias that was asked for, and its model."""
    aliases = [
        AliasEntry(name="gpt-4o", target="qwen3:8b"),
        AliasEntry(name="tts-*", target="qwen3:8b"),
        AliasEntry(name="off", target="qwen3:8b", enabled=False),
    ]
    app = standing(snapshot(allowed(allow, deny=deny), aliases=aliases))
    for route in ASKING - {"bare chat"}:
        answer = named(app, route, name)
        assert answer.status == (200 if passes else 404), route


# ------------------------------------------------------------------------- no cost


def test_nothing_is_set() -> None:
    """Without keys and entries bodies pass untouched, and no catalogue is asked."""
    shelves = Shelves(*MODELS)
    asked: list[str] = []

    def control(method: str, path: str, *rest: Any) -> bytes:
        asked.append(path)
        return shelves.control(method, path, *rest)

    app = linted(shelves, control=control, installation=installed(snapshot()))
    body = b'{"model":"qwen3" , "Model":"secret","input":"x"}'
    assert ask(app, "POST", "/api/embed", body).status == 200
    assert shelves.asked == [("POST", "/api/embed", body)]
    assert ask(app, body={"model": "qwen3", "messages": TALK}).status == 200
    assert "/api/tags" not in asked
