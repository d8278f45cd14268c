import contextlib
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.operating import administration
from support.server import PATIENCE, clean_environ, free_port

from app import cli, trial
from app.commands.installed import installed
from app.settings import Settings, options

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _nobodys_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A directory without .env, an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in set(os.environ) - set(clean_environ()):
        monkeypatch.delenv(name)


def test_config_prints_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    """``pannier config`` prints each option as a line that .env understands."""
    assert cli.main(["config"]) == 0
    printed = capsys.readouterr().out.splitlines()
    names = [line.partition("=")[0] for line in printed if not line.startswith("#")]
    assert names == [option.variable for option in options()]


def test_nobody_may_read_on() -> None:
    """A pipe whose reader has enough (``| head``) is no failure that is told."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "config"],
        cwd=ROOT,
        env=clean_environ(),
        stdout=write,
        stderr=subprocess.PIPE,
        timeout=PATIENCE,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


def test_config_masks_secrets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``pannier config`` says that a key is set, not which."""
    monkeypatch.setenv("OLLAMA_API_KEY", "geheim")
    assert cli.main(["config"]) == 0
    printed = capsys.readouterr().out
    assert "OLLAMA_API_KEY=****" in printed
    assert "geheim" not in printed


@pytest.mark.parametrize("command", ["config", "serve", "run"])
def test_l7_a_wrong_setting_is_one_line_and_exit_code_2(
    command: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A command that needs settings refuses wrong ones by name, without a traceback."""
    monkeypatch.setenv("WEB_CONCURRENCY", "many")
    assert cli.main([command]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "pannier: WEB_CONCURRENCY='many': a whole number from 1 to 256 is wanted.\n"
    )


@pytest.mark.parametrize("arguments", [[], ["sevre"], ["--nonsense"]])
def test_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is no command is answered with the list of commands."""
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert "usage: pannier" in captured.err
    assert all(repr(word) in captured.err for word in arguments)


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """``--help`` forgets no command."""
    assert cli.main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in cli.COMMANDS if name != "-h")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """``--version`` says the version of setup.cfg."""
    assert cli.main(["--version"]) == 0
    version = capsys.readouterr().out.removeprefix("pannier ").strip()
    assert f"version = {version}\n" in (ROOT / "setup.cfg").read_text()


def test_serve_becomes_gunicorn(monkeypatch: pytest.MonkeyPatch) -> None:
    """``serve`` hands its arguments on to gunicorn, last, so that they win."""
    became: list[Any] = []
    monkeypatch.setattr(os, "execve", lambda *given: became.extend(given))
    cli.main(["serve", "--bind", "unix:x.sock"])
    program, command, environ = became
    assert program == sys.executable
    assert command[1:4] == ["-P", "-m", "gunicorn"]
    assert command[-3:] == ["--bind", "unix:x.sock", "wsgi:application"]
    assert environ["PYTHONSAFEPATH"] == "1"


def test_serve_on_a_port_that_is_taken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is one line, after a while in which it may become free."""
    became: list[Any] = []
    monkeypatch.setattr(os, "execve", lambda *given: became.append(given))
    monkeypatch.setattr(cli, "_PATIENCE", 0)
    with socket.create_server(("127.0.0.1", 0)) as there:
        port = there.getsockname()[1]
        monkeypatch.setenv("PANNIER_PORT", str(port))
        with pytest.raises(SystemExit) as ended:
            cli.main(["serve"])
        assert (ended.value.code, became) == (1, [])
        assert capsys.readouterr().err == (
            f"pannier: Cannot listen on 127.0.0.1, port {port}: Address already in use."
            "  Stop what is there, or choose another port:"
            f" PANNIER_PORT={port + 1} pannier serve\n"
        )
    cli.main(["serve"])
    assert len(became) == 1


class _Ollama(http.server.BaseHTTPRequestHandler):
    """As much of Ollama as ``pannier run`` asks for, with the models of ``models``."""

    models: dict[str, list[str]]

    def do_GET(self) -> None:
        self._say(
            {"models": [{"name": name} for name in self.models], "version": "0.0.0"}
        )

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._say({"capabilities": self.models[asked["model"]]})

    def _say(self, body: Any) -> None:
        payload = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def ollama(models: dict[str, list[str]]) -> Iterator[str]:
    """A tiny Ollama on loopback; gives its URL."""
    handler = type("Handler", (_Ollama,), {"models": models})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def running(**environ: str) -> Iterator["subprocess.Popen[str]"]:
    """``pannier run`` as ``make run`` starts it; killed if a test forgets to end it."""
    with subprocess.Popen(
        [sys.executable, "-m", "app.cli", "run"],
        cwd=ROOT,
        env=clean_environ(**environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        watchdog = threading.Timer(2 * PATIENCE, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            if process.poll() is None:
                process.send_signal(signal.SIGINT)


def until_curl(process: "subprocess.Popen[str]") -> list[str]:
    """The lines it prints, up to and with the one to try."""
    lines: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if "curl http" in line:
            return lines
    raise AssertionError("".join(lines))


def answer(line: str) -> str:
    """What the printed curl line gets, in a shell, as a user would."""
    curl = subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, timeout=PATIENCE
    )
    message = json.loads(curl.stdout)["choices"][0]["message"]
    return str(message["content"])


@pytest.mark.live
def test_run_without_ollama(tmp_path: Path) -> None:
    """Where no Ollama answers a simulator does, and the printed line gets an answer.

    Commands beside it ask the simulator as well, while it runs.
    """
    port, nobody = free_port(), f"http://127.0.0.1:{free_port()}"
    environ = {"PANNIER_STATE_DIR": str(tmp_path), "OLLAMA_URL": nobody}
    beside = Settings(state_dir=str(tmp_path), upstream_url=nobody, port=port)
    with running(PANNIER_PORT=str(port), **environ) as process:
        lines = until_curl(process)
        notice = next(line for line in lines if "simulator" in line)
        assert nobody in notice
        assert "ollama serve" in notice
        assert "YOUR_KEY" not in lines[-1]
        assert answer(lines[-1])
        assert "llama3.2:latest" in (installed(beside) or ())
    assert installed(beside) is None


@pytest.mark.live
def test_run_goes_over_to_a_real_ollama(tmp_path: Path) -> None:
    """An address that is set meanwhile counts; the dead one of before does not."""
    nobody = f"http://127.0.0.1:{free_port()}"
    environ = {"OLLAMA_URL": nobody, "PANNIER_STATE_DIR": str(tmp_path)}
    with (
        administration(Settings(state_dir=str(tmp_path))) as office,
        ollama({"real:latest": ["completion"]}) as url,
    ):
        office.choices.set({"upstream_url": nobody})
        with running(PANNIER_PORT=str(free_port()), **environ) as process:
            line = until_curl(process)[-1]
            assert answer(line)
            models = line.split()[1].replace("chat/completions", "models")
            office.choices.set({"upstream_url": url})
            assert until_has(models, b'"real:latest"')


def until_has(url: str, wanted: bytes) -> bool:
    """Whether an answer has it in time."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with urllib.request.urlopen(url, timeout=PATIENCE) as response:
            if wanted in response.read():
                return True
        time.sleep(0.05)
    return False


@pytest.mark.live
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_run_stops_everything(number: signal.Signals) -> None:
    """A signal ends Pannier and the simulator, and that is no failure."""
    port, nobody = free_port(), f"http://127.0.0.1:{free_port()}"
    with running(PANNIER_PORT=str(port), OLLAMA_URL=nobody) as process:
        until_curl(process)
        children = descendants(process.pid)
        assert len(children) >= 3, "gunicorn, its worker and the simulator"
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
        assert not [pid for pid in children if alive(pid)]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()


@pytest.mark.live
def test_run_with_ollama(tmp_path: Path) -> None:
    """With an Ollama there is no simulator, and the line names a model that chats.

    It is the Ollama that was set in the database; as there is a key, the line has a
    place for one.
    """
    models = {"embed:latest": ["embedding"], "hf.co/x/y:Q4": ["completion", "tools"]}
    nobody = f"http://127.0.0.1:{free_port()}"
    with ollama(models) as url:
        with administration(Settings(state_dir=str(tmp_path))) as office:
            office.choices.set({"upstream_url": url})
            office.keys.create({"name": "a", "allow_models": ["*"]})
        environ = {"OLLAMA_URL": nobody, "PANNIER_STATE_DIR": str(tmp_path)}
        with running(PANNIER_PORT=str(free_port()), **environ) as process:
            lines = until_curl(process)
    assert '"model": "hf.co/x/y:Q4"' in lines[-1]
    assert " -H 'Authorization: Bearer YOUR_KEY' " in lines[-1]
    assert "simulator" not in "".join(lines)


@pytest.mark.parametrize("kept", ["", "address", "broken"])
def test_run_looks_where_ollama_is_set(tmp_path: Path, kept: str) -> None:
    """The address in the database counts, if there is one that can be read."""
    given = Settings(state_dir=str(tmp_path), upstream_url="http://127.0.0.1:1")
    if kept == "address":
        with administration(given) as office:
            office.choices.set({"upstream_url": "http://127.0.0.1:2"})
    elif kept:
        (tmp_path / "pannier.db").write_bytes(b"nonsense" * 1000)
    found = trial._kept(given)
    url = trial._in_force(given, found).upstream_url
    assert url == ("http://127.0.0.1:2" if kept == "address" else given.upstream_url)
    notice = trial._notice(url, url != given.upstream_url)
    assert ("set in the database" in notice) == (kept == "address")
    assert "'pannier settings set OLLAMA_URL URL'" in notice
    assert not trial._needs_key(given, found)
    closed = msgspec.structs.replace(given, auth="on")
    assert trial._needs_key(closed, found)


@pytest.mark.live
def test_run_with_an_ollama_that_has_no_model() -> None:
    """With an Ollama that cannot chat yet it says how it will."""
    with (
        ollama({"embed:latest": ["embedding"]}) as url,
        running(PANNIER_PORT=str(free_port()), OLLAMA_URL=url) as process,
    ):
        assert "ollama pull llama3.2" in "".join(until_curl(process))


def test_run_where_the_port_is_taken() -> None:
    """A port that somebody has is a sentence that names it, before anything starts."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        with running(PANNIER_PORT=port) as process:
            output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert output.count("\n") == 1
    assert f"127.0.0.1, port {port}: Address already in use" in output


@pytest.mark.live
def test_run_reaches_the_server_that_answers(tmp_path: Path) -> None:
    """The address it prints is one where Pannier's /health answers."""
    with (
        ollama({"a": ["completion"]}) as url,
        running(
            PANNIER_HOST="0.0.0.0", PANNIER_PORT=str(free_port()), OLLAMA_URL=url
        ) as process,
    ):
        line = until_curl(process)[-1]
        base = line.split()[1].removesuffix("/v1/chat/completions")
        with urllib.request.urlopen(f"{base}/health", timeout=PATIENCE) as health:
            assert health.status == 200


def descendants(pid: int) -> list[int]:
    """The processes that descend from ``pid``."""
    table = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout.split("\n")
    parents = dict(map(int, row.split()) for row in table if row.strip())
    found: list[int] = []
    for child, parent in sorted(parents.items()):
        if parent == pid:
            found += [child, *descendants(child)]
    return found


def alive(pid: int) -> bool:
    """Whether a process of this id runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
