"""Coding agents without a screen, set up as docs/agents.md says."""

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from . import examples
from .server import ROOT

AGENTS = ROOT / "tests" / "compat" / "agents"
CLAUDE = AGENTS / "node_modules/@anthropic-ai/claude-code/cli-wrapper.cjs"
CODEX = AGENTS / "node_modules/@openai/codex/bin/codex.js"
#: Seconds for one task of some steps; an agent repeats for minutes what fails.
PATIENCE = 120

BLOCKS = examples.blocks(ROOT / "docs" / "agents.md", "sh", "toml", "python")
SHOWN = {(block.title, block.language): block.code for block in BLOCKS}
#: What the page calls Pannier and the model.
ADDRESS, MODEL = "http://127.0.0.1:8080", "qwen3-coder"


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
