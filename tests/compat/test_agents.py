"""Coding agents without a screen, set up as docs/agents.md says.

The model is scripted: what it calls stands in the prompt.
"""

import json
import os
import shlex
import socketserver
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest
from support import examples
from support.leaving import eventually
from support.server import ROOT, Server
from support.simulator import Simulator

pytestmark = [pytest.mark.compat, pytest.mark.live]

AGENTS = Path(__file__).parent / "agents"
CLAUDE = AGENTS / "node_modules/@anthropic-ai/claude-code/cli-wrapper.cjs"
CODEX = AGENTS / "node_modules/@openai/codex/bin/codex.js"
#: Seconds for one task of some steps; an agent repeats for minutes what fails.
PATIENCE = 120

BLOCKS = examples.blocks(ROOT / "docs" / "agents.md", "sh", "toml", "python")
SHOWN = {(block.title, block.language): block.code for block in BLOCKS}
#: What the page calls Pannier and the model.
ADDRESS, MODEL = "http://127.0.0.1:8080", "qwen3-coder"
DONE = "The work is done."


class Watch(socketserver.ThreadingTCPServer):
    """A proxy that lets nobody through; ``tried`` are the hosts that were wanted."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Refusal)
        self.tried: set[str] = set()

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    @property
    def environ(self) -> dict[str, str]:
        """Variables that lead programs here, but for what is on this machine."""
        url = f"http://127.0.0.1:{self.server_address[1]}"
        here = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy")
        return here | dict.fromkeys(names, url)


class Refusal(socketserver.StreamRequestHandler):
    """Writes down who was wanted, and closes."""

    def handle(self) -> None:
        """Read the first line only."""
        assert isinstance(self.server, Watch)
        self.server.tried.add(self.rfile.readline().decode("latin-1").strip())


class Task(NamedTuple):
    """Where an agent works, and what it is set up with."""

    home: Path
    work: Path
    url: str
    environ: dict[str, str]


class Ran(NamedTuple):
    """How it ended; ``lines`` are the JSON objects that it printed."""

    status: int
    lines: list[dict[str, Any]]
    printed: str


def claude(task: Task, model: str, prompt: str, *more: str) -> Ran:
    """Run Claude Code with the variables and the command of the page."""
    *lines, command = SHOWN["Claude Code", "sh"].splitlines()
    given = [line.removeprefix("export ").split("=", 1) for line in lines]
    environ = {name: value.replace(ADDRESS, task.url) for name, value in given}
    arguments = shlex.split(command.replace(MODEL, model))[1:]
    quiet = ["--output-format", "stream-json", "--verbose"]
    allowed = ["--permission-mode", "acceptEdits", "--allowedTools", "Write,Edit,Read"]
    command_line = [str(CLAUDE), "-p", prompt, *arguments, *quiet, *allowed, *more]
    return run(task, command_line, environ)


def codex(task: Task, model: str, prompt: str, *more: str) -> Ran:
    """Run Codex with the file of the page."""
    config = SHOWN["Codex", "toml"].replace(ADDRESS, task.url).replace(MODEL, model)
    (task.home / ".codex").mkdir()
    (task.home / ".codex" / "config.toml").write_text(config)
    # Its sandbox needs rights that containers lack.
    free = ["--dangerously-bypass-approvals-and-sandbox", "--skip-git-repo-check"]
    return run(task, [str(CODEX), "exec", "--json", *free, *more, prompt], {})


def run(task: Task, command: list[str], environ: dict[str, str]) -> Ran:
    """Run one of Node's programs in an empty home and a directory for the work."""
    done = subprocess.run(
        ["node", *command],
        cwd=task.work,
        env={"PATH": os.environ["PATH"], **task.environ, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return Ran(done.returncode, [json.loads(line) for line in lines], done.stdout)


def said(ran: Ran) -> str:
    """The last words of the agent."""
    results = [line["result"] for line in ran.lines if line["type"] == "result"]
    texts = [item["text"] for item in items(ran, "agent_message")]
    return ["", *results, *texts][-1]


def items(ran: Ran, kind: str) -> list[dict[str, Any]]:
    """What Codex has completed of one type."""
    found = [line["item"] for line in ran.lines if line["type"] == "item.completed"]
    return [item for item in found if item["type"] == kind]


def seen(ran: Ran) -> list[str]:
    """What the agent's tools told the model."""
    users = [line["message"] for line in ran.lines if line["type"] == "user"]
    blocks = [block for message in users for block in message["content"]]
    told = [str(block.get("content")) for block in blocks]
    commands = items(ran, "command_execution")
    return told + [item["aggregated_output"] for item in commands]


def call(tool: str, **arguments: Any) -> str:
    """A step that calls a tool."""
    return f"CALL {tool} {json.dumps(arguments)}"


def edits(file: Path) -> list[str]:
    """Make, change and read a file with the tools of Claude Code."""
    name = str(file)
    return [
        call("Write", file_path=name, content="hello\n"),
        call("Edit", file_path=name, old_string="hello", new_string="goodbye"),
        call("Read", file_path=name),
    ]


def commands(file: Path) -> list[str]:
    """The same with a shell, which is all that Codex gives to models unknown to it."""
    return [
        call("exec_command", cmd=f"echo hello > {file.name}"),
        call("exec_command", cmd=f"sed s/hello/goodbye/ {file.name} > x; mv x {file}"),
        call("exec_command", cmd=f"cat {file.name}"),
    ]


def patches(file: Path) -> list[str]:
    """The same with its tool of free text."""
    made = f"*** Begin Patch\n*** Add File: {file.name}\n+hello\n*** End Patch\n"
    change = f"*** Update File: {file.name}\n@@\n-hello\n+goodbye\n"
    changed = f"*** Begin Patch\n{change}*** End Patch\n"
    return [
        call("apply_patch", input=made),
        call("apply_patch", input=changed),
        call("exec_command", cmd=f"cat {file.name}"),
    ]


Agent = Callable[..., Ran]
Steps = Callable[[Path], list[str]]


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    """The agents: more than 600 MB."""
    examples.install(AGENTS)


@pytest.fixture(scope="module")
def pannier(
    simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Pannier with the ``.env`` that the page makes."""
    home = tmp_path_factory.mktemp("pannier")
    code = SHOWN["Set up Pannier once", "sh"].replace(MODEL, "sim-script-think")
    examples.shell(code, home)
    with Server({"OLLAMA_URL": simulator.url}, cwd=home) as running:
        yield running


@pytest.fixture
def watch() -> Iterator[Watch]:
    """What the agent asks of others."""
    with Watch() as watching:
        yield watching


@pytest.fixture
def task(watch: Watch, pannier: Server, tmp_path: Path) -> Task:
    """An empty home and an empty directory."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    return Task(home, work, pannier.url, {"HOME": str(home), **watch.environ})


def requests(server: Server) -> list[str]:
    """The lines of the access log that tell of models."""
    return [line for line in server.output().splitlines() if " path=/v1/" in line]


@pytest.mark.parametrize(
    ("agent", "model", "steps", "more"),
    [
        (claude, "sim-script", edits, ["--tools", "Write,Edit,Read"]),
        (claude, "sim-script", edits, []),
        (claude, "claude-sonnet-4-5", edits, []),
        (claude, "claude-opus-4-8", edits, []),
        (codex, "sim-script", commands, []),
        (codex, "sim-script-think", commands, []),
        (codex, "gpt-5.5", patches, []),
    ],
)
def test_a_task_of_one_file(
    agent: Agent,
    model: str,
    steps: Steps,
    more: list[str],
    task: Task,
    pannier: Server,
    simulator: Simulator,
    watch: Watch,
) -> None:
    """An agent makes, changes and reads a file; nothing fails or leaves the machine."""
    simulator.clear()
    before = len(requests(pannier))
    file = task.work / "hello.txt"
    script = [*steps(file), f"SAY {DONE}"]
    ran = agent(task, model, "\n".join(["Do this:", *script]), *more)
    assert (ran.status, said(ran)) == (0, DONE), ran.printed
    assert file.read_text() == "goodbye\n"
    assert "goodbye" in seen(ran)[-1]
    assert eventually(lambda: len(requests(pannier)) >= before + len(script))
    logged = requests(pannier)[before:]
    assert len(logged) == len(script)
    assert all(" status=200 outcome=done " in line for line in logged), logged
    chats = [entry for entry in simulator.log() if entry["target"] == "/api/chat"]
    assert [chat["outcome"] for chat in chats] == ["answered"] * len(script)
    assert watch.tried == set()


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (claude, "Prompt is too long"),
        (codex, "ran out of room in the model's context window"),
    ],
)
def test_too_long_is_understood(
    agent: Agent, words: str, task: Task, simulator: Simulator
) -> None:
    """Without ``auto``, an agent is told in its own words that nothing more fits."""
    env = {"OLLAMA_URL": simulator.url, "PANNIER_CONTEXT": "strict"}
    with Server(env) as small:
        ran = agent(task._replace(url=small.url), "sim-script", "SAY hello")
        assert ran.status != 0
        assert words in ran.printed
        assert len(requests(small)) == 1


@pytest.mark.parametrize(
    ("agent", "key", "quiet", "asked"),
    [
        (
            claude,
            ("Claude Code", "sh"),
            "export CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1\n",
            "anthropic.com",
        ),
        (codex, ("Codex", "toml"), "[features]\nplugins = false\n", "chatgpt.com"),
    ],
)
def test_the_watch_sees(
    agent: Agent,
    key: tuple[str, str],
    quiet: str,
    asked: str,
    task: Task,
    watch: Watch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without the page's settings agents do call others, and work where they cannot."""
    assert quiet in SHOWN[key]
    loud = SHOWN[key].replace(quiet, "[features]\n" if "[" in quiet else "")
    monkeypatch.setitem(SHOWN, key, loud)
    ran = agent(task, "sim-script", f"SAY {DONE}")
    assert (ran.status, said(ran)) == (0, DONE), ran.printed
    assert any(asked in line for line in watch.tried)


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "python"])
def test_examples_in_python(
    block: examples.Block, pannier: Server, tmp_path: Path
) -> None:
    """Every Python example works as it is pasted, but for the address."""
    assert ADDRESS in block.code
    printed = examples.python(block.code.replace(ADDRESS, pannier.url), tmp_path)
    assert "sky blue" in printed
    assert "And Paris?" in printed or "second" not in block.code
