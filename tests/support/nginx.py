"""nginx with the configuration that Pannier ships, on a free port."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .server import PATIENCE, ROOT, free_port

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
CONFIG = (ROOT / "contrib" / "nginx.conf").read_text()

needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

_MAIN = """\
daemon off;
{user}
pid {directory}/pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/pannier.conf;
}}
"""


def replaced(text: str, old: str, new: str) -> str:
    """The text with one line of it changed; it must be there, once."""
    assert text.count(old) == 1, f"{old!r} is not in contrib/nginx.conf, once"
    return text.replace(old, new)


@contextlib.contextmanager
def nginx(config: str) -> Iterator[str]:
    """nginx on a free port with ``config``, listening; gives its URL."""
    port = free_port()
    config = replaced(config, "listen 80;", f"listen 127.0.0.1:{port};")
    with tempfile.TemporaryDirectory() as directory:
        # nginx's workers give root away, and then cannot reach a test's own socket.
        user = "user root;" if os.geteuid() == 0 else ""
        main = Path(directory, "nginx.conf")
        main.write_text(_MAIN.format(directory=directory, user=user))
        Path(directory, "pannier.conf").write_text(config)
        assert NGINX is not None
        process = subprocess.Popen([NGINX, "-p", directory, "-c", str(main)])
        try:
            wait_for_port(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(PATIENCE)


def wait_for_port(
    port: int, process: "subprocess.Popen[bytes]", patience: float = PATIENCE
) -> None:
    """Return when somebody listens there."""
    end = time.monotonic() + patience
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.005)
    raise AssertionError(f"it does not listen (exit code {process.poll()})")
