"""What the documentation says is true: examples run, tables match the code."""

import base64
import http.client
import re
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import msgspec
import pytest
from support import examples
from support.server import PATIENCE, ROOT, Server, free_port

from app.admin.pages.reasons import REASONS
from app.settings import Option, options
from app.wire import anthropic, code, openai, responses
from app.wire.generating import Reasoning
from middleware.effects import CODELESS, EFFECTLESS
from middleware.responses import ResponsesMiddleware

PAGES = [
    ROOT / "README.md",
    ROOT / "README.zh.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "bench").rglob("*.md")),
]
ADDRESS = "http://127.0.0.1:8080"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
    "awAAAABJRU5ErkJggg=="
)

#: Pages whose examples tests/compat and tests/admin run, or are those of the README.
ELSEWHERE = ("README.zh.md", "admin-api.md", "agents.md", "clients.md")
EXAMPLES = [
    pytest.param(block, id=f"{page.stem}-{block.title}-{block.language}-{number}")
    for page in PAGES
    if page.name not in ELSEWHERE
    for number, block in enumerate(examples.blocks(page, "sh", "python", "javascript"))
]


def text(name: str) -> str:
    """A page of the documentation."""
    return (ROOT / name).read_text(encoding="utf-8")


def rows(page: str) -> list[list[str]]:
    """The cells of all table rows in a text, without the rules below headings."""
    lines = [line for line in page.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line[1:-1].split(" | ")] for line in lines]
    return [row for row in cells if not row[0].startswith("--")]


@pytest.mark.live
@pytest.mark.parametrize("block", EXAMPLES)
def test_examples(block: examples.Block, server: Server, tmp_path: Path) -> None:
    """Every example works as it is pasted; only the address is replaced."""
    assert ADDRESS in block.code
    code = block.code.replace(ADDRESS, server.url)
    (tmp_path / "image.png").write_bytes(PIXEL)
    if block.language == "python":
        printed = examples.python(code, tmp_path)
    elif block.language == "javascript":
        printed = examples.javascript(code)
    else:
        printed = examples.shell(code, tmp_path)
    if "/api/copy" in code:  # which answers nothing
        assert printed == ""
    elif "fault-" in code:
        assert '"error":' in printed
    else:
        assert printed.strip()
        assert '"error":' not in printed


def test_there_are_examples() -> None:
    """The README has an example for each kind of client, and the quickstart more."""
    found = [block.language for block in examples.blocks(ROOT / "README.md", "sh")]
    found += [
        block.language
        for block in examples.blocks(ROOT / "README.md", "python", "javascript")
    ]
    assert sorted(found) == ["javascript", "python", "sh", "sh"]
    assert len(EXAMPLES) > 10


@pytest.mark.live
def test_what_make_run_says() -> None:
    """The README shows what ``make run`` prints where there is no Ollama."""
    shown = next(
        block.code.partition("$ make run\n")[2]
        for block in examples.blocks(ROOT / "README.md", "console")
        if "No Ollama answers" in block.code
    )
    nobody = f"http://127.0.0.1:{free_port()}"
    program = [sys.executable, "-m", "app.cli", "run"]
    path = {"OLLAMA_URL": nobody, "PYTHONPATH": str(ROOT)}
    with Server(path, command=program) as server:
        wanted = shown.replace("http://127.0.0.1:11434", nobody)
        wanted = wanted.replace(ADDRESS, server.url)
        deadline = time.monotonic() + PATIENCE
        while "curl" not in server.output() and time.monotonic() < deadline:
            time.sleep(0.02)
        said = server.output().replace(sys.executable, ".venv/bin/python")
    assert [line for line in wanted.splitlines() if line not in said] == []
    assert len(wanted.splitlines()) == 6


@pytest.mark.live
def test_methods_are_in_capitals(server: Server) -> None:
    """A method in small letters is refused, as the quickstart and endpoints.md say."""
    statuses = []
    for method in ("post", "POST"):
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
        with closing(connection):
            body = '{"model": "llama3.2"}'
            connection.request(method, "/api/show", body)
            statuses.append(connection.getresponse().status)
    assert statuses == [400, 200]


def default(option: Option) -> str:
    """An option's default as the tables show it."""
    if option.field == "state_dir":
        return "`~/.local/state/pannier`"
    if option.default == "":
        return "(none)"
    if isinstance(option.default, bool):
        return f"`{str(option.default).lower()}`"
    if isinstance(option.default, float):
        return f"`{option.default:g}`"
    return f"`{option.default}`"


def said(option: Option) -> str:
    """Its help, and what it can be where that has names."""
    named = ", ".join(f"`{choice}`" for choice in option.choices)
    return f"{option.help}; one of {named}" if named else option.help


SETTINGS = [[f"`{o.variable}`", default(o), said(o)] for o in options()]


def test_all_settings() -> None:
    """docs/configuration.md lists every setting with default and help, in order."""
    assert rows(text("docs/configuration.md"))[1:] == SETTINGS


def test_some_settings() -> None:
    """What the README says of some settings is true as well."""
    page = text("README.md").partition("## Configuration")[2].partition("\n## ")[0]
    found = rows(page)[1:]
    assert found
    assert [row for row in found if row not in SETTINGS] == []


def section(title: str) -> str:
    """A section of docs/endpoints.md."""
    return (
        text("docs/endpoints.md").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    )


ENDPOINTS = {
    "POST /v1/chat/completions": openai.ChatCompletionRequest,
    "POST /v1/completions": openai.CompletionRequest,
    "POST /v1/embeddings": openai.EmbeddingRequest,
    "POST /v1/audio/transcriptions": openai.TranscriptionRequest,
    "POST /v1/responses": responses.ResponsesRequest,
    "POST /v1/messages": anthropic.MessagesRequest,
    "POST /code/generate": code.GenerateRequest,
    "POST /infill": code.InfillRequest,
    "POST /completion": code.CompletionRequest,
    "POST /v1/fim/completions": code.FimRequest,
    "POST /v1/completions with segments": code.TabbyRequest,
}
#: Fields without effect, by endpoint where it has some more.
WITHOUT = {"POST /code/generate": EFFECTLESS | CODELESS}
#: Fields that have no effect elsewhere.
HONOURED = {"POST /v1/responses": ResponsesMiddleware.honoured}


@pytest.mark.parametrize("title", ENDPOINTS)
def test_every_field(title: str) -> None:
    """docs/endpoints.md says of every field of a request what happens to it."""
    page = section(title).partition("\n### ")[0]
    said = {row[0].strip("`"): row[1] for row in rows(page)[1:]}
    fields = {f.encode_name for f in msgspec.structs.fields(ENDPOINTS[title])}
    assert set(said) == fields
    ignored = {name for name, what in said.items() if what.startswith("ignored")}
    strict = {name for name in ignored if "unless strict" in said[name]}
    effectless = WITHOUT.get(title, EFFECTLESS)
    assert strict == {name for name in ignored if effectless[name].kind == "W"}
    without = fields & set(effectless) - HONOURED.get(title, frozenset())
    assert ignored == {name for name in without if effectless[name].kind != "E"}


def structs(
    kind: Any, inside: frozenset[Any] = frozenset()
) -> set[type[msgspec.Struct]]:
    """The structs inside a type, at any depth; some hold their own kind."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if kind in inside:
            return set()
        fields = msgspec.structs.fields(kind)
        inner = (structs(field.type, inside | {kind}) for field in fields)
        return {kind}.union(*inner)
    return set().union(*(structs(argument, inside) for argument in get_args(kind)))


@pytest.mark.parametrize(
    ("title", "elsewhere", "least"),
    [
        ("POST /v1/chat/completions", set(), 8),
        ("POST /v1/messages", {Reasoning, openai.Function}, 4),
        ("POST /code/generate", set(), 1),
        ("POST /v1/completions with segments", set(), 2),
    ],
)
def test_every_inner_field(title: str, elsewhere: Any, least: int) -> None:
    """Every field inside a request's messages, tools and formats is named."""
    named = set(re.findall(r"`([a-z_]+)`", section(title)))
    inner = structs(ENDPOINTS[title]) - {ENDPOINTS[title]} - elsewhere
    assert len(inner) >= least
    fields = {f.encode_name for one in inner for f in msgspec.structs.fields(one)}
    general = {"arguments", "function", "id", "index", "json_schema", "text", "type"}
    assert fields - named - general == set()


def test_every_error_code() -> None:
    """docs/errors.md explains every code that the source can answer, and no other.

    Pages say each that a request to a model can have in words of their own.
    """
    source = "".join(
        module.read_text(encoding="utf-8")
        for room in ("app", "middleware", "writers")
        for module in (ROOT / room).rglob("*.py")
        if "simulator" not in module.parts and module.name != "reasons.py"
    )
    set_here = r'code(?:: ClassVar\[str \| None\])? ?= ?"([a-z_]+)"'
    codes = set(re.findall(set_here, source))
    assert len(codes) > 15
    page = text("docs/errors.md")
    section_of_codes = page.partition("\n## Codes\n")[2].partition("\n## ")[0]
    explained = {
        code
        for row in rows(section_of_codes)[1:]
        for code in re.findall(r"`([a-z_]+)`", row[1])
    }
    assert codes - explained == set()
    composed = {"upstream_unauthorized"}
    assert {code for code in explained if f'"{code}"' not in source} == composed
    of_administration = {
        *("not_signed_in", "invalid_credentials", "csrf_token_invalid"),
        *("password_change_required", "not_found", "precondition_failed"),
    }
    assert REASONS.keys() == explained - of_administration


def test_every_field_of_the_log() -> None:
    """docs/deployment.md explains every field of a line of the access log."""
    source = text("middleware/access_line.py")
    line = source.partition("def line(")[2].partition("def _further(")[0]
    said = re.findall(r"""[( ]['"]([a-z_]+)['"][,)]|[( "']([a-z_]+)=[{']""", line)
    fields = [name or number for name, number in said]
    assert len(fields) > 15
    page = text("docs/deployment.md").partition("\n## The log\n")[2]
    explained = [
        name for row in rows(page)[1:] for name in re.findall(r"`([a-z_]+)`", row[0])
    ]
    assert explained == fields


def path(page: Path) -> str:
    """A page's path as its test's name."""
    return str(page.relative_to(ROOT))


def anchored(heading: str) -> str:
    """What a heading is called in a link, as GitHub has it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=path)
def test_links(page: Path) -> None:
    """Every link to a file of ours leads to one, and to a heading that is there."""
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.M)
            assert anchor in map(anchored, headings), target


# The changelog may speak of files that are gone.
@pytest.mark.parametrize(
    "page", [p for p in PAGES if p.name != "CHANGELOG.md"], ids=path
)
def test_named_files_exist(page: Path) -> None:
    """Files and directories of ours that a page names are there."""
    named = re.findall(
        r"`((?:app|middleware|writers|tests|docs|contrib|bench)/[\w./-]*)`",
        page.read_text(encoding="utf-8"),
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


FENCED = re.compile(r"^```.*?^```$", re.M | re.S)

#: What a translation keeps as it is: its code, and the level of each heading, in the
#: same order; what it shows, leads to and names, in any.
KEPT: dict[str, Callable[[str], Any]] = {
    "code": FENCED.findall,
    "headings": lambda page: re.findall(r"^(#+) ", FENCED.sub("", page), re.M),
    "pictures": lambda page: re.findall(r"!\[[^]]+\]\(([^)]+)\)", page),
    "links": lambda page: sorted(re.findall(r"\]\(([^)#][^)]*)\)", page)),
    "names": lambda page: set(re.findall(r"`[^`\n]+`", FENCED.sub("", page))),
}


@pytest.mark.parametrize("kept", KEPT)
def test_the_readme_in_chinese(kept: str) -> None:
    """It has all that the README in English has, which is more than a few words."""
    found = KEPT[kept](text("README.md"))
    assert KEPT[kept](text("README.zh.md")) == found
    assert len(found) > 1
