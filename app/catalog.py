"""Catalog: which models Ollama has, what they can do, which are loaded.

It asks as seldom as it can and remembers: the list for 10 s, what a model is by its
digest, what is loaded for a second.  Many requests at once make one call.  It never
raises: while Ollama cannot say, it knows what it knew before, or nothing.
"""

import math
import re
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from .aged import Aged, Clock
from .errors import GatewayError, UpstreamTimeout, UpstreamUnreachable
from .wire import ollama
from .wire.decoding import decode
from .wire.names import key

#: Seconds that the list of models and the list of loaded ones are good for.
LIST_AGE = 10.0
LOADED_AGE = 1.0
#: Seconds until a model that is not there, or an Ollama that is not, is asked again.
AGAIN = 2.0
#: Seconds that one call may take: a request waits for it.
PATIENCE = 5.0
#: Models whose facts are remembered, beside as many as there are in the list: with
#: fewer, one who asks for all would find none.
MAX_FACTS = 1000

#: Go prints large numbers as 1.048576e+06 (``GetModelInfo`` in ``server/routes.go``).
_NUM_CTX = re.compile(r'^num_ctx\s+"?(\d{1,16}(?:\.\d{1,16})?(?:e\+\d\d)?)', re.M)
#: Families that only embed, for an Ollama that does not tell capabilities.
_EMBEDS = re.compile("bert", re.IGNORECASE)

T = TypeVar("T")
Control = Callable[..., bytes]
#: Whether the model of a name is looked at.
Among = Callable[[str], bool]
_Listed = dict[str, ollama.ListModel]
#: Facts, and until when they are good.
_Known = tuple["Facts | None", float]


class Facts(msgspec.Struct, frozen=True):
    """What Ollama says of one model (``POST /api/show``).

    ``name`` is its name in the list, ``digest`` is empty for one that is not listed
    (a model of the cloud).  ``capabilities`` are ``None`` where Ollama does not tell
    them (before 0.6.4).  ``context_length`` is the model's own in tokens, ``num_ctx``
    the one its Modelfile sets.  ``details`` holds ``parameter_size``,
    ``quantization_level`` and more.
    """

    name: str
    digest: str
    capabilities: frozenset[str] | None
    family: str
    context_length: int | None
    num_ctx: int | None
    template: str
    details: dict[str, Any]

    @property
    def bare(self) -> bool:
        """Whether its template leaves a prompt as it is: there is none for talk."""
        return self.template.strip() in ("", "{{ .Prompt }}", "{{.Prompt}}")

    @property
    def inserts(self) -> bool:
        """Whether Ollama itself can fill in with it, by its template."""
        if self.capabilities is None:
            return ".Suffix" in self.template
        return "insert" in self.capabilities

    @property
    def chats(self) -> bool:
        """Whether this model generates text."""
        if self.capabilities is None:
            return not _EMBEDS.search(self.family)
        return "completion" in self.capabilities


class Catalog:
    """The models of one Ollama.

    ``control`` makes one small call (``Upstream.control``).  Names are matched as
    Ollama does it: in any case, with or without tag, namespace and registry.
    """

    def __init__(self, control: Control, clock: Clock = time.monotonic) -> None:
        self._control = control
        self._clock = clock
        self._rests_until = -math.inf
        self._listed: Aged[_Listed] = Aged(self._ask_list, {}, clock)
        self._running: Aged[dict[str, int]] = Aged(self._ask_loaded, {}, clock)
        self._silent = True  # while Ollama does not say what is in memory
        self._facts: dict[tuple[str, str], _Known] = {}
        self._lock = threading.Lock()

    def facts(self, name: str) -> Facts | None:
        """What a model is; ``None`` if it is not there or Ollama cannot say."""
        wanted = key(name)
        listed = self._list_with(wanted).get(wanted)
        digest = _text(listed.digest) if listed else ""
        known = self._remembered(wanted, digest)
        if known is None:
            with self._lock:
                known = self._remembered(wanted, digest)
                if known is None:
                    known = self._ask_facts(listed.called if listed else name, digest)
                    self._remember(wanted, digest, known)
        return known[0]

    def loaded(self, name: str, age: float = LOADED_AGE) -> int | None:
        """The context length with which a model is in memory; ``None`` if it is not.

        0 where Ollama does not tell the length (before 0.10).  ``age`` is how old the
        answer may be.
        """
        return self._running.get(age).get(key(name))

    def absent(self, name: str) -> bool:
        """Whether a model that Ollama has is not in memory, as far as Ollama says."""
        return self.loaded(name) is None and not self._silent and self.installed(name)

    def installed(self, name: str) -> bool:
        """Whether a model is in Ollama's list."""
        wanted = key(name)
        return wanted in self._list_with(wanted)

    def has(self, name: str) -> bool | None:
        """Whether Ollama knows a model, in its list or not (of the cloud).

        ``None`` while nobody knows of any.
        """
        if not self._listed.get(LIST_AGE):
            return None
        return self.installed(name) or self.facts(name) is not None

    def models(self) -> list[ollama.ListModel]:
        """All models in Ollama's list, the one that was changed last first."""
        return list(self._listed.get(LIST_AGE).values())

    def forget(self, _: object = None) -> None:
        """Ask again at the next occasion; what a digest says stays true."""
        self._listed.forget()
        self._running.forget()
        known = self._facts.items()
        self._facts = {at: one for at, one in known if at[1] and one[0] is not None}

    def first_chat_model(self, among: Among = lambda name: True) -> str | None:
        """The model that was changed last, of those that generate text."""
        return self.first(lambda facts: facts.chats, among)

    def first(
        self, wanted: Callable[[Facts], bool], among: Among = lambda name: True
    ) -> str | None:
        """The model that was changed last, of those that are wanted."""
        for model in self._listed.get(LIST_AGE).values():
            facts = self.facts(model.called) if among(model.called) else None
            if facts is not None and wanted(facts):
                return model.called
        return None

    # ------------------------------------------------------------ asking

    def _list_with(self, wanted: str) -> _Listed:
        """The list; asked for again if a name is not in it."""
        listed = self._listed.get(LIST_AGE)
        return listed if wanted in listed else self._listed.get(AGAIN)

    def _ask_list(self) -> _Listed | None:
        answer = self._ask(_decode_list, "GET", "/api/tags")
        if answer is None:
            return None
        # Ollama's order of models of the same second is another at every call.
        listed = sorted(_by_key(answer, _decode_listed).items())
        listed.sort(key=lambda item: ollama.epoch(item[1].modified_at), reverse=True)
        return dict(listed)

    def _ask_loaded(self) -> dict[str, int]:
        answer = self._ask(_decode_list, "GET", "/api/ps")
        self._silent = answer is None
        loaded = _by_key(answer, _decode_loaded) if answer else {}
        return {name: ollama.count(one.context_length) for name, one in loaded.items()}

    def _ask_facts(self, name: str, digest: str) -> _Known:
        """What a model is, and until when that is good."""
        request = ollama.ShowRequest(name)
        shown = self._ask(_decode_show, "POST", "/api/show", request)
        now = self._clock()
        if shown is None:
            return None, now + AGAIN
        return _facts(name, digest, shown), math.inf if digest else now + LIST_AGE

    def _ask(
        self, decoder: msgspec.json.Decoder[T], method: str, path: str, body: Any = None
    ) -> T | None:
        if self._clock() < self._rests_until:
            return None
        try:
            return decode(decoder, self._control(method, path, body, PATIENCE))
        except (UpstreamUnreachable, UpstreamTimeout):
            self._rests_until = self._clock() + AGAIN
        except (GatewayError, msgspec.DecodeError):
            pass
        return None

    # ------------------------------------------------------- remembering

    def _remembered(self, name: str, digest: str) -> _Known | None:
        known = self._facts.get((name, digest))
        return known if known and self._clock() < known[1] else None

    def _remember(self, name: str, digest: str, known: _Known) -> None:
        self._facts.pop((name, digest), None)  # the oldest comes first
        most = MAX_FACTS + len(self._listed.get(math.inf))
        while len(self._facts) >= most:
            del self._facts[next(iter(self._facts))]
        self._facts[name, digest] = known


_decode_list = msgspec.json.Decoder(ollama.ListResponse)
_decode_listed = msgspec.json.Decoder(ollama.ListModel)
_decode_loaded = msgspec.json.Decoder(ollama.LoadedModel)
_decode_show = msgspec.json.Decoder(ollama.ShowResponse)

Listed = TypeVar("Listed", bound=ollama.ListModel)


def in_memory(answer: bytes) -> dict[str, ollama.LoadedModel]:
    """The models of an answer of ``/api/ps``, by ``names.key``.

    Raises ``msgspec.DecodeError``.
    """
    return _by_key(decode(_decode_list, answer), _decode_loaded)


def _by_key(
    answer: ollama.ListResponse, decoder: msgspec.json.Decoder[Listed]
) -> dict[str, Listed]:
    """The entries of a list that are models, in its order."""
    found: dict[str, Listed] = {}
    for raw in answer.models or ():
        try:
            entry = decode(decoder, bytes(raw))
        except msgspec.DecodeError:
            continue
        if entry.called:
            found[key(entry.called)] = entry
    return found


def _facts(name: str, digest: str, shown: ollama.ShowResponse) -> Facts:
    """Facts out of whatever Ollama showed: an odd field is as good as none."""
    can, details, info = shown.capabilities, shown.details, shown.model_info
    details = details if isinstance(details, dict) else {}
    own = _NUM_CTX.search(_text(shown.parameters))
    return Facts(
        name=name,
        digest=digest,
        capabilities=frozenset(map(_text, can)) if isinstance(can, list) else None,
        family=_text(details.get("family")),
        context_length=_context_length(info) if isinstance(info, dict) else None,
        num_ctx=ollama.count(int(float(own[1]))) or None if own else None,
        template=_text(shown.template),
        details=details,
    )


def _context_length(info: dict[str, Any]) -> int | None:
    """``<architecture>.context_length``, or the only one there is."""
    own = f"{info.get('general.architecture')}.context_length"
    names = [own] if own in info else [n for n in info if n.endswith(".context_length")]
    return ollama.count(info[names[0]]) or None if names else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
