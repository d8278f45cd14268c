"""Names on Ollama's own routes: aliases resolved and listed, abilities shown."""

import gzip
import json
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import pytest
from support.ollama import JSON, Body, Ollama, Started, ask, environ_of
from werkzeug.middleware.lint import LintMiddleware

from app.catalog import Catalog
from app.errors import UpstreamBroken
from app.settings import Settings
from middleware import amended as amended_module
from middleware.aliases import Aliases
from middleware.code.families import Families, Family
from middleware.code.ways import Ways
from middleware.errors import ErrorMiddleware
from middleware.native import NativeNames
from middleware.native_lists import TagsMiddleware
from middleware.native_show import ShowMiddleware

ALIASES = "gpt-4o=qwen3:8b,Fast=llama3.2,gpt-4*=phi4,code=deepseek-coder:6.7b-base"
CHAT = "/api/chat"
SHOW = "/api/show"
TAGS = "/api/tags"


class Control:
    """What the catalogue is told: ``models`` are installed.  Counts its calls."""

    def __init__(self, *models: str) -> None:
        self.models = models
        self.calls = 0

    def __call__(self, method: str, path: str, *rest: Any) -> bytes:
        """One call."""
        self.calls += 1
        return json.dumps({"models": [{"name": name} for name in self.models]}).encode()


def native(
    ollama: WSGIApplication, control: Control | None = None, **settings: Any
) -> WSGIApplication:
    """The middleware of each route around an application, a linter on both sides."""
    chosen = Settings(**{"aliases": ALIASES, **settings})
    aliases = Aliases(Catalog(control or Control("gpt-4-turbo:latest")), chosen)
    inner: Any = LintMiddleware(ollama)
    routes: dict[str, WSGIApplication] = {
        TAGS: TagsMiddleware(inner, aliases),
        SHOW: ShowMiddleware(inner, aliases, chosen, Ways(Families.load(), chosen)),
    }
    names = NativeNames(inner, aliases, chosen)

    def app(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        return routes.get(environ["PATH_INFO"], names)(environ, start)

    return LintMiddleware(ErrorMiddleware(app))


def named(aliases: str) -> Aliases:
    """These aliases, of an Ollama that has no models."""
    return Aliases(Catalog(Control()), Settings(aliases=aliases))


def sent(body: bytes, path: str = CHAT, **settings: Any) -> bytes:
    """What Ollama gets of a body."""
    ollama = Ollama()
    ask(native(ollama, **settings), "POST", path, body)
    (call,) = ollama.calls
    assert call.path == path
    return call.body


# ------------------------------------------------------------ requests


@pytest.mark.parametrize("path", [CHAT, "/api/generate", "/api/embed", SHOW])
@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ('{"model":"gpt-4o"}', '{"model":"qwen3:8b"}'),
        ('{"model":"GPT-4O"}', '{"model":"qwen3:8b"}'),
        ('{"model":" fast "}', '{"model":"llama3.2"}'),
        ('{"model":"gpt-4-mini"}', '{"model":"phi4"}'),
        ('{"Model":"gpt-4o"}', '{"Model":"qwen3:8b"}'),
        ('{"MODEL":"gpt-4o","x":1}', '{"MODEL":"qwen3:8b","x":1}'),
        ('{"model":"gpt\\u002d4o"}', '{"model":"qwen3:8b"}'),
        # the last counts in Go, in whatever case
        ('{"model":"a","model":"gpt-4o"}', '{"model":"qwen3:8b"}'),
        ('{"model":"a","Model":"fast"}', '{"model":"a","Model":"llama3.2"}'),
        ('{"model":"fast","Model":null}', '{"model":"llama3.2","Model":null}'),
        # every value is as it was written
        (
            '{"options": {"a" : 1.0e0, "b":[ ]}, "model":"fast",\n"prompt":"\\u003cé"}',
            '{"options":{"a" : 1.0e0, "b":[ ]},"model":"llama3.2","prompt":"\\u003cé"}',
        ),
        (
            '{"big":123456789012345678901.50,"model":"fast","n":-0}',
            '{"big":123456789012345678901.50,"model":"llama3.2","n":-0}',
        ),
        # half a pair is U+FFFD to Go as well
        (
            '{"model":"fast","prompt":"\\ud800"}',
            '{"model":"llama3.2","prompt":"\\ufffd"}',
        ),
    ],
)
def test_an_alias_is_resolved(path: str, body: str, wanted: str) -> None:
    """The model of an alias stands where the alias stood; all else is as it was."""
    assert sent(body.encode(), path) == wanted.encode()


@pytest.mark.parametrize("path", [CHAT, SHOW])
@pytest.mark.parametrize(
    "body",
    [
        b'{ "model" : "llama3.2" , "prompt":"gpt-4o" }',
        b'{"model":"gpt-4-turbo"}',  # installed: a pattern never hides a model
        b'{"model":"default"}',
        b'{"model":" Default "}',
        b'{"model":""}',
        b'{"model":null}',
        b'{"model":["gpt-4o"]}',
        b'{"model":7}',
        b'{"options":{"model":"gpt-4o"}}',
        b'{"source":"gpt-4o","destination":"fast","from":"fast"}',
        b'{"model":"gpt-4' + b"o" * 600 + b'"}',
        b'"gpt-4o"',
        b'["gpt-4o"]',
        b"null",
        b"",
        b" ",
        b'{"model":"gpt-4o"',
        b'{"model":"gpt-4o"} trailing',
        b'{"model":"gpt-4o"}{"model":"fast"}',
        b'\xef\xbb\xbf{"model":"gpt-4o"}',
        b'{"model":"gpt-4o","prompt":"\xff"}',
        b"{'model':'gpt-4o'}",
        b'{"model":"gpt-4o","x":NaN}',
        b'{"model":"gpt-4o","x":' + b"[" * 200 + b"]" * 200 + b"}",
        b'{"model":"gpt-4o",' + b'"x":1,' * 1_000_001 + b'"y":1}',
    ],
    ids=lambda body: body[:40].decode("latin-1"),
)
def test_everything_else_goes_on(path: str, body: bytes) -> None:
    """A body that names no alias, or is none that can be read, keeps its bytes."""
    assert sent(body, path, default_model="qwen3") == body


def test_default_may_be_an_alias() -> None:
    """``default`` means something here only where an alias has that name."""
    body = b'{"model":"Default"}'
    assert sent(body, aliases="DEFAULT=qwen3") == b'{"model":"qwen3"}'
    assert sent(body, aliases="*=phi4") == body


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b'{"name":"fast"}', b'{"name":"llama3.2"}'),
        (b'{"Name":"fast","verbose":true}', b'{"Name":"llama3.2","verbose":true}'),
    ],
)
def test_an_older_key_of_show(body: bytes, wanted: bytes) -> None:
    """/api/show also reads ``name``; other routes do not."""
    assert sent(body, SHOW) == wanted
    assert sent(body, CHAT) == body


def test_what_is_asked_for_that() -> None:
    """Ollama's list is looked at only where a pattern matches."""
    control = Control()
    app = native(Ollama(), control)
    for model in ("gpt-4o", "llama3.2", "default", ""):
        ask(app, "POST", CHAT, {"model": model})
    assert control.calls == 0
    ask(app, "POST", CHAT, {"model": "gpt-4-mini"})
    assert control.calls == 1


def test_a_compressed_body() -> None:
    """It is inflated, as the relay does it, and said to be plain."""
    ollama = Ollama()
    body = gzip.compress(b'{"model":"fast","prompt":"x"}')
    ask(native(ollama), "POST", CHAT, body, Content_Encoding="gzip")
    (call,) = ollama.calls
    assert call.body == b'{"model":"llama3.2","prompt":"x"}'
    assert "HTTP_CONTENT_ENCODING" not in call.headers


@pytest.mark.parametrize("path", [CHAT, SHOW])
def test_a_body_that_is_too_large(path: str) -> None:
    """The limit is the relay's; Ollama hears nothing."""
    ollama = Ollama()
    app = native(ollama, max_body_bytes=10)
    answer = ask(app, "POST", path, b'{"model":"fast"}')
    assert answer.status == 413
    assert "larger than 10 bytes" in answer.json["error"]
    assert ollama.calls == []


def test_an_answer_is_not_changed() -> None:
    """It says the name of the model, and arrives in Ollama's own pieces."""
    lines = [b'{"model":"qwen3:8b","a":1}\n', b'{"model":"qwen3:8b","done":true}\n']
    start = Started()
    aliases = named(ALIASES)
    app = NativeNames(Ollama(*lines), aliases, Settings())
    assert list(app(environ_of("POST", CHAT, b'{"model":"gpt-4o"}'), start)) == lines


# ------------------------------------------------------------- the list

MODELS = (
    b'{"models": [{"name":"qwen3:8b", "model":"qwen3:8b","size":1.0e3,"x":"\\u003c"},'
    b'{"odd":1},"odd",{"model":"llama3.2:latest","digest":"d"},'
    b'{"name":"Gpt-4o:latest","model":"Gpt-4o:latest"}],"more" : true}'
)


def listed(body: bytes, aliases: str, **options: Any) -> Any:
    """The answer to /api/tags."""
    return ask(native(Ollama(body, **options), aliases=aliases), "GET", TAGS)


def test_aliases_are_listed() -> None:
    """Each alias of an installed model follows, as that model under its name."""
    named = "small=LLAMA3.2,gone=missing,gpt-*=qwen3:8b,Coder=qwen3:8b"
    ollama = Ollama(MODELS[:50], MODELS[50:])
    answer = ask(native(ollama, aliases=named), "GET", TAGS)
    assert ollama.body.closed == 1
    # Ollama's own entries stay as they are, byte for byte.
    beginning = MODELS.partition(b": [")[2].partition(b'],"more')[0]
    assert answer.body == (
        b'{"models":['
        + beginning
        + b',{"model":"small","digest":"d","name":"small"}'
        + b',{"name":"Coder","model":"Coder","size":1.0e3,"x":"\\u003c"}'
        + b'],"more":true}'
    )
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert answer.headers["Content-Type"] == dict(JSON)["Content-Type"]


def test_the_order_of_v1_models() -> None:
    """The names are those of /v1/models, in its order, each once."""
    named = "GPT-4o:latest=qwen3:8b,b=qwen3:8b,B:x=qwen3:8b,a=llama3.2:latest,c=none"
    names = [
        entry.get("name") or entry["model"]
        for entry in listed(MODELS, named).json["models"]
        if isinstance(entry, dict) and "odd" not in entry
    ]
    assert names == ["qwen3:8b", "llama3.2:latest", "Gpt-4o:latest", "b", "B:x", "a"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"models": [ ]}',
        b'{"models": null}',
        b'{"models": {"name":"qwen3:8b"}}',
        b"{ }",
        b"[ ]",
        b'"qwen3:8b"',
        b"",
        b"no JSON",
        b"\xff",
        b'{"models": [{"name":"qwen3:8b"}]} ',
        b'{"models": [{"name":"other"}]}',
    ],
)
def test_a_list_that_stays(body: bytes) -> None:
    """An answer without an aliased model, or that is no list, passes as it is."""
    named = "a=qwen3:8b" if not body.endswith(b"]} ") else "a=qwen3:4b"
    answer = listed(body, named)
    assert (answer.status, answer.body) == (200, body)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("404 Not Found", JSON),
        ("500 Internal Server Error", JSON),
        ("503 Service Unavailable", [*JSON, ("Retry-After", "3")]),
        ("206 Partial Content", JSON),
        ("200 OK", [*JSON, ("Content-Encoding", "gzip")]),
    ],
)
@pytest.mark.parametrize("path", [TAGS, SHOW])
def test_odd_answers_pass(path: str, status: str, headers: Any) -> None:
    """What is no plain 200 passes with its status, headers and bytes."""
    body = b'{"models":[{"name":"qwen3:8b"}],"template":"x"}'
    ollama = Ollama(body[:9], body[9:], status=status, headers=headers)
    method, said = ("GET", None) if path == TAGS else ("POST", {"model": "code"})
    answer = ask(native(ollama, aliases="code=deepseek-coder:base"), method, path, said)
    assert (answer.status, answer.body) == (int(status[:3]), body)
    for name, value in headers:
        assert answer.headers[name] == value
    assert ollama.body.closed == 1


def test_an_answer_that_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """It passes as it is, and not more of it is held than may be."""
    monkeypatch.setattr(amended_module, "MAX_WHOLE", 20)
    ollama = Ollama(*[b'{"models":', b'[{"name":"qwen3:8b"}', b"]", b"}"])
    start = Started()
    app = TagsMiddleware(ollama, named("a=qwen3:8b"))
    answer: Any = app(environ_of("GET", TAGS), start)
    assert ollama.body.taken == 2
    assert b"".join(answer) == b'{"models":[{"name":"qwen3:8b"}]}'
    answer.close()
    assert ollama.body.closed == 1
    assert start.headers == {"content-type": dict(JSON)["Content-Type"]}


@pytest.mark.parametrize("path", [TAGS, SHOW])
def test_an_answer_that_breaks(path: str) -> None:
    """Of an answer that breaks off nothing goes out but the failure."""
    ollama = Ollama(b'{"mod', UpstreamBroken("it broke"))
    method, said = ("GET", None) if path == TAGS else ("POST", {"model": "code"})
    answer = ask(native(ollama), method, path, said)
    assert (answer.status, answer.json) == (502, {"error": "it broke"})
    assert ollama.body.closed == 1


def test_an_answer_that_begins_late() -> None:
    """An application may start its answer with its first item."""

    def late(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        start("200 OK", [*JSON])
        yield b'{"models":[{"name":"qwen3:8b"}]}'

    answer = ask(TagsMiddleware(late, named("a=qwen3:8b")), "GET", TAGS)
    assert [entry["name"] for entry in answer.json["models"]] == ["qwen3:8b", "a"]


# ---------------------------------------------------------------- show

#: An answer of a model that fills in by Pannier's help alone.
SHOWN = (
    b'{"license" : "\\u003c","template":"{{ .Prompt }}\\n","details":{"a" : 1},'
    b'"model_info":{"x":1.0e3},"capabilities":["completion"],"modified_at":"t"}'
)
BEGIN, HOLE, END = (
    f"<\uff5cfim\u2581{name}\uff5c>" for name in ("begin", "hole", "end")
)
#: DeepSeek's form as a template of Ollama's, around that of the model.
FORM = (
    f"{{{{- if .Suffix }}}}{BEGIN}{{{{ .Prompt }}}}{HOLE}{{{{ .Suffix }}}}{END}"
    "{{- else }}{{ .Prompt }}\n{{- end }}"
)


def shown(model: Any, body: bytes = SHOWN, **settings: Any) -> bytes:
    """The body of the answer to /api/show."""
    app = native(Ollama(body), **settings)
    said = model if isinstance(model, dict) else {"model": model}
    answer = ask(app, "POST", SHOW, said)
    if length := answer.headers.get("Content-Length"):
        assert int(length) == len(answer.body)
    return answer.body


@pytest.mark.parametrize(
    "said",
    [
        {"model": "deepseek-coder:6.7b-base"},
        {"model": "code"},
        {"name": "CODE"},
        {"Name": "deepseek-coder:6.7b-base", "model": ""},
        {"model": "hf.co/x/deepseek-coder-6.7b-base-GGUF:Q4_K_M", "verbose": False},
    ],
)
def test_who_can_fill_in_is_shown_so(said: dict[str, Any]) -> None:
    """A family that Pannier puts into its form has a suffix and the ability."""
    assert shown(said) == (
        SHOWN.replace(b'"license" : ', b'"license":')
        .replace(b'"{{ .Prompt }}\\n"', json.dumps(FORM, ensure_ascii=False).encode())
        .replace(b'["completion"]', b'["completion","insert"]')
    )


@pytest.mark.parametrize(
    ("body", "template", "capabilities"),
    [
        (b'{"template":"x"}', True, None),
        (b'{"model_info":{}}', True, None),
        (b'{"template":"","capabilities":[]}', True, ["insert"]),
        (b'{"template":"x","capabilities":["insert"]}', True, ["insert"]),
        (b'{"template":"x","capabilities":null}', True, None),
        (b'{"template":"x","capabilities":"insert"}', True, "insert"),
    ],
)
def test_older_answers(body: bytes, template: bool, capabilities: Any) -> None:
    """A list of capabilities is not made where there is none."""
    answer = json.loads(shown("code", body))
    assert (".Suffix" in answer["template"]) == template
    assert answer.get("capabilities") == capabilities


SUFFIXED = (
    b'{"template" : "{{ if .Suffix }}x{{ end }}","capabilities" : ["completion"]}'
)


@pytest.mark.parametrize(
    ("said", "body", "settings"),
    [
        ({"model": "llama3.2"}, SHOWN, {}),
        ({"model": "deepseek-coder:6.7b-instruct"}, SHOWN, {}),
        ({"model": "codellama:7b-instruct"}, SHOWN, {}),
        ({"model": "unheard-of"}, SHOWN, {}),
        ({"model": "default"}, SHOWN, {}),
        ({"name": "code", "model": "llama3.2"}, SHOWN, {}),
        ({}, SHOWN, {}),
        ({"model": ["code"]}, SHOWN, {}),
        ({"model": "code"}, SUFFIXED, {}),
        ({"model": "code"}, b'{"template" : 7}', {}),
        ({"model": "code"}, b'[{"template" : "x"}]', {}),
        ({"model": "code"}, b"no JSON", {}),
        ({"model": "code"}, SHOWN, {"code_rewrite": False}),
        ({"model": "code"}, SHOWN, {"code_strategy": "suffix"}),
    ],
)
def test_all_others_are_shown_as_they_are(
    said: Any, body: bytes, settings: dict[str, Any]
) -> None:
    """What Pannier does not put into a form, or does it so already, keeps its bytes."""
    assert shown(said, body, **settings) == body


@pytest.mark.parametrize("rewrite", [True, False])
def test_a_family_that_is_left_alone(rewrite: bool) -> None:
    """A family whose prompts Pannier does not touch is shown as it is."""
    template = "<{code_prefix}{code_suffix}>"
    family = Family(name="f", match=("x:*",), template=template, rewrite=rewrite)
    aliases, settings = Aliases(Catalog(Control()), Settings()), Settings()
    ways = Ways(Families([family]), settings)
    app = ShowMiddleware(Ollama(SHOWN), aliases, settings, ways)
    answer = ask(app, "POST", SHOW, {"model": "x"})
    assert (answer.body == SHOWN) == (not rewrite)


def test_an_alias_is_shown_without_templates() -> None:
    """With PANNIER_CODE_REWRITE off the alias still is its model."""
    body = b'{"model":"code"}'
    wanted = b'{"model":"deepseek-coder:6.7b-base"}'
    assert sent(body, SHOW, code_rewrite=False) == wanted


def test_others_are_not_even_held() -> None:
    """Where nothing is amended, the answer is the one that came."""
    ollama = Ollama(SHOWN)
    aliases, settings = (
        Aliases(Catalog(Control()), Settings()),
        Settings(code_rewrite=False),
    )
    app = ShowMiddleware(ollama, aliases, settings, Ways(Families([]), settings))
    body = app(environ_of("POST", SHOW, b'{"model":"x"}'), Started())
    assert isinstance(body, Body)
