"""Who takes part: Pannier, what it is compared with, and the upstream by itself.

Each is a program of its own on a free port of loopback, with one worker.
"""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from app.launch import gunicorn
from tests.support.nginx import NGINX, wait_for_port
from tests.support.server import ROOT, clean_environ, free_port

from .rivals import litellm

#: Seconds within which a program answers; LiteLLM takes long to import itself.
PATIENCE = 90.0

DIRECT = "upstream, direct"
PANNIER = "Pannier"
OTHER = "Pannier, the other"
PASSING = "nginx, passing bytes"
HELLO = "hello"
OURS = "hello, Pannier's worker"
INSIDE = "Pannier, no call to Ollama"
NAIVE = "requests + iter_lines"
LITELLM = "LiteLLM"

#: In what they take part who cannot do all, or would take minutes for it.
_PARTS: dict[str, dict[str, Any]] = {
    HELLO: {"trials": ("chat-1", "chat-16"), "checked": False},
    OURS: {"trials": ("chat-16",), "checked": False},
    INSIDE: {"trials": ("chat-16",)},
    NAIVE: {"trials": ("chat-1", "chat-16", "flat", "paced-50", "paced-200",
                       "floats", "base64", "models")},
    LITELLM: {"trials": ("chat-1", "chat-16", "flat", "paced-50", "floats"),
              "turns": 1},
}  # fmt: skip

#: What Pannier's own configuration has gunicorn do, for those that have none.
_GUNICORN = ("-m", "gunicorn", "-w", "1", "--keep-alive", "30",
             "--backlog", "4096", "--worker-connections", "4000",
             "--no-control-socket")  # fmt: skip

_WORKER = "app.server.worker.Worker"

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
    """One way to the model.

    ``native`` says that it is asked in Ollama's words, ``trials`` in which trials it
    takes part (by name; empty for all), ``checked`` that its answers are the model's,
    and ``turns``, if set, that it has so many where answers are paced.
    """

    name: str
    url: str
    pid: int
    native: bool = False
    trials: tuple[str, ...] = ()
    checked: bool = True
    turns: int = 0

    def takes_part(self, trial: str) -> bool:
        """Whether it can, and is worth the time."""
        return not self.trials or trial in self.trials


#: One that is started on entering, and ended on leaving.
Program = AbstractContextManager[Contestant]


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
            wait_for_port(port, process, PATIENCE)
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


@contextlib.contextmanager
def upstream(models: int = 37) -> Iterator[Contestant]:
    """The upstream, in Ollama's words."""
    port = free_port()
    command = [sys.executable, "-m", "bench.upstream", str(port), str(models)]
    with program(DIRECT, command, port, native=True) as found:
        yield found


def pannier(
    upstream_url: str,
    name: str = PANNIER,
    checkout: Path | None = None,
    **settings: str,
) -> Program:
    """Pannier as it is served, access log and all; or that of another checkout."""
    port = free_port()
    command, env = gunicorn([])
    if checkout is not None:
        there = str(checkout.resolve())
        first, *words = command  # the same Python, wherever its environment lies
        command = [first, *(word.replace(str(ROOT), there) for word in words)]
    env |= {"PYTHONPATH": "", "OLLAMA_URL": upstream_url, "PANNIER_PORT": str(port)}
    env |= settings
    return program(name, command, port, env)


def nginx(upstream_url: str, directory: Path) -> Program:
    """Nginx, which passes bytes: the upstream speaks OpenAI's dialect to it."""
    assert NGINX is not None
    port = free_port()
    config = directory / "nginx.conf"
    _, _, upstream_port = upstream_url.rpartition(":")
    config.write_text(
        _NGINX.format(directory=directory, port=port, upstream=upstream_port)
    )
    return program(PASSING, [NGINX, "-p", str(directory), "-c", str(config)], port)


def python(
    name: str, module: str, upstream_url: str, worker: str = "gevent"
) -> Program:
    """A WSGI application of ``bench.rivals`` under gunicorn."""
    port = free_port()
    application = f"bench.rivals.{module}:app"
    at = ["-k", worker, "-b", f"127.0.0.1:{port}"]
    command = [sys.executable, *_GUNICORN, *at, application]
    return program(name, command, port, {"OLLAMA_URL": upstream_url})


def hello(upstream_url: str) -> Program:
    """The least that gunicorn can answer."""
    return python(HELLO, "hello", upstream_url)


def ours(upstream_url: str) -> Program:
    """The same under Pannier's worker."""
    return python(OURS, "hello", upstream_url, _WORKER)


def inside(upstream_url: str) -> Program:
    """All of Pannier but its way to Ollama."""
    return python(INSIDE, "inside", upstream_url, _WORKER)


def naive(upstream_url: str) -> Program:
    """The obvious translator."""
    return python(NAIVE, "naive", upstream_url)


def lite(upstream_url: str, directory: Path) -> Program:
    """LiteLLM's proxy."""
    port = free_port()
    command, env = litellm.command(port, upstream_url, directory)
    return program(LITELLM, command, port, env)


def missing(without: Collection[str] = ()) -> dict[str, str]:
    """Who cannot take part, and why: by name, for all that are not in ``without``."""
    reasons = {
        PASSING: "" if NGINX else "nginx is not installed",
        LITELLM: litellm.available(),
    }
    return {name: why for name, why in reasons.items() if why and name not in without}


@contextlib.contextmanager
def field(
    against: Path | None = None, without: Collection[str] = ()
) -> Iterator[list[Contestant]]:
    """Everybody, ready to be asked; the upstream and Pannier first.

    ``against`` is another checkout of Pannier, which then is the only other; those
    named in ``without`` are left out, as are those that are ``missing``.
    """
    with contextlib.ExitStack() as stack:
        direct = stack.enter_context(upstream())
        members = [direct, stack.enter_context(pannier(direct.url))]
        if against is not None:
            members.append(stack.enter_context(pannier(direct.url, OTHER, against)))
        else:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            left_out = {*without, *missing()}
            for name, start in _others(direct.url, directory).items():
                if name not in left_out:
                    member = stack.enter_context(start())
                    members.append(member._replace(**_PARTS.get(name, {})))
        yield members


def _others(url: str, directory: Path) -> dict[str, Callable[[], Program]]:
    return {
        PASSING: lambda: nginx(url, directory),
        HELLO: lambda: hello(url),
        OURS: lambda: ours(url),
        INSIDE: lambda: inside(url),
        NAIVE: lambda: naive(url),
        LITELLM: lambda: lite(url, directory),
    }
