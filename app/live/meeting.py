"""Meeting: where the workers of one machine can be asked what they do.

Each has a socket in a directory of the state directory, that only the installation's
user can use; one line goes in, one comes out.  What a worker left that was killed is
removed by whoever finds it.
"""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
from gevent import socket
from gevent.pool import Pool
from gevent.server import StreamServer

#: The directory, in that of the state.
DIRECTORY = "live"
#: Bytes that the path of a unix socket can have.
LONGEST = 107
#: Seconds that a worker has for an answer, and an asker for a question.
PATIENCE = 0.5
#: Bytes of a question, and of an answer.
QUESTION, ANSWER = 4096, 8 * 1024 * 1024
#: Questions that a worker answers at a time.
_AT_ONCE = 16


class Door:
    """Where a worker is asked; ``answer`` makes an answer of a question.

    Raises ``OSError`` where there can be none.
    """

    def __init__(
        self, state_dir: str, name: str, answer: Callable[[bytes], bytes]
    ) -> None:
        directory = Path(state_dir, DIRECTORY)
        self.path = directory / f"{name}.sock"
        self._answer = answer
        draft = directory / f"{name}.new"
        if len(os.fsencode(self.path)) > LONGEST:
            raise OSError(0, "its name is too long for a socket", str(self.path))
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        try:
            listener.bind(str(draft))
            draft.chmod(0o600)
            listener.listen(_AT_ONCE)
            draft.rename(self.path)  # nobody finds it who would be refused
        except OSError:
            listener.close()
            draft.unlink(missing_ok=True)
            raise
        self._server = StreamServer(listener, self._serve, spawn=Pool(_AT_ONCE))
        self._server.start()

    def _serve(self, sock: Any, _: object) -> None:
        with (
            contextlib.closing(sock),
            contextlib.suppress(OSError),
            gevent.Timeout(PATIENCE, False),
        ):
            sock.sendall(self._answer(_line(sock, QUESTION)) + b"\n")

    def close(self) -> None:
        """Answer nobody any more."""
        with contextlib.suppress(OSError):
            self.path.unlink()
        self._server.close()


def ask_all(state_dir: str, question: bytes, beside: str) -> tuple[list[bytes], int]:
    """What the workers of this machine answer, but for the one of the name ``beside``.

    With it comes how many gave no answer in time.  Raises ``OSError`` where nobody can
    look for them.
    """
    try:
        names = os.listdir(Path(state_dir, DIRECTORY))
    except FileNotFoundError:
        return [], 0
    places = [
        Path(state_dir, DIRECTORY, name)
        for name in sorted(names)
        if name.endswith(".sock") and name != f"{beside}.sock"
    ]
    asking = [gevent.spawn(_ask, place, question) for place in places]
    gevent.joinall(asking)
    answers = [one.value for one in asking if one.value is not None]
    return [answer for answer in answers if answer], answers.count(b"")


def _ask(place: Path, question: bytes) -> bytes | None:
    """An answer; none in time is empty, and ``None`` that nobody is there."""
    try:
        with (
            contextlib.closing(socket.socket(socket.AF_UNIX)) as sock,
            gevent.Timeout(PATIENCE, False),
        ):
            sock.connect(str(place))
            sock.sendall(question + b"\n")
            return _line(sock, ANSWER)
    except ConnectionRefusedError:  # it was killed
        with contextlib.suppress(OSError):
            place.unlink()
        return None
    except (FileNotFoundError, ConnectionResetError, BrokenPipeError):
        return None  # it has just ended
    except OSError:
        return b""
    return b""


def _line(sock: Any, most: int) -> bytes:
    """One line, without its end; empty if there is no whole one."""
    pieces: list[bytes] = []
    while most > 0 and (piece := sock.recv(min(most, 65536))):
        pieces.append(piece)
        most -= len(piece)
        if piece.endswith(b"\n"):
            return b"".join(pieces)[:-1]
    return b""
