"""The data directory of Ollama2OpenAI, as that program writes its files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: A key made by it, and one made by hand.
LONG, SHORT = "sk-0123456789abcdef0123456789abcdef", "changeme"
#: When all of it was made.
MADE = "2025-08-01T10:00:00.000Z"


def config(url: str) -> dict[str, Any]:
    """Its ``config.json``, with Ollama's address."""
    return {
        "ollamaUrl": url,
        "adminUsername": "admin",
        "adminPasswordHash": "$2b$10$abcdefghijklmnopqrstuv",
        "serverPort": 3000,
        "rateLimit": {"windowMs": 900000, "max": 1000},
        "allowUnverifiedOptions": False,
    }


def key(id: str, name: str, secret: str, *models: str) -> dict[str, Any]:
    """A key of ``api_keys.json``, for these models."""
    return {
        "id": id,
        "name": name,
        "key": secret,
        "allowedModels": list(models),
        "created": MADE,
        "usageCount": 2,
        "lastUsed": None,
    }


def logged(id: str, name: str) -> dict[str, Any]:
    """A request of the key with this id and name, in ``logs.json``."""
    return {
        "id": "1754042400123",
        "timestamp": "2025-08-01T10:00:00.123Z",
        "apiKeyId": id,
        "apiKeyName": name,
        "model": "coder",
        "tokens": 12,
        "promptTokens": 5,
        "completionTokens": 7,
        "responseTime": 1234,
        "status": "success",
        "endpoint": "/chat/completions",
        "userAgent": "OpenAI/Python",
        "ip": "10.0.0.1",
    }


def written(place: Path, files: Mapping[str, Any]) -> Path:
    """A data directory with these files; a text is one that is broken."""
    place.mkdir(parents=True)
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (place / name).write_text(text)
    return place
