"""The health of what is before Pannier: whether a stream comes in pieces."""

import http.client
import itertools
import json
import time
from urllib.parse import urlsplit

from .finding import Finding, bad, note, ok

_PATIENCE = 120.0
#: Seconds between two pieces that did not come together.
_GAP = 0.002
#: So many pauses make a stream.
_PAUSES = 3
#: Seconds: of what took less nobody can tell.
_QUICK = 0.3
#: Characters of an error that are repeated.
_TOLD = 300

HELD_BACK = (
    "The stream came all at once, after {seconds:.1f} s: something before Pannier holds"
    " it back. nginx wants `proxy_buffering off` (contrib/nginx.conf)."
)


def stream(url: str, model: str, key: str) -> Finding:
    """Send a stream through ``url``, and see how it comes."""
    try:
        status, moments, said = _asked(url, model, key)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return bad(f"Nothing answers at {url}: {error}")
    if status != 200:
        why = _message(said) or "is that Pannier, and the key?"
        return bad(f"{url} answers with status {status}: {why}")
    pauses = sum(b - a > _GAP for a, b in itertools.pairwise(moments))
    if pauses < _PAUSES and moments[-1] < _QUICK:
        return note(
            f"The stream through {url} was too short to tell: try a slower model"
        )
    if pauses < _PAUSES:
        return bad(HELD_BACK.format(seconds=moments[-1]))
    return ok(
        f"A stream through {url} comes in pieces, the first after {moments[1]:.1f} s"
    )


def _message(said: bytes) -> str:
    """What an error of Pannier's says; empty if it is none."""
    try:
        message = json.loads(said)["error"]["message"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    if not isinstance(message, str):
        return ""
    return "".join(filter(str.isprintable, message))[:_TOLD]


def _asked(url: str, model: str, key: str) -> tuple[int, list[float], bytes]:
    """The status, after how many seconds each piece came (the head first), the last."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE)
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(host, port, timeout=_PATIENCE)
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "Count from one to thirty."}],
        "max_tokens": 60,
        "stream": True,
    }
    headers = {"Content-Type": "application/json"}
    headers |= {"Authorization": f"Bearer {key}"} if key else {}
    begun = time.monotonic()
    try:
        target = f"{parts.path.rstrip('/').removesuffix('/v1')}/v1/chat/completions"
        connection.request("POST", target, json.dumps(body), headers)
        response = connection.getresponse()
        moments = [time.monotonic() - begun]
        said = b""
        while piece := response.read1(65536):
            moments.append(time.monotonic() - begun)
            said = piece
        return response.status, moments, said
    finally:
        connection.close()
