"""Whose word counts: every pair of layers, with every option that both can say.

The layers, highest first, are the specification's (gateway, section 5).
"""

from itertools import combinations
from typing import Any, NamedTuple

import pytest
from support.gateway import installed, key, snapshot
from support.ollama import Ollama, ask
from support.stack import linted

from app.gateway.entries import AliasEntry, ModelEntry

SECRET = "sk-test-key-of-thirty-two-characters"
HI = [{"role": "user", "content": "hi"}]


class Value(NamedTuple):
    """An option with a value for the higher of two layers, and one for the lower."""

    higher: Any
    lower: Any


VALUES = {
    "temperature": Value(0.25, 0.5),
    "top_p": Value(0.25, 0.5),
    "num_ctx": Value(2048, 4096),
    "num_predict": Value(100, 200),
    "seed": Value(1, 2),
    "top_k": Value(11, 12),
    "min_p": Value(0.1, 0.2),
    "typical_p": Value(0.3, 0.4),
    "repeat_penalty": Value(1.25, 1.5),
    "repeat_last_n": Value(5, 6),
    "num_keep": Value(7, 8),
    "frequency_penalty": Value(0.25, 0.5),
    "presence_penalty": Value(0.75, 1),
    "stop": Value(["x"], ["y", "z"]),
    "num_gpu": Value(1, 2),
    "use_mmap": Value(True, False),
    "something_new": Value("a", "b"),
    "think": Value("high", "low"),
    "keep_alive": Value("5m", 30),
    "truncate": Value(False, True),
    "shift": Value(False, True),
    "format": Value({"type": "object"}, "json"),
}
#: Those that are members of the call itself; ``format`` can only be set here.
BESIDE = frozenset(["think", "keep_alive", "truncate", "shift", "format"])
OPTIONS = VALUES.keys() - BESIDE

#: What has a field of a request under Ollama's own name.
FIELDS = {
    "num_ctx",
    "num_keep",
    "num_predict",
    "repeat_last_n",
    "typical_p",
    "top_k",
    "min_p",
    "repeat_penalty",
    "think",
    "keep_alive",
    "truncate",
    "shift",
}
_SAMPLING = {
    "temperature": "temperature",
    "top_p": "top_p",
    "repeat_penalty": "repetition_penalty",
}
_OPENAI = _SAMPLING | {
    "seed": "seed",
    "stop": "stop",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "num_predict": "max_tokens",
}


class Endpoint(NamedTuple):
    """A path, what else a request has, and its dialect's name of options."""

    path: str
    body: dict[str, Any]
    dialect: dict[str, str]


ENDPOINTS = {
    "chat": Endpoint(
        "/v1/chat/completions",
        {"messages": HI},
        _OPENAI | {"think": "reasoning_effort", "num_predict": "max_completion_tokens"},
    ),
    "completions": Endpoint("/v1/completions", {"prompt": "hi"}, _OPENAI),
    "responses": Endpoint(
        "/v1/responses",
        {"input": "hi"},
        _SAMPLING | {"think": "reasoning_effort", "num_predict": "max_output_tokens"},
    ),
    "messages": Endpoint(
        "/v1/messages",
        {"messages": HI},
        _SAMPLING
        | {
            "stop": "stop_sequences",
            "think": "reasoning_effort",
            "num_predict": "max_tokens",
        },
    ),
}
#: Highest first.  ``caps`` are a key's, ``usual`` is what is sent for nothing.
LAYERS = (
    "caps",
    "forced",
    "field",
    "dialect",
    "options",
    "ollama_options",
    "ollama",
    "alias",
    "model",
    "key",
    "global",
    "usual",
)
#: What a key's terms call the caps.
CAPS = {"num_predict": "max_output_tokens", "num_ctx": "max_num_ctx"}


class Said:
    """What all layers say: of a request, and of what is set."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.body: dict[str, Any] = dict(endpoint.body)
        self.terms: dict[str, Any] = {}
        #: The layer whose values are forced: the least, unless that is the other one.
        self.forcing = "global"
        self.overrides: dict[str, dict[str, Any]] = {
            name: {} for name in ("alias", "model", "key", "global")
        }

    def can(self, layer: str, name: str) -> bool:
        """Whether a layer has a way to say something of an option."""
        return {
            "caps": name in CAPS,
            "field": name in FIELDS,
            "dialect": name in self.endpoint.dialect,
            "options": name in OPTIONS,
            "ollama_options": name in OPTIONS,
            "ollama": name in OPTIONS,
            "usual": name in ("temperature", "top_p")
            and self.endpoint.path in ("/v1/chat/completions", "/v1/completions"),
        }.get(layer, True)

    def say(self, layer: str, name: str, value: Any) -> None:
        """Let a layer say something."""
        if layer == "caps":
            self.terms[CAPS[name]] = value
        elif layer == "forced":
            self.overrides[self.forcing][name] = {"value": value, "mode": "force"}
        elif layer == "field":
            self.body[name] = value
        elif layer == "dialect":
            self.body[self.endpoint.dialect[name]] = value
        elif layer in ("options", "ollama_options"):
            self.body.setdefault(layer, {})[name] = value
        elif layer == "ollama":
            self.body.setdefault(layer, {"options": {}})["options"][name] = value
        elif layer != "usual":
            self.overrides[layer][name] = value

    def sent(self) -> dict[str, Any]:
        """What reaches Ollama: options, and what stands beside them."""
        ollama = Ollama()
        holder = key(
            secret=SECRET,
            overrides=self.overrides["key"],
            allow_runner_options=True,
            allow_keep_alive=True,
            **self.terms,
        )
        aliases = [
            AliasEntry(name="a", target="m", overrides=self.overrides["alias"]),
            AliasEntry(name="b", target="m", overrides={"temperature": 2}),
        ]
        models = [
            ModelEntry(name="m", overrides=self.overrides["model"]),
            ModelEntry(name="other", overrides={"temperature": 2}),
        ]
        now = snapshot(
            holder, aliases=aliases, models=models, overrides=self.overrides["global"]
        )
        app = linted(ollama, installation=installed(now), responses_ttl=0)
        body = {"model": "A", **self.body}
        authorization = f"Bearer {SECRET}"
        answer = ask(
            app, path=self.endpoint.path, body=body, Authorization=authorization
        )
        assert answer.status == 200, answer.body
        (call,) = ollama.calls
        assert call.json["model"] == "m"
        return {**call.json, **call.json.get("options", {})}


PAIRS = [pair for pair in combinations(LAYERS, 2) if pair != ("caps", "usual")]


@pytest.mark.parametrize(("higher", "lower"), PAIRS)
@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=ENDPOINTS)
def test_the_higher_one_wins(endpoint: Endpoint, higher: str, lower: str) -> None:
    """Of two layers that say something of an option, the higher one counts."""
    said = Said(endpoint)
    both = [n for n in VALUES if said.can(higher, n) and said.can(lower, n)]
    said.forcing = "key" if lower == "global" else "global"
    for name in both:
        said.say(lower, name, VALUES[name].lower)
        said.say(higher, name, VALUES[name].higher)
    found = said.sent()
    assert {name: found.get(name) for name in both} == {
        name: VALUES[name].higher for name in both
    }


@pytest.mark.parametrize("layer", [one for one in LAYERS if one != "usual"])
@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=ENDPOINTS)
def test_each_layer_is_heard(endpoint: Endpoint, layer: str) -> None:
    """What one layer alone says counts, of every option that it can speak of."""
    said = Said(endpoint)
    able = [name for name in VALUES if said.can(layer, name)]
    for name in able:
        said.say(layer, name, VALUES[name].higher)
    found = said.sent()
    wanted = {name: VALUES[name].higher for name in able}
    assert {name: found.get(name) for name in wanted} == wanted


def test_the_pairs() -> None:
    """Every two neighbours have options in which they meet, but caps and no wish."""
    for endpoint in (ENDPOINTS["chat"], ENDPOINTS["messages"]):
        said = Said(endpoint)
        for higher, lower in combinations(LAYERS[:-1], 2):
            both = [n for n in VALUES if said.can(higher, n) and said.can(lower, n)]
            assert both, (higher, lower)


@pytest.mark.parametrize(
    ("higher", "lower"), list(combinations(["alias", "model", "key", "global"], 2))
)
@pytest.mark.parametrize("mode", ["force", "remove"])
def test_of_two_that_force(mode: str, higher: str, lower: str) -> None:
    """Among layers that force, the higher one counts; a default never does."""
    said = Said(ENDPOINTS["chat"])
    said.say("field", "top_k", 1)
    said.say(higher, "top_k", {"value": 2, "mode": mode})
    said.say(lower, "top_k", {"value": 3, "mode": "force"})
    assert said.sent().get("top_k") == (2 if mode == "force" else None)
    said.say(higher, "top_k", 4)
    assert said.sent()["top_k"] == 3


def test_extra_body() -> None:
    """A literal ``extra_body`` counts after what stands beside it."""
    said = Said(ENDPOINTS["chat"])
    said.body["extra_body"] = {
        "options": {"seed": 1, "top_k": 1},
        "ollama_options": {"seed": 2, "num_keep": 2, "min_p": 0.2},
        "ollama": {"options": {"num_keep": 3, "typical_p": 0.3}},
    }
    said.body["options"] = {"top_k": 4}
    said.body["ollama_options"] = {"min_p": 0.5}
    found = said.sent()
    assert found["options"] == {
        "temperature": 1.0,
        "top_p": 1.0,
        "seed": 1,
        "top_k": 4,
        "num_keep": 2,
        "min_p": 0.5,
        "typical_p": 0.3,
    }


EXCLUDING = ("request", "key", "alias", "model", "global", "usual")


@pytest.mark.parametrize(("higher", "lower"), list(combinations(EXCLUDING, 2)))
@pytest.mark.parametrize("hide", [True, False])
def test_who_hides_the_reasoning(hide: bool, higher: str, lower: str) -> None:
    """Here the key counts before alias and model (specification: gateway, 5.1)."""
    said = Said(ENDPOINTS["chat"])
    for layer, value in ((lower, not hide), (higher, hide)):
        if layer == "request":
            said.body["exclude_reasoning"] = value
        elif layer != "usual":
            said.overrides[layer]["exclude_reasoning"] = value
    settings = {"exclude_reasoning": not hide if lower == "usual" else hide}
    thought = (
        b'{"message":{"content":"Hello","thinking":"hmm"},"done":true,'
        b'"prompt_eval_count":1,"eval_count":8}'
    )
    now = snapshot(
        key(secret=SECRET, overrides=said.overrides["key"]),
        aliases=[AliasEntry(name="a", target="m", overrides=said.overrides["alias"])],
        models=[ModelEntry(name="m", overrides=said.overrides["model"])],
        overrides=said.overrides["global"],
    )
    app = linted(Ollama(thought), installation=installed(now), **settings)
    body = {"model": "a", **said.body}
    answer = ask(app, body=body, Authorization=f"Bearer {SECRET}")
    assert ("reasoning" not in answer.json["choices"][0]["message"]) == hide
