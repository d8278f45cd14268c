"""What is set for a model decides how it completes code, before what files say."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.coders import Coders
from support.gateway import Known, installed, snapshot
from support.ollama import JSON, FakeUpstream, ask
from support.stack import stacked
from support.writing import lines

from app.gateway.current import Current
from app.gateway.entries import CodeEntry, ModelEntry
from app.gateway.snapshot import Snapshot
from app.settings import Settings
from middleware.code.families import Families, Family
from middleware.code.ways import Ways

GENERATE, CODE, SHOW = "/api/generate", "/code/generate", "/api/show"
QWEN, INSTRUCT = "qwen2.5-coder:7b", "codellama:7b-instruct"
OURS = "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"
#: A form of nobody's, and a prompt in it.
FORM = "{<x>}{code_prefix}{<y>}{code_suffix}{<z>}"
FORMED = "<x>a<y>b<z>"
HOLE = {"prompt": "a", "suffix": "b"}
SAID = {"model": "m", "response": "x", "done": True, "done_reason": "stop"}
MINE = """
[[family]]
name = "mine"
match = ["talker:*"]
template = "<file>{code_prefix}"
mode = "always"
"""
case = pytest.mark.parametrize


def now(**models: Any) -> Snapshot:
    """What is set: for models by name how they complete code."""
    entries = [
        ModelEntry(name=name, code=msgspec.convert(code, CodeEntry))
        for name, code in models.items()
    ]
    return snapshot(models=entries)


class House:
    """The whole stack over an Ollama that says ``body``, where something is set."""

    def __init__(
        self, set_: Snapshot, body: bytes = lines(SAID), **settings: Any
    ) -> None:
        self.upstream = FakeUpstream(body, headers=JSON)
        self.upstream.control = Coders()  # type: ignore[method-assign]
        self.known = Known(set_)
        installation = installed(set_, **settings)
        self.current = installation.current = Current(self.known)
        self.current.renew()
        self.app = stacked(self.upstream, installation=installation, **settings)

    def change(self, set_: Snapshot) -> None:
        """Set something else, as this worker finds it at its next look."""
        self.known.now = set_
        self.current.renew()

    def explained(self, body: dict[str, Any], path: str = CODE) -> Any:
        """What would be sent for a request."""
        answer = ask(self.app, "POST", f"{path}?explain=1", body)
        assert answer.status == 200, answer.body
        return answer.json

    def went(self, body: dict[str, Any]) -> str:
        """Whose affair a request is, ``native`` or ``code``."""
        before = len(self.upstream.requests)
        assert ask(self.app, "POST", GENERATE, body).status == 200
        (request,) = self.upstream.requests[before:]
        return "native" if json.loads(request.body) == body else "code"


def sent(found: Any) -> tuple[str, str]:
    """How the model is asked, and its prompt; of a conversation none."""
    (request,) = found["requests"]
    return found["code"]["strategy"], request.get("prompt", "")


CHAT, TEMPLATE = {"strategy": "chat"}, {"template": FORM}
#: The model, what is set for it, settings, how it is asked, the prompt.
ASKED: list[tuple[str, dict[str, str], dict[str, str], str, str]] = [
    # nothing for it: its family's own way, or that of all
    (QWEN, {}, {}, "raw", OURS),
    (QWEN, {}, {"code_strategy": "prefix"}, "prefix", "a"),
    (QWEN, {"mode": "always"}, {}, "raw", OURS),
    # a strategy beats the family's, and that of all
    (QWEN, CHAT, {}, "chat", ""),
    (QWEN, {"strategy": "suffix"}, {}, "suffix", "a"),
    (QWEN, {"strategy": "prefix"}, {"code_strategy": "chat"}, "prefix", "a"),
    (QWEN, {"strategy": "raw"}, {"code_strategy": "chat"}, "raw", OURS),
    ("llama3.2", {"strategy": "raw"}, {}, "prefix", "a"),  # there is no template
    (INSTRUCT, {"strategy": "chat"}, {}, "chat", ""),
    # a template does, too, and is used where nobody says otherwise
    (QWEN, TEMPLATE, {}, "raw", FORMED),
    (QWEN, TEMPLATE, {"code_strategy": "chat"}, "raw", FORMED),
    (QWEN, TEMPLATE | CHAT, {}, "chat", ""),
    ("llama3.2", TEMPLATE, {}, "raw", FORMED),
    ("base", TEMPLATE, {}, "raw", FORMED),
    (INSTRUCT, TEMPLATE, {}, "raw", FORMED),
    ("base", {"strategy": "prefix", "template": "# x{\\n}{code_prefix}"}, {},
     "prefix", "# x\na"),
    # and so does either beat the user's file
    ("talker", {}, {"code_families": "mine"}, "raw", "<file>a"),
    ("talker", TEMPLATE, {"code_families": "mine"}, "raw", FORMED),
    ("talker", CHAT, {"code_families": "mine"}, "chat", ""),
]  # fmt: skip


def from_file(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Settings with a file of families in the place of its name."""
    if "code_families" in settings:
        file = path / "mine.toml"
        file.write_text(MINE)
        return settings | {"code_families": str(file)}
    return settings


@case(("model", "code", "settings", "strategy", "prompt"), ASKED)
def test_how_a_model_is_asked(
    tmp_path: Path,
    model: str,
    code: dict[str, str],
    settings: dict[str, str],
    strategy: str,
    prompt: str,
) -> None:
    """What is set for a model wins over its family, a file, and what is set for all."""
    house = House(now(**{model: code}), **from_file(tmp_path, settings))
    # Any spelling of the name is the model.
    for name in (model, f"library/{model}".upper()):
        assert sent(house.explained(HOLE | {"model": name})) == (strategy, prompt)
    found = house.explained(HOLE | {"model": model})
    assert found["code"]["set"] == code
    known = Families.load().of(model)
    if known is not None and not settings:
        assert found["code"]["family"] == known.name
    # Nobody else is concerned.
    assert sent(house.explained(HOLE | {"model": "codestral"})) == sent(
        House(now(), **settings | {"code_families": ""}).explained(
            HOLE | {"model": "codestral"}
        )
    )


@case(
    ("code", "file", "body", "want"),
    [
        ({}, False, {"prompt": "x"}, "native"),
        ({"mode": "always"}, False, {"prompt": "x"}, "code"),
        ({"mode": ""}, False, {"prompt": "x"}, "native"),
        ({"strategy": "raw"}, False, {"prompt": "x"}, "native"),
        ({}, True, {"prompt": "x"}, "code"),
        ({"mode": ""}, True, {"prompt": "x"}, "native"),
        ({"strategy": "chat"}, True, {"prompt": "x"}, "code"),
        ({"mode": ""}, True, {"prompt": "x", "suffix": "y"}, "code"),
    ],
)
def test_which_prompts_are_code(
    tmp_path: Path, code: dict[str, str], file: bool, body: dict[str, str], want: str
) -> None:
    """The mode that is set for a model is its, whatever a file says of its family."""
    settings = from_file(tmp_path, {"code_families": ""} if file else {})
    house = House(now(talker=code), **settings)
    assert house.went({"model": "talker", **body}) == want


@case(
    ("code", "body", "want"),
    [
        ({}, HOLE, "native"),  # Ollama knows a suffix here
        (TEMPLATE, HOLE, "code"),
        ({}, {"prompt": OURS, "raw": True}, "native"),
        ({"strategy": "prefix"}, {"prompt": OURS, "raw": True}, "native"),
        # it is the model's own form no more
        (TEMPLATE, {"prompt": OURS, "raw": True}, "code"),
        ({"template": "{<|fim_prefix|>}{code_prefix}{<|fim_suffix|>}{code_suffix}"
                      "{<|fim_middle|>}"}, {"prompt": OURS, "raw": True}, "native"),
        (TEMPLATE, {"prompt": FORMED, "raw": True}, "native"),
        (TEMPLATE, {"prompt": "x"}, "native"),
    ],
)  # fmt: skip
def test_what_a_template_makes_code(
    code: dict[str, str], body: dict[str, Any], want: str
) -> None:
    """A template is used where Ollama's would be; what is in its form stays."""
    assert House(now(**{QWEN: code})).went({"model": QWEN, **body}) == want


def test_a_template_tells_its_markers() -> None:
    """A text ends at them, after the client's own ends; in files they are harmless."""
    house = House(now(base=TEMPLATE))
    body = {"model": "base", "prompt": "a<x>", "suffix": "b", "stop": ["!"]}
    found = house.explained(body)
    assert found["code"]["family"] is None
    (request,) = found["requests"]
    assert request["options"]["stop"] == ["!", "<x>", "<y>", "<z>"]
    assert request["prompt"] == "<x>a<\u200dx><y>b<z>"
    extra = {"extra": [{"filename": "f", "text": "t"}]}
    (request,) = house.explained(body | extra)["requests"]
    assert "t" not in request["prompt"]  # the template has no place for it
    house = House(now(base=TEMPLATE | {"strategy": "prefix"}))
    (request,) = house.explained(body)["requests"]
    assert request["prompt"] == "<x>a<\u200dx><y>b<z>"


@case(
    "family",
    [one for one in Families.load().known if one.strategy == "raw"],
    ids=lambda one: one.name,
)
def test_a_template_alone_is_as_good(family: Family) -> None:
    """What our own file says of markers a template tells by itself."""
    entry = ModelEntry(name="base", code=CodeEntry(template=family.template))
    current = Current(Known(snapshot(models=[entry])))
    current.renew()
    found = Ways(Families.load(), Settings(), current).of("base")
    assert found is not None
    assert found.markers == family.markers
    assert set(found.tokens) <= set(family.tokens)
    assert set(found.stop) <= set(family.stop)


def test_a_template_keeps_what_the_family_says_of_files() -> None:
    """Other files stand in ``{extra}``, as the family has them; all its ends count."""
    template = "{extra}{<x>}{code_prefix}{<|file_sep|>}"
    house = House(now(**{QWEN: {"template": template}}))
    extra = [{"filename": "f", "text": "<|file_sep|>"}]
    body = {"model": QWEN, "prompt": "a", "path": "p", "extra": extra}
    (request,) = house.explained(body)["requests"]
    shown = "<|file_sep|>f\n<|file_sep|>\n<|file_sep|>p\n<x>a<|file_sep|>"
    assert request["prompt"] == shown
    assert {"<x>", "<|endoftext|>"} <= set(request["options"]["stop"])


@case(("place", "ends"), [("", False), ("{extra}", True)])
def test_ends_of_files_count_where_files_are_shown(place: str, ends: bool) -> None:
    """A template without a place for other files has none of their ends either."""
    house = House(now(codestral={"template": f"{place}{{code_prefix}}"}))
    extra = [{"filename": "f", "text": "t"}]
    found = house.explained({"model": "codestral", "prompt": "a", "extra": extra})
    (request,) = found["requests"]
    assert ("\n+++++ " in request["options"]["stop"]) is ends


def test_it_is_felt_by_the_next_request() -> None:
    """What is set, changed or forgotten counts at once when a worker knows of it."""
    house = House(now())
    body = HOLE | {"model": QWEN}
    changes = [
        ({}, ("raw", OURS)),
        ({"template": FORM}, ("raw", FORMED)),
        ({"template": "{<q>}{code_prefix}"}, ("raw", "<q>a")),
        ({"strategy": "prefix"}, ("prefix", "a")),
        ({}, ("raw", OURS)),
    ]
    for version, (code, want) in enumerate(changes, 2):
        house.change(msgspec.structs.replace(now(**{QWEN: code}), version=version))
        assert sent(house.explained(body)) == want


def test_aliases_are_asked_as_their_model() -> None:
    """A name of another's is the model, and ``default`` may be one with a template."""
    house = House(now(base=TEMPLATE), aliases="mine=base", code_model="base")
    for model in ("mine", "default"):
        found = house.explained(HOLE | {"model": model})
        assert sent(found) == ("raw", FORMED)
        assert found["model"] == {"requested": model, "resolved": "base"}


@case(
    ("code", "inserts"),
    [({}, False), (TEMPLATE, True), (TEMPLATE | {"strategy": "suffix"}, False)],
)
def test_show_says_who_can_fill_in(code: dict[str, str], inserts: bool) -> None:
    """``/api/show`` says that a model with a template of its own takes a suffix."""
    house = House(now(base=code), b'{"template":"{{ .Prompt }}","capabilities":[]}')
    answer = ask(house.app, "POST", SHOW, {"model": "base"}).json
    assert (".Suffix" in answer["template"]) is inserts
    assert ("insert" in answer["capabilities"]) is inserts


class Unasked:
    """What is in force, where nothing is set: nobody is to look at it."""

    plain = True

    @property
    def now(self) -> Snapshot:
        """It is."""
        raise AssertionError


def test_nothing_set_costs_no_look() -> None:
    """Where nothing is set for any model the snapshot is not even looked at."""
    families = Families.load()
    ways = Ways(families, Settings(), Unasked())  # type: ignore[arg-type]
    assert ways.of(QWEN) is families.of(QWEN)
    assert ways.strategy(QWEN) == "auto"
    assert not ways.always(QWEN)
