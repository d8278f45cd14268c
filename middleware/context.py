"""Context: a policy for prompts that are longer than the context.

``ollama`` leaves them to Ollama, which cuts them: that is noticed afterwards and said.
``strict`` has Ollama refuse them.  ``auto`` asks for a context that is large enough
(decisions, 23).  ``shift``, what becomes of an answer that reaches the context's end,
is the client's in all of them: it belongs to how Ollama starts a model
(``server/sched.go``, ``needsReload``), so to send another value would load the model
again, each time that two clients take turns.
"""

import time
from collections.abc import Callable
from typing import Any

from app.catalog import LOADED_AGE, Catalog
from app.exchange import Exchange
from app.prompt import Prompt, estimated
from app.settings import Settings
from app.wire import ollama

#: The context that Ollama gives at least to a model that says nothing of it, and the
#: smallest that is worth asking for.
USUAL = 4096
#: Tokens to keep for an answer whose length nobody bounded.
RESERVE = 1024


class Context:
    """The policy that the setting ``context`` names; for every kind of call."""

    def __init__(
        self,
        catalog: Catalog,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalog = catalog
        self._mode = settings.context
        self._most = settings.max_num_ctx
        self._clock = clock
        #: By model: what it was asked to be loaded with, and until when only we know.
        self._asked: dict[str, tuple[int, float]] = {}

    def __call__(self, exchange: Exchange, call: Any) -> None:
        """Amend a call, and note what the writer needs to tell what became of it."""
        exchange.prompt = prompt = Prompt(call, self._catalog)
        if self._mode == "ollama":
            return
        exchange.prompt_estimate = prompt.estimate = estimated(call)
        exchange.num_ctx = prompt.num_ctx
        if self._mode == "auto" and (exchange.filling or prompt.num_ctx is not None):
            # The client's own choice, or code, which is made to fit the context that
            # there is: nobody waits for a model to load between two keys.
            return
        if call.truncate is None:
            call.truncate = False  # in ``auto`` too: an estimate may be wrong
        if self._mode == "auto":
            self._choose(exchange, call, needed(call, prompt.estimate))
            prompt.num_ctx = exchange.num_ctx

    def _choose(self, exchange: Exchange, call: Any, need: int) -> None:
        facts = self._catalog.facts(call.model)
        name = facts.name if facts else call.model
        loaded = self._loaded(name)
        modelfile = facts.num_ctx if facts else None
        own = facts.context_length if facts else None
        cap = exchange.max_num_ctx
        most = self._bound(cap)
        chosen = choose(need, loaded=loaded, modelfile=modelfile, own=own, most=most)
        if cap is not None:
            # What is in memory, or Ollama's own choice, may be above a cap.
            least = quiet(cap, loaded=loaded, modelfile=modelfile, own=own)
            chosen = min(chosen or least, cap)
        if chosen is None:
            exchange.num_ctx = modelfile
            return
        if chosen != loaded:
            self._remember(name, chosen)
        call.options = {**(call.options or {}), "num_ctx": chosen}
        exchange.num_ctx = chosen
        exchange.adjusted.append(f"num_ctx={chosen}")

    def _bound(self, cap: int | None) -> int:
        """The most that may be asked for, 0 for no limit; the key has one, or not."""
        return min(filter(None, (self._most, cap)), default=0)

    def _loaded(self, name: str) -> int | None:
        """The context of a loaded model, or of one that is about to be loaded.

        The catalogue remembers for a second: of two requests at a time the second one
        would undo what the first one asked for.
        """
        asked, until = self._asked.get(name, (0, 0.0))
        return asked if self._clock() < until else self._catalog.loaded(name)

    def _remember(self, name: str, num_ctx: int) -> None:
        now = self._clock()
        fresh = {model: known for model, known in self._asked.items() if now < known[1]}
        self._asked = {**fresh, name: (num_ctx, now + LOADED_AGE)}


def needed(call: Any, estimate: int) -> int:
    """How many tokens the context should hold: the prompt, some doubt, the answer."""
    prompt = estimate + estimate // 8
    if isinstance(call, ollama.EmbedRequest):
        return prompt
    asked = (call.options or {}).get("num_predict", 0)
    return prompt + (asked if asked > 0 else RESERVE)


def choose(
    need: int,
    *,
    loaded: int | None,
    modelfile: int | None,
    own: int | None,
    most: int = 0,
) -> int | None:
    """The ``num_ctx`` to ask for; ``None`` to say nothing.  All are tokens.

    ``loaded`` is the context with which the model is in memory, ``modelfile`` its
    PARAMETER, ``own`` what it was trained for, ``most`` a limit of ours (0: none).
    Never below the first two; exactly the loaded one where that suffices, since to say
    anything else, or nothing, may load the model again.
    """
    loaded, modelfile = loaded or 0, modelfile or 0
    if loaded and need <= max(loaded, modelfile):
        return max(loaded, modelfile)
    if not loaded and need <= min(modelfile or USUAL, own or need):
        return None
    ceiling = min(own or most, most or own or 0)
    if not ceiling:
        return None
    step = max(USUAL, 1 << (need - 1).bit_length())
    return max(min(step, ceiling), loaded, modelfile)


def quiet(
    cap: int, *, loaded: int | None, modelfile: int | None, own: int | None
) -> int:
    """The ``num_ctx`` of a call that says none, under a cap; all are tokens.

    What the Modelfile says, as far as it may.  Where it says nothing Ollama chooses by
    the machine's memory, up to 262,144, which may be above the cap.  What is in memory
    stays where it is no less, and within the cap: another number would load it again.
    """
    wanted = min(filter(None, (cap, modelfile, own)))
    if loaded and loaded <= cap and (modelfile is None or loaded >= wanted):
        return loaded
    return wanted
