"""Exchange: what is known of one request while it passes through the stack.

It lives under one key of the environ.  Layers and endpoints fill in what they learn;
the access log reads it when the answer is over.  Times are of the monotonic clock.
"""

import time
from collections.abc import Callable, Collection, Sequence
from typing import Any
from wsgiref.types import WSGIEnvironment

from msgspec import Struct, field

from .carriers.base import Headers, Timeouts
from .errors import GatewayError
from .gateway.keys import Key
from .gateway.spent import Spent
from .gateway.taken import Taken
from .ids import new_id
from .inflight import Watch
from .prompt import Prompt

KEY = "pannier.exchange"


class Wish(Struct, frozen=True):
    """How much a client, or a setting, wants a model to think.

    ``level`` is yes or no, or an effort: ``minimal``, ``low``, ``medium``, ``high`` or
    ``max``.  ``rough`` says that it was guessed from a number of tokens.  ``field`` is
    where the client said it, empty for a setting.
    """

    field: str
    level: bool | str
    rough: bool = False


class Exchange(Struct):
    """One request and what became of it.

    ``size`` is that of its body in bytes, where that was read as a whole.
    ``stream`` is what the client asked of a translated route, ``None`` on a native
    one.  ``complete`` says that Ollama's answer has all it should have, whatever may
    still come.  ``ignored`` names request fields that had no effect, ``unknown`` those
    of them that the endpoint does not know; ``adjusted`` says what was changed
    (``num_ctx=8192``).  ``wish`` is for thinking, where there is one; ``hidden`` keeps
    the reasoning from the client.  ``tools`` is what an endpoint found out of the tools
    it offers and its writers need; it alone knows the type.  So is ``filling`` with the
    text that a completion of code fills in; None: the request is no such thing.
    ``key`` is the key that asks, None where none is needed, ``outdated`` that it does
    with its secret before a rotation; ``alias`` is the other name of a model that was
    asked for, if it was one, and ``resolved`` the model.  ``given``
    names the options that the request itself sets.  ``timeouts`` bound the call to
    Ollama in the place of the settings', ``patience`` are the seconds that the client
    gives it.  ``reasoning_field`` is where its reasoning goes, if not where the
    settings say, ``max_num_ctx`` the largest context that may be asked for.
    ``closing`` are called once, in their order, when the answer is over, however it
    ended; what became of it is known then: ``status``, the bytes ``sent``, the
    milliseconds until the first of them, and the
    ``outcome``: ``done``, ``left``, ``cut``, ``stalled``, or the code of an error.
    ``first_item_ms`` are those until the first that is not just a sign of life.
    ``taken`` is what the request has of its key's limits, ``headers`` gives what goes
    out with its answer, whatever that is.
    ``spent`` is told what the request asks and uses, where anybody wants to know.
    ``num_ctx`` is the context in force, ``prompt_estimate`` about how many tokens the
    prompt has, where somebody found out; ``prompt`` can find out what becomes of it.
    ``watch`` watches over the request; without one nobody sees that its client leaves.
    ``heartbeat`` is the silence, in seconds, after which a stream says that it lives, 0
    for never; ``awaited`` says what the first word waits for, where that is known.
    ``prepare`` is what a call still needs when it is certain to be made, if anything.
    ``counted`` is told how many tokens Ollama found in the prompt.
    ``render_failure`` is how a stream that has begun says an error; without it the
    connection is cut.
    """

    id: str = field(default_factory=lambda: new_id("req_"))
    started: float = field(default_factory=time.monotonic)
    model: str = ""
    size: int = 0
    stream: bool | None = None
    complete: bool = False
    ignored: list[str] = field(default_factory=list)
    unknown: Sequence[str] = ()
    adjusted: list[str] = field(default_factory=list)
    wish: Wish | None = None
    hidden: bool = False
    tools: Any = None
    filling: Any = None
    key: Key | None = None
    outdated: bool = False
    alias: str = ""
    resolved: str = ""
    given: Collection[str] = ()
    timeouts: Timeouts | None = None
    patience: float | None = None
    reasoning_field: str = ""
    max_num_ctx: int | None = None
    closing: list[Callable[[], object]] = field(default_factory=list)
    status: str = ""
    sent: int = 0
    first_byte_ms: int | None = None
    first_item_ms: int | None = None
    outcome: str = ""
    spent: Spent | None = None
    taken: Taken | None = None
    headers: Callable[[], Headers] | None = None
    num_ctx: int | None = None
    prompt_estimate: int | None = None
    prompt: Prompt | None = None
    prepare: Callable[[], None] | None = None
    counted: Callable[[int], object] | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    watch: Watch | None = None
    heartbeat: float = 0.0
    awaited: Callable[[], str] | None = None
    failure: GatewayError | None = None
    render_failure: Callable[[GatewayError], bytes] | None = None

    @classmethod
    def of(cls, environ: WSGIEnvironment) -> "Exchange":
        """The exchange of this request; made on first use."""
        try:
            exchange: Exchange = environ[KEY]
        except KeyError:  # once for a request, and asked for many times
            exchange = environ[KEY] = cls()
        return exchange

    def note_cut(self, tokens: int, what: str = "prompt") -> None:
        """Say so if a prompt of which Ollama read so many tokens has been cut."""
        prompt, self.prompt = self.prompt, None
        if prompt is not None and (context := prompt.cut_to(tokens)):
            note = f"{what}=cut-to-{context}"
            if note not in self.adjusted:
                self.adjusted.append(note)

    def note_counts(self, prompt: int | None, completion: int | None) -> None:
        """Note the tokens that Ollama counted, as far as it did."""
        self.prompt_tokens, self.completion_tokens = prompt, completion

    def milliseconds(self) -> int:
        """Time since the request came in."""
        return round((time.monotonic() - self.started) * 1000)
