"""Claude Code and Codex do small tasks, with the settings of docs/agents.md.

The model is scripted: what it calls stands in the prompt.
"""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import examples
from support.agents import (
    ADDRESS,
    AGENTS,
    BLOCKS,
    MODEL,
    SHOWN,
    Ran,
    Task,
    call,
    claude,
    codex,
    said,
    seen,
)
from support.leaving import eventually
from support.server import Server
from support.simulator import Simulator
from support.watch import Watch

pytestmark = [pytest.mark.compat, pytest.mark.live]

DONE = "The work is done."
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
    "awAAAABJRU5ErkJggg=="
)


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


def test_other_tools(task: Task, pannier: Server, watch: Watch) -> None:
    """A picture, a tool's error and a second agent are all part of a conversation."""
    (task.work / "dot.png").write_bytes(PIXEL)
    below = {"description": "A talk", "prompt": "SAY Below.", "subagent_type": "claude"}
    steps = [
        call("Read", file_path=str(task.work / "dot.png")),
        call("Read", file_path=str(task.work / "nothing.txt")),
        call("Agent", run_in_background=False, **below),
        f"SAY {DONE}",
    ]
    before = len(requests(pannier))
    ran = claude(task, "sim-script-vision", "\n".join(steps))
    assert (ran.status, said(ran)) == (0, DONE), ran.printed
    picture, error, *_, below_said = seen(ran)
    assert "image/png" in picture
    assert "does not exist" in error
    assert "Below." in below_said
    assert eventually(lambda: len(requests(pannier)) >= before + 5)
    logged = requests(pannier)[before:]
    assert len(logged) == 5
    assert all(" status=200 outcome=done " in line for line in logged), logged
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
