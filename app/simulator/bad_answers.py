"""Other answers than the good one: error statuses, pages of proxies, odd lists."""

import json

from .fault import FAULTS, Fault, fault, said
from .wire import JSON, NDJSON, Wire


def _error(status: int, body: str, words: str) -> Fault:
    def error(wire: Wire) -> None:
        wire.refuse(status, body)

    error.__doc__ = f"{status}: {words}."
    return error


_SIGNIN = "https://ollama.com/connect?name=simulator&key=c2ltdWxhdG9y"
_MEMORY = "model requires more system memory (48.1 GiB) than is available (7.5 GiB)"
_BUSY = "server busy, please try again.  maximum pending requests exceeded"
_STOPPED = "llama runner process has terminated: signal: killed"
_LOADING = "timed out waiting for llama runner to start - progress 0.00 - "
_OVERFLOW = {
    "error": {
        "code": 400,
        "message": "the request exceeds the available context size, try increasing it",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 1407,
        "n_ctx": 256,
    }
}


FAULTS |= {
    "error-400": _error(400, said("invalid options: num_ctx"), "a refusal"),
    "error-401": _error(
        401,
        json.dumps({"error": "unauthorized", "signin_url": _SIGNIN}),
        "not signed in, with signin_url",
    ),
    "error-403": _error(
        403,
        said("ollama cloud is disabled: remote inference is unavailable"),
        "cloud is disabled",
    ),
    "error-404": _error(404, said("model 'gone' not found"), "the model is gone"),
    "error-429": _error(
        429,
        json.dumps(
            {
                "StatusCode": 429,
                "Status": "429 Too Many Requests",
                "error": "you've reached your hourly usage limit",
            }
        ),
        "a relayed rate limit",
    ),
    "error-422": _error(422, said("unprocessable"), "a refusal of another kind"),
    "error-500": _error(500, said(_STOPPED), "the runner died"),
    "error-502": _error(502, said("no route to the cloud"), "a relayed failure"),
    "error-503": _error(503, said(_BUSY), "the queue is full"),
    "busy": _error(503, said(_BUSY), "the queue is full"),
    "out-of-memory": _error(500, said(_MEMORY), "not enough memory"),
    "load-timeout": _error(500, said(_LOADING), "loading took too long"),
    "overflow": _error(
        400, said(json.dumps(_OVERFLOW, separators=(",", ":"))), "a nested overflow"
    ),
    "huge-error": _error(500, said("x" * (1 << 20)), "an error of 1 MiB"),
    "odd-error": _error(500, '{"error":{"code":1}}', "an error that is no string"),
    "text-500": _error(500, "Internal Server Error", "an error that is no JSON"),
    "status-418": _error(418, said("I'm a teapot"), "an unusual status"),
    "status-507": _error(507, said("disk is full"), "an unusual status"),
}


def _later(value: str, words: str) -> Fault:
    def later(wire: Wire) -> None:
        wire.answer(503, JSON, said(_BUSY).encode(), ("Retry-After", value))

    later.__doc__ = f"503, to be tried again {words}."
    return later


FAULTS["retry-later"] = _later("17", "in 17 seconds")
FAULTS["retry-odd"] = _later("Fri, 31 Dec 1999 23:59:59 GMT", "at a date")


@fault
def stall_error(wire: Wire) -> None:
    """An error that stops in the middle of its body."""
    wire.raw(wire.head(("Content-Length", "40"), status=500) + b'{"error":"')
    wire.pause(None)


@fault
def endless_error(wire: Wire) -> None:
    """An error whose body never ends."""
    wire.raw(wire.head(("Transfer-Encoding", "chunked"), status=500))
    wire.forever(lambda: wire.chunk(b"x" * 65536), 0)


@fault
def html_200(wire: Wire) -> None:
    """A login page with status 200."""
    wire.answer(200, "text/html", b"<html><body>Please sign in</body></html>")


@fault
def html_502(wire: Wire) -> None:
    """A reverse proxy's HTML error."""
    page = b"<html><h1>502 Bad Gateway</h1><hr>nginx</html>"
    wire.answer(502, "text/html", page, ("Server", "nginx"))


@fault
def empty_200(wire: Wire) -> None:
    """200 with an empty body."""
    wire.answer(200, NDJSON if wire.streams else JSON, b"")


@fault
def text_404(wire: Wire) -> None:
    """The plain text of an unknown route: not an Ollama."""
    wire.answer(404, "text/plain", b"404 page not found")


@fault
def wrong_list(wire: Wire) -> None:
    """JSON that is not what the route promises: models is a string."""
    wire.answer(200, JSON, b'{"models":"none"}')


@fault
def odd_list(wire: Wire) -> None:
    """A model list with missing, null and odd entries."""
    good = '{"name":"tiny:latest","model":"tiny:latest","size":1,"digest":"d"}'
    odd = '{"models":[null,1,"x",{},{"name":null},{"name":7},' + good + "]}"
    wire.answer(200, JSON, odd.encode())


@fault
def null_list(wire: Wire) -> None:
    """A model list that is null."""
    wire.answer(200, JSON, b'{"models":null}')


@fault
def proxy_headers(wire: Wire) -> None:
    """The good answer with hop-by-hop and cookie headers (valid)."""
    more = [("Keep-Alive", "timeout=5"), ("Set-Cookie", "a=b"), ("X-Powered-By", "x")]
    wire.raw(wire.head(*more, ("Transfer-Encoding", "chunked")))
    wire.chunk(*wire.lines)
    wire.last()
