"""The obvious translator: Flask, ``requests`` with ``iter_lines``, and ``json``.

It is what a competent programmer writes in an afternoon, with nothing made slow on
purpose: connections are kept, as many as there are clients.  It knows only what the
benchmark asks; ``OLLAMA_URL`` says where Ollama is.
"""

import base64
import json
import os
import struct
import time
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import requests
from flask import Flask, Response, jsonify, request
from requests.adapters import HTTPAdapter

OLLAMA = os.environ.get("OLLAMA_URL", "http://127.0.0.1:11434").rstrip("/")
TIMEOUT = (5, 300)  # seconds: to connect, between two pieces of an answer
OPTIONS = {
    "max_tokens": "num_predict",
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "stop": "stop",
}

app = Flask(__name__)
session = requests.Session()
session.mount("http://", HTTPAdapter(pool_connections=1, pool_maxsize=1000))


@app.errorhandler(requests.RequestException)
def failed(error: requests.RequestException) -> tuple[Response, int]:
    """Ollama's own status if it answered at all, in OpenAI's envelope."""
    status = 502 if error.response is None else error.response.status_code
    return jsonify(error={"message": str(error), "type": "api_error"}), status


@app.post("/v1/chat/completions")
def chat() -> Response:
    """A chat, whole or streamed."""
    asked = request.get_json()
    stream = bool(asked.get("stream"))
    options = {ours: asked[name] for name, ours in OPTIONS.items() if name in asked}
    call = {"model": asked["model"], "messages": asked["messages"], "stream": stream}
    answer = session.post(
        f"{OLLAMA}/api/chat",
        json={**call, "options": options},
        stream=stream,
        timeout=TIMEOUT,
    )
    answer.raise_for_status()
    head = {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion.chunk" if stream else "chat.completion",
        "created": int(time.time()),
        "model": asked["model"],
    }
    if stream:
        return Response(frames(head, answer), mimetype="text/event-stream")
    reply = answer.json()
    choice = {"index": 0, "message": reply["message"]}
    choice["finish_reason"] = reply.get("done_reason", "stop")
    return jsonify({**head, "choices": [choice], "usage": usage(reply)})


def frames(head: dict[str, Any], answer: requests.Response) -> Iterator[str]:
    """The events of a stream: one for each line of Ollama's, then the mark."""
    role = {"role": "assistant"}
    with answer:
        for line in answer.iter_lines():
            reply = json.loads(line)
            delta = {**role, "content": reply["message"]["content"]}
            reason = reply.get("done_reason", "stop") if reply["done"] else None
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            yield f"data: {json.dumps({**head, 'choices': [choice]})}\n\n"
            role = {}
    yield "data: [DONE]\n\n"


def usage(reply: dict[str, Any]) -> dict[str, int]:
    """What was counted."""
    prompt, answer = reply.get("prompt_eval_count", 0), reply.get("eval_count", 0)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
    }


@app.post("/v1/embeddings")
def embeddings() -> Response:
    """Embeddings, as floats or as base64 of 32-bit floats."""
    asked = request.get_json()
    call = {"model": asked["model"], "input": asked["input"]}
    answer = session.post(f"{OLLAMA}/api/embed", json=call, timeout=TIMEOUT)
    answer.raise_for_status()
    reply = answer.json()
    vectors = reply["embeddings"]
    if asked.get("encoding_format") == "base64":
        packed = (struct.pack(f"<{len(vector)}f", *vector) for vector in vectors)
        vectors = [base64.b64encode(data).decode() for data in packed]
    data = [
        {"object": "embedding", "index": index, "embedding": vector}
        for index, vector in enumerate(vectors)
    ]
    count = reply.get("prompt_eval_count", 0)
    counted = {"prompt_tokens": count, "total_tokens": count}
    return jsonify(object="list", data=data, model=asked["model"], usage=counted)


@app.get("/v1/models")
def models() -> Response:
    """The installed models."""
    answer = session.get(f"{OLLAMA}/api/tags", timeout=TIMEOUT)
    answer.raise_for_status()
    data = [
        {
            "id": model["name"],
            "object": "model",
            "created": int(datetime.fromisoformat(model["modified_at"]).timestamp()),
            "owned_by": "library",
        }
        for model in answer.json()["models"]
    ]
    return jsonify(object="list", data=data)
