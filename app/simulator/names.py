"""Model names: how Ollama reads, completes and shows them.

Specification: native API, section 1.
"""

import re
from typing import NamedTuple

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")
_NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}")
HOST, NAMESPACE, TAG = "registry.ollama.ai", "library", "latest"


class Name(NamedTuple):
    """A complete model name."""

    host: str
    namespace: str
    model: str
    tag: str

    @property
    def full(self) -> str:
        """With registry and namespace: how capability errors say it."""
        return f"{self.host}/{self.namespace}/{self.model}:{self.tag}"

    @property
    def short(self) -> str:
        """As lists show it: defaults left out, the tag always there."""
        text = f"{self.model}:{self.tag}"
        if self.host != HOST:
            return f"{self.host}/{self.namespace}/{text}"
        return text if self.namespace == NAMESPACE else f"{self.namespace}/{text}"

    @property
    def key(self) -> str:
        """What two spellings of one model share."""
        return self.full.lower()


def parse(text: str) -> Name | None:
    """The name that ``text`` stands for; ``None`` for an invalid one."""
    text = text.removeprefix("https://").removeprefix("http://")
    head, slash, last = text.rpartition("/")
    model, _, tag = last.partition(":") if ":" in last else (last, "", TAG)
    host, _, namespace = head.rpartition("/") if slash else (HOST, "", NAMESPACE)
    host = host or HOST
    good = (
        _PART.fullmatch(model)
        and _PART.fullmatch(tag)
        and _NAMESPACE.fullmatch(namespace)
        and _HOST.fullmatch(host)
        and "/" not in host
    )
    return Name(host, namespace, model, tag) if good else None


def cloud(text: str) -> bool:
    """Whether a name asks for a model that runs at ollama.com."""
    tag = text.rpartition("/")[2].partition(":")[2].lower()
    return tag == "cloud" or tag.endswith("-cloud")
