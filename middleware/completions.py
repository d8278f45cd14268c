"""CompletionsMiddleware: (legacy) Completions over Ollama's ``/api/generate``."""

from collections.abc import Iterable
from functools import partial
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from msgspec.structs import replace

from app.catalog import Catalog
from app.errors import BadRequest
from app.exchange import Exchange
from app.vocabulary import is_tokens, text_of
from app.wire import ollama, openai
from writers.code_completion import FilledCompleteWriter
from writers.completion import CompleteWriter, most_probable
from writers.several import SeveralWriter

from .aliases import DEFAULT
from .choices import ChoicesMiddleware, includes_usage, repeated
from .code import filling
from .code.filling import Filling
from .code.form import EditorMiddleware, unasked
from .code.hole import Hole
from .code.parser import known, markers, parse
from .formats import answer_check
from .generation import bounded
from .validation import missing

MAX_LOGPROBS = 5
#: Calls to Ollama behind one request: prompts times choices.
MAX_CALLS = 128


class CompletionsMiddleware(
    EditorMiddleware[openai.CompletionRequest],
    ChoicesMiddleware[openai.CompletionRequest],
):
    """``POST /v1/completions``."""

    request_type = openai.CompletionRequest

    def read(
        self, environ: WSGIEnvironment
    ) -> tuple[openai.CompletionRequest, list[str]]:
        """The request with its prompts as a list of texts."""
        request, unknown = super().read(environ)
        fills = bool(request.suffix) and self._fills(request)
        request.prompt = prompts(request.prompt, fills)
        return request, unknown

    def rewrite(
        self, request: openai.CompletionRequest, exchange: Exchange
    ) -> ollama.GenerateRequest:
        """The call to ``/api/generate`` for the longest of the prompts."""
        logprobs = bounded(request.logprobs, "logprobs", 0, MAX_LOGPROBS)
        n, tries = self._choices_and_tries(request)
        if request.stream and tries > n:
            exchange.ignored.append("best_of")  # what is sent cannot be taken back
        found = exchange.filling = self._filling(request)
        if found and not (request.model or "").strip():
            request.model = DEFAULT
        raw = None if found else self._raw(request)
        if raw and request.suffix:
            exchange.ignored.append("suffix")
        if found:
            exchange.ignored += [
                name for name in ("system", "template") if getattr(request, name)
            ]
        call = ollama.GenerateRequest(
            **self.common(request, exchange),
            prompt=max(request.prompt, key=len),  # the context is sized by it
            suffix=request.suffix or "",
            system="" if found else request.system or "",
            template="" if found else request.template or "",
            raw=raw,
            # Without asking for them, they tell which of the tries are the best.
            logprobs=True if logprobs or self._made(request) > n else None,
            top_logprobs=logprobs or None,
        )
        if found:
            exchange.stream = call.stream = True  # so that its beginning is noticed
        return call

    def usual(self, exchange: Exchange) -> dict[str, Any]:
        """As for chat; code has its own."""
        return super().usual(exchange) if exchange.filling is None else filling.DEFAULTS

    def _fills(self, request: openai.CompletionRequest) -> bool:
        """Whether what stands between two texts is filled in here, not by Ollama."""
        return self.settings.code_rewrite and not request.debug_render_only

    def _filling(self, request: openai.CompletionRequest) -> Filling | None:
        """What is to be filled in: between prompt and suffix, or between markers."""
        if not self._fills(request):
            return None
        text = max(request.prompt, key=len)
        if request.suffix:
            return Filling(Hole(text, request.suffix))
        strict = self.settings.code_parser == "strict"
        marks = markers(text, strict=strict) if len(request.prompt) == 1 else ""
        if not marks:
            return None
        hole = known(parse(text, strict=strict))
        return Filling(hole, text, marks)

    def calls(
        self,
        request: openai.CompletionRequest,
        call: ollama.GenerateRequest,
        exchange: Exchange,
    ) -> list[Any]:
        """For each prompt as many calls as there are choices, or tries at one."""
        texts = request.prompt
        made = self._made(request)
        if len(texts) * made > MAX_CALLS:
            raise BadRequest(
                f"Too many completions: prompts times choices may be {MAX_CALLS}.",
                code="invalid_value",
                param="prompt",
            )
        calls = repeated(call, made)
        if (found := exchange.filling) is not None:
            if found.empty:
                return []
            found.repeatable = found.repeatable and made == 1
            found.alone = made * len(texts) == 1
            if len(texts) > 1:  # the count of one tells nothing of another's length
                exchange.counted = None
            if request.suffix:
                return [found.call(one, text) for text in texts for one in calls]
            return [found.call(one) for one in calls]
        return [replace(one, prompt=text) for text in texts for one in calls]

    def writer(
        self,
        exchange: Exchange,
        request: openai.CompletionRequest,
        start_response: StartResponse,
    ) -> CompleteWriter:
        """A ``CompleteWriter`` for what was asked."""
        options: dict[str, Any] = {
            "model": exchange.model,
            "stream": bool(request.stream) and not request.debug_render_only,
            "include_usage": includes_usage(request),
            "echo": request.prompt[0] if request.echo else "",
        }
        if exchange.filling is not None:
            options |= exchange.filling.writing()
            return FilledCompleteWriter(exchange, start_response, **options)
        writer = CompleteWriter(exchange, start_response, **options)
        if not request.debug_render_only:
            writer.check = answer_check(self.format_of(request))
        return writer

    def answer(
        self,
        exchange: Exchange,
        request: openai.CompletionRequest,
        start_response: StartResponse,
        environs: list[WSGIEnvironment],
    ) -> Iterable[bytes]:
        """Make the calls and write their answer; of nothing to go by, nothing."""
        if environs:
            return super().answer(exchange, request, start_response, environs)
        return unasked(exchange, self.writer(exchange, request, start_response))

    def several(
        self,
        exchange: Exchange,
        request: openai.CompletionRequest,
        start_response: StartResponse,
        parts: list[Any],
    ) -> SeveralWriter:
        """The writer of several choices, for one prompt or many."""
        texts, made = request.prompt, self._made(request)
        n, _ = self._choices_and_tries(request)
        best = partial(most_probable, of=made, n=n, logprobs=bool(request.logprobs))
        for number, part in enumerate(parts):
            text = texts[number // made]
            part.echo = text if request.echo else ""
            if exchange.filling is not None and request.suffix:
                part.clean = exchange.filling.writing(text)["clean"]
        return SeveralWriter(
            exchange,
            start_response,
            parts,
            per_prompt=made,
            at_once=self.settings.max_choices,
            choose=best if made > n else list,
        )

    def _choices_and_tries(self, request: openai.CompletionRequest) -> tuple[int, int]:
        """How many choices to answer for each prompt, and to choose them from."""
        n = self.choices(request.n, "n")
        tries = n
        if request.best_of is not None:
            tries = self.choices(request.best_of, "best_of")
        if tries < n:
            raise BadRequest(
                f"Invalid 'best_of': it must not be below 'n' ({n}), but is {tries}.",
                code="invalid_value",
                param="best_of",
            )
        return n, tries

    def _made(self, request: openai.CompletionRequest) -> int:
        """How many calls are made for each prompt."""
        n, tries = self._choices_and_tries(request)
        return n if request.stream else tries

    def _raw(self, request: openai.CompletionRequest) -> bool | None:
        if request.raw is not None:
            return request.raw or None
        wish = self.settings.completions_raw
        plain = not (request.suffix or request.system or request.template)
        wanted = wish == "always" or (wish == "auto" and bool(request.echo))
        return True if plain and wanted else None


class PlainModels:
    """The policy that continues prompts as they are for models without a template."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def __call__(self, exchange: Exchange, call: ollama.GenerateRequest) -> None:
        """Set ``raw`` where it makes no difference but to a wrapper of no use."""
        if call.raw or call.suffix or call.system or call.template:
            return
        facts = self.catalog.facts(call.model)
        if facts is not None and facts.bare and facts.template:
            call.raw = True


def prompts(given: Any, empty: bool = False) -> list[str]:
    """All prompts, at least one; without a prompt Ollama would only load the model.

    With ``empty`` they may be: what is filled in may be the beginning.
    """
    if empty and given in (None, ""):
        return [""]
    if given is None or given in ("", []):
        raise missing("prompt")
    listed = given if isinstance(given, list) and not is_tokens(given) else [given]
    return [_prompt(one, index, empty) for index, one in enumerate(listed)]


def _prompt(given: Any, index: int, empty: bool) -> str:
    """One prompt, which may be given as tokens."""
    text = text_of(given, "prompt") if is_tokens(given) else given
    if not isinstance(text, str):
        raise BadRequest(
            "Invalid type for 'prompt': expected a string, or an array of strings or"
            " of tokens.",
            code="invalid_type",
            param="prompt",
        )
    if not (text or empty):
        raise missing(f"prompt[{index}]")
    return text
