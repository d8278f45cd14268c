"""The least that gunicorn with gevent can answer: reads a body, says the same always.

What a request costs here nobody can save who runs under gunicorn; Pannier's own work
is what it costs on top of that.
"""

from collections.abc import Callable, Iterable
from typing import Any

ANSWER = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,'
    b'"model":"chat","system_fingerprint":"fp_ollama","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"Hello! How can I help you today?"},'
    b'"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":26,'
    b'"completion_tokens":10,"total_tokens":36}}\n'
)


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """A WSGI application: 200 and ``ANSWER``, a short chat completion."""
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(ANSWER))),
    ]
    start_response("200 OK", headers)
    return [ANSWER]
