"""docs/editors.md: settings can be pasted, addresses answer, the family works."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support import examples
from support.raw import ask
from support.server import ROOT, Server
from support.simulator import Simulator

from app.wire import code
from middleware.code.families import Families, Family

pytestmark = pytest.mark.live

PAGE = ROOT / "docs" / "editors.md"
TEXT = PAGE.read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8080"
OWN = "A model that Pannier does not know"


def block(title: str, language: str) -> str:
    """The only block of a language under a heading."""
    found = examples.blocks(PAGE, language)
    (code,) = [each.code for each in found if each.title == title]
    return code


def rows(heading: str) -> list[list[str]]:
    """The cells of the table that begins with ``heading``."""
    table = TEXT.partition(f"\n{heading}\n")[2].partition("\n\n")[0]
    lines = [line.strip("|").split(" | ") for line in table.splitlines()[1:]]
    return [[cell.strip() for cell in line] for line in lines]


def names(cell: str) -> list[str]:
    """What stands in a cell as code."""
    return re.findall(r"`([^`]+)`", cell)


# ------------------------------------------------------------------------- settings


@pytest.mark.parametrize("title", ["llama-coder", "twinny", "llama.vscode"])
def test_json(title: str) -> None:
    """Settings in JSON are an object."""
    assert isinstance(json.loads(block(title, "json")), dict)


def test_yaml() -> None:
    """Continue's file has a model that completes code, at Pannier's address."""
    (model,) = yaml.safe_load(block("Continue", "yaml"))["models"]
    assert (model["roles"], model["apiBase"]) == (["autocomplete"], ADDRESS)


FOUND = set(re.findall(rf"{ADDRESS}(/[\w/]*\w)(?=['`])", TEXT))
#: All but where OpenAI's own libraries put their paths behind.
ENDPOINTS = sorted(FOUND - {"/v1"})


def test_there_are_endpoints() -> None:
    """The page names some; else the next test tests nothing."""
    assert {"/infill", "/v1/completions", "/api/generate"} <= {*ENDPOINTS}


@pytest.mark.parametrize("path", ENDPOINTS)
def test_endpoint(server: Server, path: str) -> None:
    """Each address with a path on the page is one that answers."""
    body = {"model": "llama3.2", "prompt": "a = ", "messages": []}
    assert ask(server.port, "POST", path, body).status not in (404, 405)


FORMS = [
    pytest.param(*named.split(), id=named)
    for row in rows("| form | where |")
    for named in names(row[-1])
]


@pytest.mark.parametrize(("method", "path"), FORMS)
def test_form(server: Server, method: str, path: str) -> None:
    """Each route of the table answers, and those with /v1 without it as well."""
    body = {"model": "llama3.2", "prompt": "a = "} if method == "POST" else None
    for each in {path, path.removeprefix("/v1")}:
        assert ask(server.port, method, each, body).status == 200


# ------------------------------------------------------------------------- families


@pytest.fixture(scope="module")
def own_family(
    simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Pannier with the page's file, and a model of that name."""
    file = tmp_path_factory.mktemp("families") / "families.toml"
    file.write_text(block(OWN, "toml"), encoding="utf-8")
    body = {"source": "llama3.2", "destination": "acme-coder"}
    assert simulator.ask("POST", "/api/copy", body)[0] == 200
    env = {"OLLAMA_URL": simulator.url, "PANNIER_CODE_FAMILIES": str(file)}
    with Server(env) as running:
        yield running
    simulator.ask("DELETE", "/api/delete", {"model": "acme-coder"})


def test_own_family(own_family: Server, tmp_path: Path) -> None:
    """The page's family makes the prompt that the page shows."""
    curl = block(OWN, "bash").replace(ADDRESS, own_family.url)
    (told,) = examples.documents(examples.shell(curl, tmp_path))
    (call,) = told["requests"]
    assert f"{call['prompt']}\n" == block(OWN, "text")
    assert call["raw"] is True
    family = tomllib.loads(block(OWN, "toml"))["family"][0]
    assert call["options"]["stop"] == family["stop"]


def test_own_family_answers(own_family: Server, simulator: Simulator) -> None:
    """And so it reaches Ollama, without lines of which nothing is known."""
    body = {"model": "acme-coder", "prompt": "<PRE> a = f( <SUF> ) <MID>"}
    got = ask(own_family.port, "POST", "/api/generate", body)
    assert got.status == 200
    call = json.loads(simulator.wait(path="/api/generate", body="acme")["body"])
    assert call["prompt"] == "<before>a = f(<after>)<here>"


WAYS = {
    "by a template": "raw",
    "by the text before alone": "prefix",
    "in words": "chat",
}
ASKED = [
    pytest.param(name, way, files, id=name)
    for models, way, files in rows("| models | asked | other files |")
    for name in names(models)
]


@pytest.mark.parametrize(("name", "way", "files"), ASKED)
def test_how_a_model_is_asked(name: str, way: str, files: str) -> None:
    """Each model of the table is asked as the table says."""
    family = Families.load().of(name)
    assert family is not None
    assert family.strategy == WAYS[way]
    if family.strategy == "raw":
        told = "as comments" if family.comments else "yes" if family.file else "no"
        assert files == told


def test_fields() -> None:
    """The tables name all fields of a family, and fields that the code API has."""
    own = TEXT.partition(f"### {OWN}")[2]
    told = [name for row in own_rows(own) for name in names(row[0])]
    known = {field.rstrip("_") for field in Family.__struct_fields__}
    assert {*told} == known
    asked = TEXT.partition("\n| field | meaning |\n")[2].partition("\n\n")[0]
    fields = {name for line in asked.splitlines() for name in names(line.split("|")[1])}
    assert fields <= {*code.GenerateRequest.__struct_fields__}
    assert len(fields) > 8


def own_rows(text: str) -> list[list[str]]:
    """The rows of the table of a family's fields."""
    table = text.partition("\n| field | meaning |\n")[2].partition("\n\n")[0]
    return [line.strip("|").split(" | ") for line in table.splitlines()]
