"""Texts that would be more than texts, were they not shown as such; and an Ollama,
its clients and its history that consist of them.
"""

import json
from pathlib import Path
from typing import Any

from app.gateway.usage import Row
from app.moment import now_ms
from app.storage.audit import note
from app.storage.storage import Storage

from .faulty import Faulty, Peer
from .scripted import LAST, NDJSON, chunk
from .used import keep, row

#: What would be an element, or more, if a page believed it.
MARKUP = {
    "img": "<img src=x onerror=alert(1)>",
    "script": "</script><script>alert(1)</script>",
    "svg": "\"'><svg onload=alert(1)>",
    "area": "</textarea></option><b>x",
    "braces": "{{7*7}}{%raw%}${7*7}",
    "link": "javascript:alert(1)",
}
#: What can be seen but is odd.
ODD = {
    "emoji": "\U0001f999\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "word": "w" * 80,
}
#: What cannot be seen, and turns what can.
UNSEEN = {
    "rtl": "\u202egnp.exe\u202c\u2066\u05d0",
    "control": "a\x01\b\x1b[31m\x7f\x85z",
}
TEXTS = {**MARKUP, **ODD, **UNSEEN}
#: A word that no line has room for.
LONG = "w" * 10_000
ALL = " ".join(TEXTS.values())
_ODD_CAPABILITIES = ["completion", "tools", "vision", "thinking", "insert"]
_AT = "2026-01-02T03:04:05.678Z"


def model(text: str) -> str:
    """A model whose name is one of the texts."""
    return f"{text}:latest"


#: Names of models for which something can be set: without spaces.
TIGHT = [model(MARKUP[name].replace(" ", "/")) for name in ("img", "script", "svg")]
#: Keys are for none of those: one whose requests go on until its client leaves, and
#: one that fails, and one that answers.
SLOW, BROKEN, CHATTY = "slow:latest", "broken:latest", "chatty:latest"
MODELS = [*(model(text) for text in TEXTS.values()), *TIGHT, SLOW, BROKEN, CHATTY]


class Ollama(Faulty):
    """An Ollama that somebody else has filled."""

    def __init__(self) -> None:
        super().__init__(self._connection)

    def _connection(self, peer: Peer) -> None:
        while True:
            head, body = peer.request()
            if not head:
                return
            path = head.split()[1].decode()
            if path in ("/api/chat", "/api/generate"):
                self._speak(peer, json.loads(body))
            else:
                told = json.dumps(_told(path)).encode()
                length = f"Content-Length: {len(told)}\r\n\r\n".encode()
                kind = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                peer.send(kind + length + told)

    def _speak(self, peer: Peer, call: dict[str, Any]) -> None:
        if call["model"] == BROKEN:
            told = json.dumps({"error": f"{ALL} {LONG}"}).encode()
            length = f"Content-Length: {len(told)}\r\n\r\n".encode()
            peer.send(b"HTTP/1.1 500 Oh\r\n" + length + told)
            return
        function = {"name": MARKUP["img"], "arguments": {MARKUP["svg"]: ALL}}
        calls = [{"id": MARKUP["script"], "function": function}]
        lines: list[dict[str, Any]] = [
            {"thinking": f"{ALL} {LONG}"},
            {"content": f"{ALL} {LONG}"},
            {"content": "", "tool_calls": calls if call.get("tools") else []},
        ]
        peer.send(NDJSON)
        for number, message in enumerate(lines):
            said = {"role": "assistant", "content": "", **message}
            done = {"done": number == 2, "done_reason": MARKUP["img"]}
            line = {"model": call["model"], "created_at": ALL, "message": said, **done}
            peer.send(chunk(json.dumps(line).encode() + b"\n"))
            if call["model"] == SLOW and number == 1:
                peer.socket.settimeout(None)
                peer.gone()
                return
        peer.send(LAST)


def _told(path: str) -> Any:
    details = {
        "family": ALL,
        "parameter_size": f"{MARKUP['img']}{LONG}",
        "quantization_level": MARKUP["script"],
        "format": MARKUP["svg"],
        "parent_model": ALL,
    }
    known = {"digest": ALL, "size": 7, "details": details, "modified_at": ALL}
    running = {**known, "expires_at": ALL, "size_vram": 5, "context_length": 4096}
    able = [*_ODD_CAPABILITIES, *TEXTS.values()]
    parts = dict.fromkeys(("template", "system", "license", "modelfile"), ALL)
    answers = {
        "/api/version": {"version": f"{ALL} {LONG}"},
        "/api/tags": {"models": [{"name": m, "model": m, **known} for m in MODELS]},
        "/api/ps": {"models": [{"name": m, "model": m, **running} for m in MODELS]},
        "/api/show": {
            **known,
            **parts,
            "parameters": f"stop {ALL}\nnum_ctx 4096",
            "capabilities": able,
            "model_info": {"general.architecture": ALL, ALL: LONG},
        },
    }
    return answers.get(path, {})


def rows(keys: dict[str, str]) -> list[Row]:
    """Requests with each text wherever a client or Ollama can put one.

    ``keys`` are ids by names; there is one more key, which is no more.
    """
    now = now_ms()
    known = [*keys.items(), (ALL, "gone")]
    return [
        _row(number, now - 1000 * number, text, *known[number % len(known)])
        for number, text in enumerate([*TEXTS.values(), f"{ALL} {LONG}"] * 2)
    ]


def _row(number: int, at: int, text: str, name: str, key: str) -> Row:
    said = ("request_id", "requested_model", "resolved_model", "error_code", "think")
    said += ("finish_reason", "client_ip", "user_agent", "end_user")
    fields: dict[str, Any] = dict.fromkeys(said, text)
    states = ("ok", "client_error", "upstream_error")
    return row(
        number,
        at,
        key_id=key,
        key_name=name,
        protocol="openai",
        status=states[number % 3],
        http_status=200 + 100 * (number % 3),
        ttft_ms=20,
        eval_ms=50.0,
        **fields,
    )


def leave(directory: Path, keys: dict[str, str]) -> None:
    """Have a state directory know of hostile requests and changes."""
    keep(directory, rows(keys))
    storage = Storage("", str(directory))
    for text in (*TEXTS.values(), f"{ALL} {LONG}"):
        diff = {text: (text, {text: [text]}), "name": (None, text)}
        for action in ("key.change", "login.failure", text):
            storage.write(
                lambda connection, action=action, text=text, diff=diff: note(
                    connection, text, action, text, diff, text
                )
            )
    storage.close()
