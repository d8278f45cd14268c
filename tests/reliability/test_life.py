"""The life of the process: how it starts, with what, as whom, and what ends where."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.faulty import Faulty, once
from support.leaving import eventually
from support.server import PATIENCE, ROOT, Server, clean_environ, free_port
from support.simulator import Simulator

from app import cli, start
from app.launch import gunicorn
from app.settings import Settings, options

pytestmark = pytest.mark.live

TALK = {"model": "llama3.2", "messages": [{"role": "user", "content": "x"}]}


def asked(server: Server, path: str, body: Any = None) -> tuple[int, bytes]:
    """Status and body of an answer; a body that is cut off is as long as it is."""
    with closing(
        http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    ) as to:
        data = None if body is None else json.dumps(body)
        to.request("GET" if body is None else "POST", path, data)
        answer = to.getresponse()
        try:
            return answer.status, answer.read()
        except http.client.IncompleteRead as exc:
            return answer.status, exc.partial


# ------------------------------------------------------------------- recycling


@pytest.mark.parametrize(
    ("max_requests", "grace", "total", "warned"),
    [
        (0, 60, 3600, False),
        (1000, 60, 3600, True),
        (1000, 3600, 3600, True),
        (1000, 3601, 3600, False),
        (1000, 3601, 0, True),
    ],
)
def test_l3_when_recycling_cuts_streams(
    max_requests: int, grace: int, total: int, warned: bool
) -> None:
    """Recycling is warned of where answers may take longer than a worker's grace."""
    settings = Settings(total_timeout=float(total))
    assert bool(list(start.recycling(settings, max_requests, grace))) == warned


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        (["--max-requests", "9"], {}),
        ([], {"GUNICORN_CMD_ARGS": "--max-requests=9"}),
    ],
)
def test_l3_recycling_is_warned_of(
    arguments: list[str], environ: dict[str, str]
) -> None:
    """Whoever asks gunicorn to recycle workers is told, once, what that cuts off."""
    with Server({"WEB_CONCURRENCY": "2", **environ}, arguments=arguments) as server:
        (warning,) = re.findall(r".*\[WARNING\].*", server.output())
    assert "max_requests is 9" in warning
    assert "PANNIER_GRACEFUL_TIMEOUT" in warning


# -------------------------------------------------------- without its upstream


def test_l6_the_upstream_comes_later() -> None:
    """Without Ollama it starts, alive and not ready; with it, it is used at once."""
    port = free_port()
    with Server({"OLLAMA_URL": f"http://127.0.0.1:{port}"}) as server:
        assert asked(server, "/healthz")[0] == 200
        assert asked(server, "/readyz")[0] == 503
        assert asked(server, "/v1/chat/completions", TALK)[0] == 502
        with Simulator("--port", str(port)):
            assert asked(server, "/readyz")[0] == 200
            assert asked(server, "/v1/chat/completions", TALK)[0] == 200
        assert asked(server, "/healthz")[0] == 200
        assert asked(server, "/readyz")[0] == 503


# -------------------------------------------------------------- wrong settings

SECRET = "geheim-0123456789"
#: What a text may be wrong in; other options are wrong by their types.
WRONG = [
    ("OLLAMA_URL", f"http://me:{SECRET}@host"),
    ("OLLAMA_URL", f"http://host/?token={SECRET}"),
    ("OLLAMA_URL", f"ftp://{SECRET}"),
    ("OLLAMA_URL", f"http://host:{SECRET}"),
    ("OLLAMA_API_KEY", f"{SECRET} {SECRET}"),
    ("OLLAMA_API_KEY", f"{SECRET}é"),
    ("PANNIER_HOST", "a/b"),
    ("PANNIER_IMAGE_HOSTS", "a b"),
    ("PANNIER_ALIASES", "nonsense"),
    ("PANNIER_PROT", SECRET),
    ("PANNIER_NOTHING_LIKE_IT", SECRET),
]


def mistyped() -> Iterator[tuple[str, str]]:
    """A wrong text for each option that is no text itself."""
    for option in options():
        kind = msgspec.inspect.type_info(option.type)
        kind = getattr(kind, "type", kind)
        if not isinstance(kind, msgspec.inspect.StrType):
            yield option.variable, "perhaps"
        if isinstance(kind, msgspec.inspect.IntType | msgspec.inspect.FloatType):
            yield option.variable, "-1"


@pytest.mark.parametrize(("name", "value"), [*WRONG, *mistyped()])
def test_l7_one_line_names_the_setting(
    name: str,
    value: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each wrong setting is refused with code 2, in one line, without its secret."""
    monkeypatch.setenv(name, value)
    assert cli.main(["config"]) == 2
    said = capsys.readouterr()
    assert re.fullmatch(rf"pannier: {name}\b.*\n", said.err)
    assert said.out == ""
    assert SECRET not in said.err


def test_l7_a_wrong_reload_is_refused(tmp_path: Path) -> None:
    """Where the settings are wrong, a reload changes nothing and says why."""
    settings = tmp_path / ".env"
    settings.write_text("PANNIER_MAX_INFLIGHT=9\n")
    with Server(cwd=tmp_path) as server:
        workers = server.workers()
        settings.write_text("PANNIER_MAX_INFLIGHT=many\n")
        server.send_signal(signal.SIGHUP)
        refused = eventually(
            lambda: "Not reloaded: PANNIER_MAX_INFLIGHT" in server.output()
        )
        assert refused, server.output()
        assert asked(server, "/health")[0] == 200
        assert server.workers() == workers


@pytest.mark.parametrize("host", ["192.0.2.1", "300.1.1.1", "nobody.invalid"])
def test_l7_an_address_that_is_not_ours(host: str) -> None:
    """What no server can listen on is a wrong setting."""
    done = subprocess.run(
        COMMANDS["pannier serve"],
        cwd=ROOT,
        env=clean_environ(PANNIER_HOST=host),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 2
    assert (
        done.stderr
        == f"pannier: PANNIER_HOST={host!r}: this machine cannot listen there.\n"
    )


COMMANDS: Mapping[str, list[str]] = {
    "gunicorn wsgi:application": [sys.executable, "-m", "gunicorn", "wsgi:application"],
    "make run": [sys.executable, "-m", "app.cli", "run"],
    "pannier serve": [sys.executable, "-m", "app.cli", "serve"],
    "pannier config": [sys.executable, "-m", "app.cli", "config"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_l7_every_command_refuses(command: str) -> None:
    """Whichever way Pannier is started, a wrong setting ends it the same way."""
    done = subprocess.run(
        COMMANDS[command],
        cwd=ROOT,
        env=clean_environ(OLLAMA_URL=f"http://me:{SECRET}@host"),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"pannier: OLLAMA_URL: .*\n", done.stderr)
    assert SECRET not in done.stderr


# ------------------------------------------------------- with nothing to write to

#: Becomes nobody, or where nobody may run this Python a root without its powers, and
#: then the program, if it cannot write to the directory.
NOBODY = """
import ctypes, os, sys
if os.getuid() == 0 and sys.argv[1] == "nobody":
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
elif os.getuid() == 0:
    for power in range(41):
        ctypes.CDLL(None).prctl(24, power, 0, 0, 0)
check = '! touch here 2>/dev/null && exec "$0" "$@"'
os.execv("/bin/sh", ["sh", "-c", check, *sys.argv[2:]])
"""


def nobody_can_run(program: str) -> bool:
    """Whether a user without rights may start this Python."""
    command = [program, "-c", "import gunicorn"]
    more = {"user": 65534, "group": 65534} if os.getuid() == 0 else {}
    try:
        subprocess.run(
            command,
            cwd="/",
            env=clean_environ(),
            check=True,
            stderr=subprocess.DEVNULL,
            **more,
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def test_l8_it_writes_nothing(simulator: Simulator, tmp_path: Path) -> None:
    """As nobody, with no home and no directory to write to, it serves a stream."""
    sealed = tmp_path / "sealed"
    sealed.mkdir()
    sealed.chmod(0o555)
    for parent in (tmp_path, *tmp_path.parents[:-1]):
        if parent.stat().st_uid == os.getuid() and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    program, extra = gunicorn([])
    environ = {
        "OLLAMA_URL": simulator.url,
        "HOME": str(sealed / "none"),
        "TMPDIR": str(sealed),
        "PANNIER_STATE_DIR": str(sealed / "state"),
        "PYTHONDONTWRITEBYTECODE": "1",
        **extra,
    }
    who = "nobody" if nobody_can_run(sys.executable) else "root"
    command = [sys.executable, "-c", NOBODY, who, *program]
    with Server(environ, command=command, cwd=sealed) as server:
        _, answer = asked(server, "/v1/chat/completions", TALK | {"stream": True})
        assert answer.endswith(b"data: [DONE]\n\n")
        assert "Traceback" not in server.output()
    assert list(sealed.iterdir()) == []


# ---------------------------------------------------------- the server's own traps


@pytest.mark.parametrize("most", ["2000", "5000"])
def test_p4_gunicorn_accepts_more_than_we_answer(most: str) -> None:
    """Whatever the limit on requests, there are connections left to refuse more on."""
    program, extra = gunicorn(["--print-config"])
    done = subprocess.run(
        program,
        env=clean_environ(PANNIER_MAX_INFLIGHT=most, **extra),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    found = re.search(r"^worker_connections\s*=\s*(\d+)", done.stdout, re.M)
    assert found
    assert int(found[1]) >= 2 * int(most)


def test_p6_a_cut_answer_is_no_fault_of_ours() -> None:
    """A connection that we end is a line at debug for gunicorn, and no traceback."""
    short = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\ncut"
    )
    with (
        Faulty(once(short)) as ollama,
        Server(
            {"OLLAMA_URL": ollama.url}, arguments=["--log-level", "debug"]
        ) as server,
    ):
        assert asked(server, "/api/show", TALK) == (200, b"cut")
        assert asked(server, "/healthz")[0] == 200
        log = server.output()
    assert "Traceback" not in log
    assert "[ERROR]" not in log
    assert len(re.findall(r"\[DEBUG\] Ignoring (?:connection reset|EPIPE)", log)) == 1
