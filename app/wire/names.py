"""Model names: ``[host/][namespace/]model[:tag]`` (``types/model/name.go``)."""

from functools import lru_cache

_HOST, _NAMESPACE, _TAG = "registry.ollama.ai", "library", "latest"


def namespace(name: str) -> str:
    """The namespace of a model name, which is OpenAI's ``owned_by``."""
    parts = name.split("/")
    return parts[-2] if len(parts) > 1 and parts[-2] else _NAMESPACE


#: Names whose key is remembered, and the characters of such a name.
_REMEMBERED, _LONGEST = 1024, 256


def key(name: str) -> str:
    """What all spellings of one model share: complete and in lower case.

    Any text has one; that of an invalid name is nobody's.
    """
    return _known(name) if len(name) <= _LONGEST else _key(name)


def _key(name: str) -> str:
    name = name.strip().lower().removeprefix("https://").removeprefix("http://")
    head, _, last = name.rpartition("/")
    host, _, space = head.rpartition("/")
    model, _, tag = last.partition(":")
    return f"{host or _HOST}/{space or _NAMESPACE}/{model}:{tag or _TAG}"


_known = lru_cache(_REMEMBERED)(_key)


def short(name: str) -> str:
    """A model's name as Ollama's list shows it, the same for all its spellings."""
    complete = key(name).removeprefix(f"{_HOST}/")
    return complete.removeprefix(f"{_NAMESPACE}/")
