"""The catalogue: which models exist, what they can do, and which are loaded.

Besides the recorded ``tiny*`` family and some friendly names, every name made of
``sim-…`` parts and every ``fault-…`` name exists without being listed.
"""

import dataclasses
import hashlib
import re
import time
from typing import Any

from . import faults, golang, names
from .names import Name
from .tiny import DATA

BLOBS = "/usr/share/ollama/.ollama/models/blobs/sha256-"
#: How long a model stays loaded when a request does not say, in nanoseconds.
KEEP_ALIVE = 30 * 60 * 10**9
LOADED_CONTEXT = 4096


@dataclasses.dataclass
class Behaviour:
    """What a ``sim-`` or ``fault-`` name asks for; zero means nothing special."""

    tps: float = 0
    chunks: int = 0
    dims: int = 0
    load: float = 0
    bytes: int = 0
    script: bool = False
    fault: str = ""
    after: int | None = None


@dataclasses.dataclass
class Model:
    """One model as /api/show, /api/tags and the generating routes need it."""

    name: Name
    capabilities: list[str]
    details: dict[str, Any]
    digest: str
    size: int
    resident: int
    modified_at: str
    #: Which tiny model's tables speak, or "" for the echoing voice.
    voice: str = ""
    template: str = "{{ .Prompt }}"
    license: str = ""
    system: str = ""
    parameters: list[tuple[str, Any]] = dataclasses.field(default_factory=list)
    messages: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    blobs: list[str] = dataclasses.field(default_factory=list)
    info: dict[str, Any] = dataclasses.field(default_factory=dict)
    tensors: list[Any] = dataclasses.field(default_factory=list)
    projector: dict[str, Any] = dataclasses.field(default_factory=dict)
    behaviour: Behaviour = dataclasses.field(default_factory=Behaviour)

    @property
    def context(self) -> int:
        """The context length the model was trained for."""
        return int(self.details.get("context_length", 8192))

    @property
    def dims(self) -> int:
        """How long its embeddings are."""
        return self.behaviour.dims or int(self.details.get("embedding_length", 64))

    def parameter(self, name: str, default: Any) -> Any:
        """One PARAMETER of the Modelfile; ``stop`` is a list."""
        found = [value for key, value in self.parameters if key == name]
        if name == "stop":
            return found or default
        return found[-1] if found else default


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _tiny(short: str, entry: dict[str, Any]) -> Model:
    kind = entry["model_info"]
    name = names.parse(short)
    assert name is not None
    return Model(
        name=name,
        capabilities=entry["capabilities"],
        details=entry["details"],
        digest=entry["digest"],
        size=entry["size"],
        resident=entry["resident"],
        modified_at=entry["modified_at"],
        voice=short,
        template=entry["template"],
        license=entry.get("license", ""),
        system=entry.get("system", ""),
        parameters=[(key, value) for key, value in entry["parameters"]],
        messages=entry.get("messages", []),
        blobs=entry["blobs"],
        info=DATA["model_info"][kind],
        tensors=DATA["tensors"][kind],
        projector=entry.get("projector_info", {}),
    )


#: The friendly names: capabilities, family, parameters, context, embedding length.
FRIENDLY: dict[str, tuple[str, str, str, int, int]] = {
    "llama3.2": ("completion tools", "llama", "3.2B", 131072, 3072),
    "llama3.1:8b": ("completion tools", "llama", "8.0B", 131072, 4096),
    "llama3.2-vision:11b": ("completion vision", "mllama", "10.7B", 131072, 4096),
    "llava": ("completion vision", "llama", "7.2B", 32768, 4096),
    "gemma3": ("completion vision", "gemma3", "4.3B", 131072, 2560),
    "qwen3": ("completion tools thinking", "qwen3", "8.2B", 40960, 4096),
    "qwen3:32b": ("completion tools thinking", "qwen3", "32.8B", 40960, 5120),
    "deepseek-r1": ("completion thinking", "qwen3", "8.2B", 131072, 4096),
    "gpt-oss:20b": ("completion tools thinking", "gptoss", "20.9B", 131072, 2880),
    "gpt-oss:120b": ("completion tools thinking", "gptoss", "116.8B", 131072, 2880),
    "qwen2.5-coder": ("completion tools insert", "qwen2", "7.6B", 32768, 3584),
    "qwen3-coder": ("completion tools insert", "qwen3moe", "30.5B", 262144, 2048),
    "all-minilm": ("embedding", "bert", "23M", 512, 384),
    "nomic-embed-text": ("embedding", "nomic-bert", "137M", 2048, 768),
    "mxbai-embed-large": ("embedding", "bert", "334M", 512, 1024),
}


def _made_up(
    name: Name, can: str, family: str, parameters: str, context: int, length: int
) -> Model:
    """A model that was never trained: plausible papers, the echoing voice."""
    blob = _digest("blob", name.key)
    figure = float(parameters[:-1]) * {"M": 1e6, "B": 1e9}[parameters[-1]]
    return Model(
        name=name,
        capabilities=can.split(),
        details={
            "parent_model": "",
            "format": "gguf",
            "family": family,
            "families": [family],
            "parameter_size": parameters,
            "quantization_level": "F16" if "embedding" in can else "Q4_K_M",
            "context_length": context,
            "embedding_length": length,
        },
        digest=_digest("manifest", name.key),
        size=int(figure * 0.6),
        resident=int(figure * 0.7),
        modified_at="2026-01-02T03:04:05.678901234Z",
        blobs=[blob],
        info={
            f"{family}.block_count": 1,
            f"{family}.context_length": context,
            f"{family}.embedding_length": length,
            "general.architecture": family,
            "general.file_type": 15,
            "general.parameter_count": int(figure),
        },
    )


_SIM_PART = re.compile(r"(tps|chunks|dims|load|bytes)(\d+(?:\.\d+)?)")
_SIM_CAPABILITIES = {
    "audio": "audio",
    "think": "thinking",
    "tools": "tools",
    "vision": "vision",
}


def _implicit(name: Name) -> Model | None:
    """The model behind a ``sim-…`` or ``fault-…`` name; ``None`` for a typo."""
    kind, _, rest = name.model.lower().partition("-")
    behaviour = Behaviour()
    can = ["completion", "insert"]
    if kind == "fault":
        found = faults.find(rest)
        if found is None:
            return None
        behaviour.fault, behaviour.after = found
        can = ["completion", "tools", "insert", "embedding"]
    elif kind == "sim":
        for part in rest.split("-"):
            match = _SIM_PART.fullmatch(part)
            if match:
                number = float(match[2])
                whole = match[1] in ("chunks", "dims", "bytes")
                setattr(behaviour, match[1], int(number) if whole else number)
            elif part == "script":
                behaviour.script = True
                can.append("tools")
            elif part in _SIM_CAPABILITIES:
                can.append(_SIM_CAPABILITIES[part])
            else:
                return None
        if behaviour.dims:
            can = ["embedding"]
    else:
        return None
    family = "bert" if can == ["embedding"] else "llama"
    model = _made_up(name, " ".join(can), family, "1.0B", 131072, 64)
    model.behaviour = behaviour
    return model


@dataclasses.dataclass
class Loaded:
    """A model in memory: until when, and with which context."""

    model: Model
    expires: int
    context: int


class Catalogue:
    """All models of one simulator; changed by copy, create, delete and pull."""

    def __init__(self) -> None:
        self.models: dict[str, Model] = {}
        self.loaded: dict[str, Loaded] = {}
        for short, entry in DATA["models"].items():
            self.add(_tiny(short, entry))
        for short, facts in FRIENDLY.items():
            name = names.parse(short)
            assert name is not None
            self.add(_made_up(name, *facts))

    def add(self, model: Model) -> None:
        """List a model; one of the same name is replaced."""
        self.models[model.name.key] = model

    def find(self, text: str) -> Model | None:
        """The model a client means by ``text``, in any case, with or without tag."""
        name = names.parse(text)
        if name is None:
            return None
        return self.models.get(name.key) or _implicit(name)

    def copy(self, source: Model, name: Name, **changes: Any) -> Model:
        """The same model under another name; ``changes`` replace its fields."""
        now = golang.timestamp()
        made = dataclasses.replace(source, name=name, modified_at=now, **changes)
        self.add(made)
        return made

    def registered(self, name: Name) -> Model:
        """A model as the registry has it: as its friendly name, or some llama."""
        facts = FRIENDLY.get(f"{name.model}:{name.tag}") or FRIENDLY.get(name.model)
        made = _implicit(name)
        made = made or _made_up(name, *(facts or FRIENDLY["llama3.1:8b"]))
        made.modified_at = golang.timestamp()
        return made

    def delete(self, name: Name) -> bool:
        """Forget a model; False when there was none."""
        self.loaded.pop(name.key, None)
        return self.models.pop(name.key, None) is not None

    def load(self, model: Model, keep_alive: int | None, options: Any) -> Loaded:
        """Bring a model into memory, or keep it there longer."""
        context = options.get("num_ctx") or model.parameter("num_ctx", LOADED_CONTEXT)
        context = max(4, min(int(context), model.context))
        span = KEEP_ALIVE if keep_alive is None else keep_alive
        expires = min(time.time_ns() + span, golang.FOREVER)
        loaded = self.loaded[model.name.key] = Loaded(model, expires, context)
        return loaded

    def running(self) -> list[Loaded]:
        """The loaded models, the one with most time left first."""
        now = time.time_ns()
        for key in [k for k, one in self.loaded.items() if one.expires <= now]:
            del self.loaded[key]
        return sorted(self.loaded.values(), key=lambda one: -one.expires)
