"""Secret: random bytes of this installation, to sign what must come back unchanged.

They lie in the state directory, so that all workers have the same and a restart changes
nothing.
"""

import contextlib
import functools
import hashlib
import logging
import os
import secrets
import stat
from pathlib import Path

LENGTH = 32


@functools.cache
def secret(state_dir: str, file: str = "") -> bytes:
    """The 32 bytes; read or made when first asked for.

    ``file`` is one that several machines have, of at least 32 bytes; it is never made.
    One of exactly 32 is the secret itself, so that it may be one that was made here.
    Where there is none, and the directory cannot be written, they are this process's
    own, and a line in the log says so.
    """
    found = lasting(state_dir, file)
    return _own(found) if isinstance(found, str) else found


def lasting(state_dir: str, file: str = "") -> bytes | str:
    """The 32 bytes that outlive this process, or why there are none."""
    if not (state_dir or file):
        return "there is no state directory"
    path = Path(file or Path(state_dir, "secret"))
    try:
        if not file:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not path.exists():
                _make(path)
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            return f"{path} is no regular file"
        found = path.read_bytes()
    except OSError as error:
        return f"{path}: {error.strerror}"
    if file and len(found) > LENGTH:
        return hashlib.sha256(found).digest()
    return found if len(found) == LENGTH else f"{path} is damaged or too short"


def _make(path: Path) -> None:
    """Make the file, whole from its first moment; another process's is as good."""
    draft = path.with_name(f"secret.{os.getpid()}")
    try:
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()  # of an earlier process of this number
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with open(descriptor, "wb") as file:
            file.write(secrets.token_bytes(LENGTH))
            file.flush()
            os.fsync(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _own(why: str) -> bytes:
    logging.getLogger("pannier").warning(
        "There is no secret that lasts (%s): what is signed now is not accepted by"
        " other workers, or after a restart",
        why,
    )
    return secrets.token_bytes(LENGTH)
