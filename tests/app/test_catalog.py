import itertools
import json
import threading
from typing import Any

import pytest
from support.carrying import eventually
from support.simulator import Simulator

from app.catalog import AGAIN, LIST_AGE, LOADED_AGE, MAX_FACTS, Catalog
from app.errors import UpstreamError, UpstreamTimeout, UpstreamUnreachable
from app.upstream import Upstream
from app.wire import names

SHOWN = {
    "capabilities": ["completion", "tools"],
    "details": {"family": "llama", "parameter_size": "3.2B"},
    "model_info": {
        "general.architecture": "llama",
        "llama.context_length": 131072,
        "clip.context_length": 77,
    },
    "parameters": 'stop                           "x"\nnum_ctx            16384',
    "template": "{{ .Prompt }}",
}


class Control:
    """Ollama's answers to control calls; notes them.  The clock is turned by hand."""

    def __init__(self, *models: str) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.now = 0.0
        self.failure: Exception | None = None
        self.gate: threading.Event | None = None
        self.tags: Any = [
            {"name": name, "model": name, "digest": f"d-{name}"} for name in models
        ]
        self.shown: dict[str, Any] = dict.fromkeys(models, SHOWN)
        self.running: Any = []

    def __call__(self, method: str, path: str, payload: Any, timeout: float) -> bytes:
        """One call."""
        self.calls.append((path, payload and payload.model))
        if self.gate:
            assert self.gate.wait(10)
        if self.failure:
            raise self.failure
        if path == "/api/show":
            shown = self.shown.get(payload.model)
            if shown is None:
                raise UpstreamError("Ollama answered with an error")
            return shown if isinstance(shown, bytes) else json.dumps(shown).encode()
        models = self.tags if path == "/api/tags" else self.running
        if isinstance(models, bytes):
            return models
        return json.dumps({"models": models}).encode()

    @property
    def paths(self) -> list[str]:
        """What was asked, in order, since the last look."""
        paths = [path.removeprefix("/api/") for path, _ in self.calls]
        self.calls.clear()
        return paths


def catalog_of(control: Control) -> Catalog:
    """A catalogue on the control's clock."""
    return Catalog(control, lambda: control.now)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("llama3.2", "registry.ollama.ai/library/llama3.2:latest"),
        ("LLAMA3.2:Latest", "registry.ollama.ai/library/llama3.2:latest"),
        ("library/llama3.2", "registry.ollama.ai/library/llama3.2:latest"),
        (
            "registry.ollama.ai/library/llama3.2:latest",
            "registry.ollama.ai/library/llama3.2:latest",
        ),
        ("https://hf.co/ns/x:Q4", "hf.co/ns/x:q4"),
        ("u/x", "registry.ollama.ai/u/x:latest"),
        ("localhost:5000/u/x", "localhost:5000/u/x:latest"),
        ("m:", "registry.ollama.ai/library/m:latest"),
        ("", "registry.ollama.ai/library/:latest"),
    ],
)
def test_spellings_of_a_name(name: str, key: str) -> None:
    """All spellings of a model share one key, as Ollama matches them."""
    assert names.key(name) == key


def test_facts() -> None:
    """What Ollama shows of a model is read; its own context length, not another's."""
    facts = catalog_of(Control("llama3.2:latest")).facts("Library/LLAMA3.2")
    assert facts is not None
    assert (facts.name, facts.digest) == ("llama3.2:latest", "d-llama3.2:latest")
    assert facts.capabilities == {"completion", "tools"}
    assert (facts.family, facts.context_length, facts.num_ctx) == (
        "llama",
        131072,
        16384,
    )
    assert facts.template == "{{ .Prompt }}"
    assert facts.details["parameter_size"] == "3.2B"
    assert facts.chats


@pytest.mark.parametrize(
    "odd",
    [
        {},
        dict.fromkeys(SHOWN, 5),
        dict.fromkeys(SHOWN, None),
        {key: [] for key in SHOWN} | {"capabilities": None},
        {"model_info": {"general.architecture": [], "llama.context_length": "x"}},
        {"parameters": "num_ctx 0\nxnum_ctx 5", "details": {"family": 5}},
    ],
    ids=repr,
)
def test_odd_facts(odd: Any) -> None:
    """What is missing or odd is unknown, and no reason to fail."""
    control = Control("m:latest")
    control.shown["m:latest"] = odd
    facts = catalog_of(control).facts("m")
    assert facts is not None
    assert facts.capabilities is None
    assert facts.family == facts.template == ""
    assert facts.context_length is facts.num_ctx is None


@pytest.mark.parametrize(
    ("said", "tokens"),
    [
        ("num_ctx                        4096", 4096),
        ("num_ctx 1.048576e+06", 1048576),
        ("num_ctx 2e+06", 2000000),
        ('num_ctx "8192"', 8192),
        ("num_ctx 9e+99", None),
        ("num_ctx -1", None),
        ('stop "num_ctx 5"', None),
    ],
)
def test_the_modelfiles_context(said: str, tokens: int | None) -> None:
    """PARAMETER num_ctx is read as Ollama prints it, large numbers in Go's way."""
    control = Control("m:latest")
    control.shown["m:latest"] = {"parameters": f"seed 1\n{said}\ntop_k 5"}
    facts = catalog_of(control).facts("m")
    assert facts is not None
    assert facts.num_ctx == tokens


def test_only_one_context_length() -> None:
    """Without an architecture the only context length that is told is the model's."""
    control = Control("m:latest")
    control.shown["m:latest"] = {"model_info": {"x.context_length": 100}}
    facts = catalog_of(control).facts("m")
    assert facts is not None
    assert facts.context_length == 100


def test_facts_are_remembered_by_digest() -> None:
    """The list is asked every 10 s, a model only when its digest is new."""
    control = Control("m:latest")
    catalog = catalog_of(control)
    for _ in range(3):
        assert catalog.facts("m")
    assert control.paths == ["tags", "show"]
    control.now += LIST_AGE
    assert catalog.facts("m")
    assert control.paths == ["tags"]
    control.now += LIST_AGE
    control.tags[0]["digest"] = "new"
    control.shown["m:latest"] = SHOWN | {"capabilities": ["embedding"]}
    facts = catalog.facts("m")
    assert facts is not None
    assert facts.capabilities == {"embedding"}
    assert not facts.chats
    assert control.paths == ["tags", "show"]


def test_a_model_that_is_not_listed() -> None:
    """It is asked for by its own name, and remembered as long as the list."""
    control = Control()
    control.shown["sim-think"] = SHOWN
    catalog = catalog_of(control)
    facts = catalog.facts("sim-think")
    assert facts is not None
    assert (facts.name, facts.digest) == ("sim-think", "")
    assert not catalog.installed("sim-think")
    assert control.paths == ["tags", "show"]
    control.now += LIST_AGE - 0.1
    assert catalog.facts("sim-think")
    assert "show" not in control.paths
    control.now += 0.2
    assert catalog.facts("sim-think")
    assert "show" in control.paths


def test_whether_ollama_has_a_model() -> None:
    """One of its list, or one that it knows without; nobody knows without a list."""
    control = Control("m:latest")
    control.shown["big-cloud"] = SHOWN
    catalog = catalog_of(control)
    assert [catalog.has(name) for name in ("m", "big-cloud", "zz")] == [
        *(True, True, False)
    ]
    assert catalog_of(Control()).has("m") is None


def test_a_model_that_is_not_there() -> None:
    """It is asked for again, but at most every 2 s."""
    control = Control("a:latest")
    catalog = catalog_of(control)
    for _ in range(3):
        assert catalog.facts("zz") is None
        assert not catalog.installed("zz")
    assert control.paths == ["tags", "show"]
    control.now += AGAIN
    control.tags.append({"name": "zz:latest", "digest": "d"})
    control.shown["zz:latest"] = SHOWN
    assert catalog.installed("ZZ")
    assert catalog.facts("zz")
    assert catalog.installed("a")
    assert control.paths == ["tags", "show"]


@pytest.mark.parametrize("failure", [UpstreamUnreachable("x"), UpstreamTimeout("x")])
def test_an_ollama_that_is_away(failure: Exception) -> None:
    """Nothing is known, at the cost of one call every 2 s, however much is asked."""
    control = Control("m:latest")
    control.failure = failure
    catalog = catalog_of(control)
    for _ in range(3):
        assert catalog.facts("m") is None
        assert catalog.loaded("m") is None
        assert catalog.first_chat_model() is None
        assert not catalog.installed("m")
    assert control.paths == ["tags"]
    control.now += AGAIN
    control.failure = None
    assert catalog.facts("m")
    assert control.paths == ["tags", "show"]


def test_what_was_known_stays_known() -> None:
    """A list that fails takes nothing away."""
    control = Control("m:latest")
    catalog = catalog_of(control)
    assert catalog.facts("m")
    control.now += LIST_AGE
    control.failure = UpstreamUnreachable("x")
    assert catalog.facts("m")
    assert catalog.installed("m")


@pytest.mark.parametrize(
    "said", [b"", b"{}", b"<html>", b"[]", b'{"models":5}', b"\xff"]
)
def test_no_list(said: bytes) -> None:
    """An answer that is no list is as good as none."""
    control = Control("m:latest")
    control.tags = control.running = said
    control.shown["m"] = said
    catalog = catalog_of(control)
    assert not catalog.installed("m")
    assert catalog.loaded("m") is None
    assert catalog.first_chat_model() is None


@pytest.mark.parametrize("said", [b"", b"<html>", b"[]", b"\xff", b"[" * 20_000])
def test_no_facts(said: bytes) -> None:
    """An answer that is no model is as good as none."""
    control = Control("m:latest")
    control.shown["m:latest"] = said
    assert catalog_of(control).facts("m") is None


def test_odd_entries() -> None:
    """What is no model in a list costs only itself."""
    control = Control("m:latest")
    control.tags = [None, 5, {}, {"name": 5}, {"name": "n", "digest": 5}, *control.tags]
    catalog = catalog_of(control)
    assert catalog.installed("m")
    assert catalog.installed("n")


def test_loaded() -> None:
    """The context of a loaded model, remembered for a second."""
    control = Control("m:latest", "n:latest")
    control.running = [{"name": "m:latest", "context_length": 8192}, {"name": "old"}]
    catalog = catalog_of(control)
    assert catalog.loaded("M") == 8192
    assert catalog.loaded("old") == 0
    assert catalog.loaded("n") is None
    assert control.paths == ["ps"]
    control.running = []
    control.now += LOADED_AGE
    assert catalog.loaded("m") is None
    control.failure = UpstreamError("x")
    control.now += LOADED_AGE
    assert catalog.loaded("m") is None


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_the_first_chat_model(order: tuple[int, ...]) -> None:
    """It is the newest that generates text, however Ollama orders the same second."""
    control = Control("e:latest", "b:latest", "a:latest", "z:latest")
    seconds = [9, 5, 5, 1]
    for model, second in zip(control.tags, seconds, strict=True):
        model["modified_at"] = f"2026-01-02T03:04:0{second}.{order[0]}Z"
    control.tags = [control.tags[place] for place in order]
    control.shown["e:latest"] = SHOWN | {"capabilities": ["embedding"]}
    assert catalog_of(control).first_chat_model() == "a:latest"


def test_the_first_chat_model_of_an_old_ollama() -> None:
    """Where capabilities are not told, the family says what only embeds."""
    control = Control("e:latest", "b:latest")
    control.shown["e:latest"] = {"details": {"family": "nomic-bert"}}
    control.shown["b:latest"] = {"details": {"family": "llama"}}
    assert catalog_of(control).first_chat_model() == "b:latest"


@pytest.mark.parametrize(
    ("what", "path"), [("installed", "tags"), ("loaded", "ps"), ("facts", "show")]
)
def test_many_at_once_make_one_call(what: str, path: str) -> None:
    """Requests that come while a call is under way wait for it."""
    control = Control("m:latest")
    control.running = [{"name": "m", "context_length": 5}]
    came: set[int] = set()

    def clock() -> float:
        came.add(threading.get_ident())
        return 0.0

    catalog = Catalog(control, clock)
    if what == "facts":
        assert catalog.installed("m")
        assert control.paths == ["tags"]
        came.clear()
    control.gate = threading.Event()
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(getattr(catalog, what)("m")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    assert eventually(lambda: len(came) == 8)  # all have seen that nothing is known
    control.gate.set()
    for thread in threads:
        thread.join(10)
    assert len(found) == 8
    assert all(found)
    assert control.paths == [path]


def test_memory_is_bounded() -> None:
    """Whatever names clients make up, the facts that are kept have a bound."""
    control = Control("m:latest")
    catalog = catalog_of(control)
    for number in range(MAX_FACTS + 50):
        catalog.facts(f"made-up-{number}")
    assert len(catalog._facts) == MAX_FACTS + len(control.tags)
    assert catalog.facts("m")


def test_a_long_list() -> None:
    """Who asks for all models in turn has each one asked once, however many there are.

    A memory that is shorter than the list would forget each before it is wanted again.
    """
    names = [f"m{number}:latest" for number in range(MAX_FACTS + 50)]
    control = Control(*names)
    catalog = catalog_of(control)
    for name in names * 2:
        assert catalog.facts(name)
    assert control.paths.count("show") == len(names)


def test_a_real_upstream(simulator: Simulator) -> None:
    """The catalogue reads what Ollama really answers."""
    upstream = Upstream(simulator.url)
    catalog = Catalog(upstream.control)
    facts = catalog.facts("qwen3")
    assert facts is not None
    assert facts.capabilities == {"completion", "tools", "thinking"}
    assert (facts.name, facts.family) == ("qwen3:latest", "qwen3")
    assert facts.context_length == 40960
    unlisted = catalog.facts("sim-think")
    assert unlisted is not None
    assert "thinking" in (unlisted.capabilities or ())
    assert catalog.facts("missing") is None
    simulator.ask("POST", "/api/generate", {"model": "qwen3", "stream": False})
    assert catalog.loaded("qwen3") == 4096
    assert catalog.first_chat_model()
    upstream.close()
