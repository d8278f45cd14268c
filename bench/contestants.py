"""Who takes part: Pannier, what it is compared with, and the upstream by itself.

Each is a program of its own on a free port of loopback, with one worker.
"""

import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from app.launch import gunicorn
from tests.support.nginx import NGINX
from tests.support.server import ROOT, clean_environ, free_port

from .rivals import litellm

#: Seconds within which a program answers; LiteLLM takes long to import itself.
PATIENCE = 90.0

#: What Pannier's own configuration has gunicorn do, for those that have none.
_GUNICORN = ("-m", "gunicorn", "-k", "gevent", "-w", "1", "--keep-alive", "30",
             "--backlog", "4096", "--worker-connections", "4000",
             "--no-control-socket")  # fmt: skip

_NGINX = """\
daemon off;
worker_processes 1;
pid {directory}/pid;
error_log {directory}/error;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_temp_path {directory}/body;
    client_body_buffer_size 16m;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    keepalive_requests 1000000000;
    upstream ollama {{
        server 127.0.0.1:{upstream};
        keepalive 1024;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://ollama;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""


class Contestant(NamedTuple):
    """One way to the model.  ``native`` says that it is asked in Ollama's words."""

    name: str
    url: str
    pid: int
    native: bool = False


@contextlib.contextmanager
def program(
    name: str,
    command: Sequence[str],
    port: int,
    env: Mapping[str, str] | None = None,
    *,
    native: bool = False,
) -> Iterator[Contestant]:
    """A program that listens on ``port``, until the end of the block."""
    # Not here, where gunicorn would find Pannier's configuration for everybody.
    with tempfile.TemporaryDirectory() as empty, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command,
            cwd=empty,
            env=clean_environ(**{"PYTHONPATH": str(ROOT), **(env or {})}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        try:
            wait_for(port, process)
            yield Contestant(name, f"http://127.0.0.1:{port}", process.pid, native)
        except BaseException:
            errors.seek(0)
            print(errors.read()[-2000:].decode(errors="replace"), file=sys.stderr)
            raise
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            process.kill()
            process.wait()


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Return when a program listens on a port."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.005)
    raise RuntimeError("a program does not listen")


@contextlib.contextmanager
def upstream(models: int = 37) -> Iterator[Contestant]:
    """The upstream, in Ollama's words."""
    port = free_port()
    command = [sys.executable, "-m", "bench.upstream", str(port), str(models)]
    with program("upstream, direct", command, port, native=True) as found:
        yield found


def pannier(
    upstream_url: str, name: str = "Pannier", checkout: Path | None = None
) -> contextlib.AbstractContextManager[Contestant]:
    """Pannier as it is served, access log and all; or that of another checkout."""
    port = free_port()
    command, env = gunicorn([])
    if checkout is not None:
        command = [word.replace(str(ROOT), str(checkout)) for word in command]
    env = env | {"PYTHONPATH": "", "OLLAMA_URL": upstream_url, "PANNIER_PORT": str(port)}
    return program(name, command, port, env)


def nginx(upstream_url: str, directory: Path) -> contextlib.AbstractContextManager[Contestant]:
    """Nginx, which passes bytes: the upstream speaks OpenAI's dialect to it."""
    assert NGINX is not None
    port = free_port()
    config = directory / "nginx.conf"
    _, _, upstream_port = upstream_url.rpartition(":")
    config.write_text(
        _NGINX.format(directory=directory, port=port, upstream=upstream_port)
    )
    return program("nginx, passing bytes", [NGINX, "-p", str(directory), "-c", str(config)], port)


def python(
    name: str, module: str, upstream_url: str
) -> contextlib.AbstractContextManager[Contestant]:
    """A WSGI application of ``bench.rivals`` under gunicorn with gevent."""
    port = free_port()
    command = [sys.executable, *_GUNICORN, "-b", f"127.0.0.1:{port}", f"bench.rivals.{module}:app"]
    return program(name, command, port, {"OLLAMA_URL": upstream_url})


@contextlib.contextmanager
def field(against: Path | None = None, *, alone: bool = False) -> Iterator[list[Contestant]]:
    """Everybody, ready to be asked; the upstream and Pannier first.

    ``against`` is another checkout of Pannier that takes part; ``alone`` leaves out all
    that is not Pannier.
    """
    with ExitStack() as stack:
        direct = stack.enter_context(upstream())
        url = direct.url
        members = [pannier(url)]
        if against is not None:
            members.append(pannier(url, "Pannier, the other", against))
        if not alone:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            if NGINX is not None:
                members.append(nginx(url, directory))
            members.append(python("hello", "hello", url))
            members.append(python("requests + iter_lines", "naive", url))
            if not litellm.available():
                port = free_port()
                members.append(program("LiteLLM", *_swap(litellm.command(port, url, directory), port)))
        yield [direct, *(stack.enter_context(member) for member in members)]


def _swap(
    command: tuple[list[str], dict[str, str]], port: int
) -> tuple[list[str], int, dict[str, str]]:
    return command[0], port, command[1]
