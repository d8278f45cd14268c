"""The start and the stop of a real gunicorn with our configuration."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.leaving import eventually
from support.server import PATIENCE, Server, clean_environ, free_port

ROOT = Path(__file__).parents[2]
GUNICORN = [sys.executable, "-m", "gunicorn", "wsgi:application"]


def failed_start(
    cwd: Path = ROOT, **environ: str
) -> "subprocess.CompletedProcess[str]":
    """The end of a plain ``gunicorn wsgi:application`` that cannot start."""
    return subprocess.run(
        GUNICORN,
        cwd=cwd,
        env=clean_environ(**environ),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def run_python(code: str) -> None:
    """Run a piece of Python in the checkout, with warnings as errors."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.live
def test_plain_gunicorn() -> None:
    """``gunicorn wsgi:application`` in the checkout takes up our configuration."""
    with Server(command=GUNICORN, cwd=ROOT) as server:
        assert "Using worker: Worker" in server.output()
        assert f"http://127.0.0.1:{server.port}" in server.output()


@pytest.mark.live
@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "PANNIER_PORT",
            "x",
            "PANNIER_PORT='x': a whole number from 0 to 65535 is wanted.",
        ),
        (
            "PANNIER_PROT",
            "1",
            "PANNIER_PROT is not a setting of Pannier; did you mean PANNIER_PORT?",
        ),
    ],
)
def test_l7_a_wrong_setting_ends_plain_gunicorn(name, value, sentence) -> None:
    """Exit code 2 and one line that names the setting; no traceback."""
    done = failed_start(**{name: value})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"pannier: {sentence}\n"


@pytest.mark.live
def test_p8_nothing_needs_patching_that_is_loaded_already() -> None:
    """The configuration patches before ssl, urllib3 or requests are imported."""
    run_python(
        "import runpy, sys\n"
        "assert not {'ssl', 'urllib3', 'requests'} & set(sys.modules)\n"
        "runpy.run_path('gunicorn.conf.py')\n"
        "import gevent.socket, gevent.ssl, socket, ssl\n"
        "assert socket.socket is gevent.socket.socket\n"
        "assert ssl.SSLContext is gevent.ssl.SSLContext\n"
    )


@pytest.mark.live
def test_our_directory_is_first_and_the_user_s_last() -> None:
    """Whatever was on the path, also twice, ours is first and the current one last."""
    run_python(
        "import os, runpy, sys, tempfile\n"
        "conf = os.path.abspath('gunicorn.conf.py')\n"
        "home, there = os.getcwd(), os.path.realpath(tempfile.gettempdir())\n"
        "os.chdir(there)\n"
        "sys.path[:0] = [there]  # beside '', which is Python's own here\n"
        "for _ in range(2):\n"
        "    runpy.run_path(conf)\n"
        "    assert sys.path[0] == home, sys.path\n"
        "    assert sys.path.count(home) == 1, sys.path\n"
        "    assert set(sys.path[-2:]) == {there, ''}, sys.path\n"
    )


@pytest.mark.live
def test_gunicorn_has_our_values() -> None:
    """Settings reach gunicorn, and its own extras are off."""
    done = subprocess.run(
        [*GUNICORN, "--print-config"],
        cwd=ROOT,
        env=clean_environ(
            PANNIER_HEADER_TIMEOUT="7",
            PANNIER_GRACEFUL_TIMEOUT="8",
            WEB_CONCURRENCY="3",
            PANNIER_HOST="::1",
            PORT="1234",
        ),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    rows = [line.partition("=") for line in done.stdout.split("\n") if "=" in line]
    values = {name.strip(): value.strip() for name, _, value in rows}
    expected = {
        "bind": "['[::1]:1234']",
        "workers": "3",
        "keepalive": "7",
        "graceful_timeout": "8",
        "worker_connections": "4000",
        "preload_app": "False",
        "max_requests": "0",
        "accesslog": "None",
        "control_socket_disable": "True",
        "forwarded_allow_ips": "[]",
    }
    assert {name: values.get(name) for name in expected} == expected


@pytest.mark.live
@pytest.mark.parametrize(("host", "warnings"), [("0.0.0.0", 1), ("127.0.0.1", 0)])
def test_open_to_others_is_warned_of(host: str, warnings: int) -> None:
    """Without keys, listening beyond loopback prints one WARNING; loopback none."""
    with Server({"PANNIER_HOST": host, "WEB_CONCURRENCY": "2"}) as server:
        eventually(lambda: server.output().count("[WARNING]") >= warnings)
        assert server.output().count("[WARNING]") == warnings


@pytest.mark.live
def test_a_container_s_own_loopback_is_warned_of() -> None:
    """In a container, an OLLAMA_URL that cannot be the host's is explained."""
    with Server({"container": "docker"}) as server:
        assert "http://host.docker.internal:11434" in server.output()


@pytest.mark.live
def test_ipv6() -> None:
    """An IPv6 address to listen on works."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    port = free_port()
    arguments = ["--bind", f"127.0.0.1:{port}", "--bind", f"[::1]:{port}"]
    with Server({"PANNIER_HOST": "::1"}, arguments=arguments, port=port) as server:
        assert f"http://[::1]:{port}" in server.output()
        assert "WARNING" not in server.output()


@pytest.mark.live
def test_half_a_head_is_not_waited_for() -> None:
    """A client that never ends its head is closed after PANNIER_HEADER_TIMEOUT."""
    with (
        Server({"PANNIER_HEADER_TIMEOUT": "1"}) as server,
        socket.create_connection(("127.0.0.1", server.port), PATIENCE) as client,
    ):
        client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")
        started = time.monotonic()
        while client.recv(1024):
            pass
        assert 0.5 < time.monotonic() - started < 10


@pytest.mark.live
def test_no_control_socket(tmp_path: Path) -> None:
    """gunicorn leaves no control socket behind, in none of its usual places."""
    with Server({"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}):
        assert not list(tmp_path.rglob("*"))


@pytest.mark.live
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_l1_a_stop_is_no_failure(number: signal.Signals) -> None:
    """SIGTERM and SIGINT end the server with exit code 0, and nothing listens then."""
    with Server() as server:
        assert server.stop(number) == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port)).close()


@pytest.mark.live
def test_l2_a_reload_refuses_nobody() -> None:
    """While SIGHUP brings a new worker, every request is answered."""
    with Server() as server:
        server.send_signal(signal.SIGHUP)
        end = time.monotonic() + PATIENCE
        while server.output().count("Booting worker") < 2:
            assert time.monotonic() < end, server.output()
            ask_health(server.port)
        while "Worker exiting" not in server.output():
            assert time.monotonic() < end, server.output()
            ask_health(server.port)
        ask_health(server.port)


def ask_health(port: int) -> None:
    """One request to /health on a new connection."""
    with (
        contextlib.closing(socket.create_connection(("127.0.0.1", port), 5)) as client,
        client.makefile("rb") as answer,
    ):
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in answer.readline()


@pytest.mark.live
def test_ctrl_c_is_quiet() -> None:
    """Ctrl-C reaches every process of a terminal, and ends them without a traceback."""
    with Server() as server:
        for pid in server.workers():
            os.kill(pid, signal.SIGINT)
        server.send_signal(signal.SIGINT)
        assert server.wait() == 0
        assert "Traceback" not in server.output()
