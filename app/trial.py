"""``make run``: Pannier in front of Ollama, or of the simulator where there is none.

It looks at what answers, starts what is missing, says what it did, and stops what it
started.  Only this command falls back to the simulator by itself.
"""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from .changeable import REPLACED, in_force
from .errors import UpstreamError, UpstreamTimeout, UpstreamUnreachable
from .given import given
from .launch import called, gunicorn, module
from .reached import reached_at, url_of
from .settings import Settings, SettingsError, options
from .stand_in import told
from .storage.place import file_of
from .upstream import Upstream

if TYPE_CHECKING:
    from .administration.document import Document

#: The simulator's plain chat model.
_SIMULATED = "llama3.2"

# In seconds.
_START_LIMIT = 30.0
_PROBE_LIMIT = 5.0

#: What looking into an answer of another shape raises.
_NOT_OLLAMA = (ValueError, LookupError, TypeError, AttributeError)

Say = Callable[[str], object]


def run(settings: Settings, say: Say) -> int:
    """Serve until stopped; ``say`` gets lines for the user.  Returns the exit code."""
    for stopper in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stopper, _stop)
    if reason := busy(settings, "make run"):
        say(reason)
        return 1
    try:
        with ExitStack() as running:
            return _serve(settings, running, say)
    except (_Stopped, KeyboardInterrupt):
        return 0
    except RuntimeError as exc:
        say(str(exc))
        return 1


class _Stopped(BaseException):
    """A signal asked us to stop; not an error."""


def _stop(*_: Any) -> NoReturn:
    # Once is enough: what follows is an orderly end, which a second Ctrl-C hastens.
    for stopper in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stopper, signal.default_int_handler)
    raise _Stopped


def _serve(settings: Settings, running: ExitStack, say: Say) -> int:
    kept = _kept(settings)
    chosen = _in_force(settings, kept)
    upstream = Upstream.of(chosen)
    environ, model = dict(os.environ), None
    if _answers(upstream):
        model = _first_chat_model(upstream)
    else:
        environ["OLLAMA_URL"] = url = running.enter_context(_simulator())
        running.enter_context(told(settings, chosen.upstream_url, url))
        environ[REPLACED] = _address(kept)  # until somebody sets another
        model = _SIMULATED
        say(_notice(chosen.upstream_url, chosen.upstream_url != settings.upstream_url))
    command, extra = gunicorn([])
    server = running.enter_context(_child(command, {**environ, **extra}))
    if _wait_for_health(settings, server):
        _invite(settings, model, say, _needs_key(settings, kept))
    return server.wait()


def _kept(settings: Settings) -> "Document | None":
    """What is set in the database, if there is one that can be read."""
    file = file_of(settings.database_url, settings.state_dir)
    if file is not None and not os.path.exists(file):
        return None
    from .commands.health_kept import kept  # loads SQLAlchemy

    return kept(settings).document


def _in_force(settings: Settings, kept: "Document | None") -> Settings:
    """The settings with those of the database: Ollama's address may be one of them."""
    if kept is None:
        return settings
    try:
        return in_force(given(options(), None, None), kept.settings or {})
    except SettingsError:  # of which the server's log has a line
        return settings


def _address(kept: "Document | None") -> str:
    """The address of Ollama that is set in the database, or nothing."""
    address = (kept.settings or {}).get("upstream_url", "") if kept else ""
    return str(address).strip()


def _needs_key(settings: Settings, kept: "Document | None") -> bool:
    some = kept is not None and bool(kept.keys)
    return settings.auth == "on" or (settings.auth == "auto" and some)


def _notice(url: str, is_kept: bool) -> str:
    """Why there is a simulator, and what to do about that."""
    where = " (the address set in the database)" if is_kept else ""
    return (
        f"No Ollama answers at {url}{where}, so this is a simulator. For real answers"
        " say where Ollama is ('pannier settings set OLLAMA_URL URL'), or start it"
        " there ('ollama serve') and run this again."
    )


def busy(settings: Settings, command: str) -> str:
    """A sentence for the user of a command if the address cannot be had, or nothing."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
            probe.listen(1)
        except OSError as exc:
            return (
                f"Cannot listen on {settings.host}, port {settings.port}:"
                f" {exc.strerror}.  Stop what is there, or choose"
                f" another port: PANNIER_PORT={settings.port + 1} {command}"
            )
    return ""


def _answers(upstream: Upstream) -> bool:
    try:
        upstream.control("GET", "/api/version", timeout=_PROBE_LIMIT)
    except (UpstreamUnreachable, UpstreamTimeout):
        return False
    except UpstreamError:
        pass  # whatever it is, the user has put it there
    return True


def _first_chat_model(upstream: Upstream) -> str | None:
    """The first installed model that can chat; ``None`` if there is none."""
    with contextlib.suppress(UpstreamError, *_NOT_OLLAMA):
        for model in json.loads(upstream.control("GET", "/api/tags"))["models"]:
            asked = {"model": model["name"]}
            about = json.loads(upstream.control("POST", "/api/show", asked))
            if "completion" in about.get("capabilities", ["completion"]):
                return str(model["name"])
    return None


@contextmanager
def _simulator() -> Iterator[str]:
    """A running simulator on a free port; gives its URL."""
    command, extra = module("app.simulator", ["--port", "0"])
    with _child(command, {**os.environ, **extra}, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        line = child.stdout.readline()
        urls = [word for word in line.split() if word.startswith("http://")]
        if not urls:
            raise RuntimeError("The simulator did not start.")
        threading.Thread(target=deque, args=(child.stdout, 0), daemon=True).start()
        yield urls[0].rstrip("/.,")


@contextmanager
def _child(
    command: list[str], environ: dict[str, str], stdout: int | None = None
) -> Iterator["subprocess.Popen[str]"]:
    """A program that is stopped with us.

    It has a process group of its own, so that Ctrl-C reaches us alone and the order
    of stopping is ours.
    """
    child = subprocess.Popen(  # noqa: S603 - our own words
        command, env=environ, stdout=stdout, text=True, process_group=0
    )
    try:
        yield child
    finally:
        _end(child)


def _end(child: "subprocess.Popen[str]") -> None:
    if child.poll() is not None:
        return
    child.send_signal(signal.SIGINT)
    try:
        child.wait(timeout=10)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        child.kill()
        child.wait()


def _wait_for_health(settings: Settings, server: "subprocess.Popen[str]") -> bool:
    end = time.monotonic() + _START_LIMIT
    while server.poll() is None and time.monotonic() < end:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection(*reached_at(settings), timeout=2)
            with contextlib.closing(connection):
                connection.request("GET", "/health")
                return connection.getresponse().status == 200
        time.sleep(0.05)
    return False


def _invite(settings: Settings, model: str | None, say: Say, needs_key: bool) -> None:
    url = url_of(settings)
    say(f"Pannier answers at {url} (Ctrl-C stops it).")
    first = "the first time with the password above"
    say(f"Set it up in a browser ({first}): {url}/admin/")
    if called() != "pannier":
        say(f"Its command `pannier` is `{called()}` here, in another terminal.")
    if model is None:
        say("Ollama has no chat model yet: 'ollama pull llama3.2' gets one.  Then try:")
    else:
        say("Try:")
    body = {
        "model": model or "llama3.2",
        "messages": [{"role": "user", "content": "Hello!"}],
    }
    key = " -H 'Authorization: Bearer YOUR_KEY'" if needs_key else ""
    say(
        f"  curl {url}/v1/chat/completions{key}"
        f" -H 'Content-Type: application/json' -d '{json.dumps(body)}'"
    )
