"""Each editor's own requests, literally: what reaches Ollama, and what it reads."""

import http.client
import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any, NamedTuple

import pytest
from support import editors_code, editors_vim
from support.editors import MODEL, Case, events, openai_stream, qwen, starcoder
from support.server import PATIENCE, ROOT, Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

#: Models that the simulator has to have, and whose abilities they have.
MODELS = {
    MODEL: "qwen2.5-coder",
    "qwen3-coder:thinking": "qwen3",
    "codellama:7b-code": "qwen2.5-coder",
    "codellama:7b-code-q4_K_M": "qwen2.5-coder",
    "codellama:code": "qwen2.5-coder",
    "codestral:22b": "qwen2.5-coder",
    "deepseek-coder:6.7b-base": "llama3.2",
    "stable-code:3b-code-q4_0": "llama3.2",
    "starcoder2:3b": "qwen2.5-coder",
}
SETTINGS = {
    "PANNIER_CODE_MODEL": MODEL,
    "PANNIER_ALIASES": (
        f"codellama:13b-code-q4_K_M={MODEL},codestral-latest={MODEL},"
        f"deepseek-v4-flash={MODEL}"
    ),
}
#: What a server under the linter must never write.
BREACHES = ("AssertionError", "ResourceWarning", "WSGIWarning", "without being closed")


@pytest.fixture(scope="module")
def ollama() -> Iterator[Simulator]:
    """A simulator with the models that editors have by default."""
    with Simulator() as running:
        for name, source in MODELS.items():
            body = {"source": source, "destination": name}
            assert running.ask("POST", "/api/copy", body)[0] == 200
        yield running


@pytest.fixture(scope="module")
def pannier(ollama: Simulator) -> Iterator[Server]:
    """Pannier with a model for code, under a linter of WSGI."""
    env = {"OLLAMA_URL": ollama.url, "PYTHONWARNINGS": "error::ResourceWarning"}
    linted = ["tests.support.linted:application"]
    with Server({**env, **SETTINGS}, arguments=linted) as running:
        yield running
        running.stop(signal.SIGINT)
        output = running.output()
        assert [words for words in BREACHES if words in output] == [], output[-8000:]


class Got(NamedTuple):
    """An answer; names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def connection_to(server: Server) -> http.client.HTTPConnection:
    """A connection that does not wait for ever."""
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)


def send(
    server: Server,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
) -> Got:
    """Send JSON as editors write it, in UTF-8 without escapes; GET without a body."""
    with closing(connection_to(server)) as connection:
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        given = {"Content-Type": "application/json", **(headers or {})}
        connection.request("GET" if data is None else "POST", path, data, given)
        answer = connection.getresponse()
        named = {name.lower(): value for name, value in answer.getheaders()}
        return Got(answer.status, named, answer.read())


def calls(ollama: Simulator) -> list[tuple[str, dict[str, Any]]]:
    """The calls for text that reached Ollama since its log was cleared."""
    generating = ("/api/generate", "/api/chat")
    entries = [one for one in ollama.log() if one["target"] in generating]
    return [(one["target"], json.loads(one["body"])) for one in entries]


def said(ollama: Simulator, path: str, call: dict[str, Any]) -> str:
    """What the simulator says to a call; to the same one it is always the same."""
    status, body = ollama.ask("POST", path, call)
    assert status == 200, body
    return "".join(json.loads(line)["response"] for line in body.splitlines())


EDITORS = {
    "llama-coder": editors_code.LLAMA_CODER,
    "twinny": editors_code.TWINNY,
    "Continue": editors_code.CONTINUE,
    "llama.vscode": editors_code.LLAMA_VSCODE,
    "ProxyAI": editors_code.PROXYAI,
    "llama.vim": editors_vim.LLAMA_VIM,
    "minuet-ai.nvim": editors_vim.MINUET,
    "cmp-ai": editors_vim.CMP_AI,
    "vim-ollama": editors_vim.VIM_OLLAMA,
}
CASES = [
    pytest.param(case, id=f"{editor}-{name}")
    for editor, cases in EDITORS.items()
    for name, case in cases.items()
]


@pytest.mark.parametrize("case", CASES)
def test_request(pannier: Server, ollama: Simulator, case: Case) -> None:
    """What an editor sends reaches Ollama as the model learnt it, and can be read."""
    ollama.clear()
    got = send(pannier, case.path, case.body, case.headers)
    assert got.status == 200, got.body
    ((path, call),) = calls(ollama)
    assert path == "/api/generate"
    assert call == (case.body if case.call is None else case.call)
    assert case.read(got.body) == said(ollama, path, call) != ""


@pytest.mark.parametrize("editor", EDITORS)
def test_its_settings_are_told(editor: str) -> None:
    """docs/editors.md has a section for each of the editors."""
    page = (ROOT / "docs" / "editors.md").read_text(encoding="utf-8")
    assert f"\n### {editor}\n" in page


# ---------------------------------------------------------------- models that chat

CHAT = "qwen3"
ONLY_CHATS = {
    "llama-coder": ("/api/generate", {"prompt": "<PRE> a = f( <SUF> ) <MID>"}),
    "Continue": ("/api/generate", {"prompt": starcoder("a = f(", ")"), "raw": True}),
    "ProxyAI": ("/api/generate", {"prompt": "a = f(", "suffix": ")", "raw": True}),
    "minuet": ("/v1/completions", {"prompt": "a = f(", "suffix": ")"}),
    "llama.vim": ("/infill", {"prompt": "a = f(", "input_suffix": ")"}),
    "cmp-ai": ("/v1/completions", {"segments": {"prefix": "a = f(", "suffix": ")"}}),
}


@pytest.mark.parametrize("editor", ONLY_CHATS)
def test_a_model_that_chats(pannier: Server, ollama: Simulator, editor: str) -> None:
    """A model that only chats is asked for what is missing, and not to think."""
    ollama.clear()
    path, body = ONLY_CHATS[editor]
    got = send(pannier, path, {"model": CHAT, **body})
    assert got.status == 200, got.body
    ((path, call),) = calls(ollama)
    assert (path, call["model"], call["think"]) == ("/api/chat", CHAT, False)
    assert call["options"]["stop"] == ["</completion>"]
    assert "a = f(<missing_1>)" in call["messages"][-1]["content"]


# ----------------------------------------------------- what they ask before or after


def test_llama_coder_finds_its_model(pannier: Server) -> None:
    """llama-coder looks for exactly its model's name, which may be an alias."""
    listed = json.loads(send(pannier, "/api/tags").body)["models"]
    names = {model["name"] for model in listed}
    assert {MODEL, "codellama:7b-code-q4_K_M", "codellama:13b-code-q4_K_M"} <= names


def test_llama_coder_stops_reading(pannier: Server, ollama: Simulator) -> None:
    """Brackets that close what was not open: it hangs up, and so does Ollama's call."""
    body = {"model": "sim-chunks1000-tps20", "raw": True, "options": {"stop": []}}
    body["prompt"] = "<PRE> def f( <SUF> ) <MID>"
    with closing(connection_to(pannier)) as connection:
        connection.request("POST", "/api/generate", json.dumps(body))
        assert json.loads(connection.getresponse().readline())["done"] is False
    ollama.wait(path="/api/generate", body="sim-chunks1000", outcome="client-left")


@pytest.mark.parametrize(
    ("model", "knows"),
    [
        (MODEL, True),
        ("deepseek-coder:6.7b-base", True),
        ("codestral-latest", True),
        ("llama3.2", False),
    ],
)
def test_continue_asks_first(pannier: Server, model: str, knows: bool) -> None:
    """Continue sends a suffix where the template that it is shown has one."""
    shown = json.loads(send(pannier, "/api/show", {"name": model}).body)
    assert (".Suffix" in shown["template"]) is knows
    assert ("insert" in shown["capabilities"]) is knows


def test_llama_vim_warms_up(pannier: Server, ollama: Simulator) -> None:
    """What llama.vim sends while nobody types is answered at once, and read ahead."""
    ollama.clear()
    got = send(pannier, "/infill", editors_vim.WARM_UP)
    assert (got.status, got.body) == (200, b"{}")
    call = json.loads(ollama.wait(path="/api/generate")["body"])
    assert call["prompt"] == editors_vim.CHUNKS_TOLD + qwen("", "")
    assert call["options"]["num_predict"] == 1


def test_llama_vim_instructs(pannier: Server) -> None:
    """Instructions of llama.vim are a chat, with fields of llama.cpp beside it."""
    got = send(pannier, "/v1/chat/completions", editors_vim.INSTRUCTION)
    *chunks, done = events(got.body)
    assert done == "[DONE]"
    pieces = [chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks]
    assert "Write a test" in "".join(pieces)


def test_llama_vscode_asks_how_it_is(pannier: Server) -> None:
    """llama.vscode looks for a status, for the context's size, and for models."""
    assert json.loads(send(pannier, "/health").body)["status"] == "ok"
    props = json.loads(send(pannier, "/props").body)
    assert props["default_generation_settings"]["n_ctx"] > 0
    listed = json.loads(send(pannier, "/v1/models").body)["data"]
    assert MODEL in [model["id"] for model in listed]


def test_llama_vscode_embeds_and_chats(pannier: Server) -> None:
    """llama.vscode's other endpoints are OpenAI's."""
    vectors = {"input": "f()", "model": "all-minilm", "encoding_format": "float"}
    told = json.loads(send(pannier, "/v1/embeddings", vectors).body)
    assert len(told["data"][0]["embedding"]) == 384
    messages = [
        {"role": "system", "content": "You are an expert coder.\n"},
        {"role": "user", "content": "Say this is a test"},
    ]
    chat = {
        "messages": messages,
        "stream": False,
        "cache_prompt": True,
        "temperature": 0.8,
        "top_p": 0.95,
        "model": "llama3.2",
    }
    answer = json.loads(send(pannier, "/v1/chat/completions", chat).body)
    assert "Say this is a test" in answer["choices"][0]["message"]["content"]


def test_minuet_asks_three_times(pannier: Server, ollama: Simulator) -> None:
    """minuet-ai.nvim's three equal requests at once are three calls, all answered."""
    ollama.clear()
    case = editors_vim.MINUET["ollama"]
    with ExitStack() as stack:
        sent = [stack.enter_context(closing(connection_to(pannier))) for _ in range(3)]
        for connection in sent:
            connection.request("POST", case.path, json.dumps(case.body), case.headers)
        answers = [connection.getresponse() for connection in sent]
        assert [answer.status for answer in answers] == [200] * 3
        assert all(openai_stream(answer.read()) for answer in answers)
    assert [call for _, call in calls(ollama)] == [case.call] * 3


def test_cmp_ai_unloads(pannier: Server, ollama: Simulator) -> None:
    """cmp-ai's farewell unloads the model, as Ollama does it."""
    ollama.clear()
    got = send(pannier, "/api/generate", editors_vim.UNLOAD)
    assert json.loads(got.body)["done_reason"] == "unload"
    assert calls(ollama) == [("/api/generate", editors_vim.UNLOAD)]
