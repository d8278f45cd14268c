"""Static: scripts and styles, read and packed once.

Their address holds a digest of all of them together, so a browser may keep them for
ever, and modules find each other beside them.
"""

import gzip
import hashlib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).with_name("static")
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


class File(NamedTuple):
    """One of them, as it is and packed."""

    type: str
    body: bytes
    packed: bytes


class Static:
    """All of them; ``digest`` is of what is in them."""

    def __init__(self, root: Path = ROOT) -> None:
        paths = sorted(path for path in root.rglob("*") if path.suffix in TYPES)
        self._files = {path.relative_to(root).as_posix(): path for path in paths}
        self._read: dict[str, File] = {}
        digest = hashlib.sha256()
        for name, path in self._files.items():
            digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
        self.digest = digest.hexdigest()[:12]

    def url(self, name: str) -> str:
        """Where one is; raises ``KeyError`` for what there is not."""
        self._files[name]
        return f"/admin/static/{self.digest}/{name}"

    def file(self, digest: str, name: str) -> File | None:
        """One of them, if that is what it is called now."""
        path = self._files.get(name)
        if path is None or digest != self.digest:
            return None
        if name not in self._read:
            body = path.read_bytes()
            # With a time in it the same file would be packed otherwise elsewhere.
            packed = gzip.compress(body, mtime=0)
            self._read[name] = File(TYPES[path.suffix], body, packed)
        return self._read[name]
