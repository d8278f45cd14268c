"""CodeDoor and CodeGenerateMiddleware: ``/api/generate`` where it completes code.

Most of what comes to that route is Ollama's own affair and goes on as it came, byte
for byte.  Code are requests that name no model, that carry the markers of an editor,
or a suffix that Ollama would refuse or lose (specification: code completion, section
2).  ``/code/generate`` is code always.
"""

from collections.abc import Callable, Iterable
from functools import partial
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec

from app.body import OwnBody, read_body
from app.catalog import Catalog
from app.errors import BadRequest
from app.exchange import Exchange
from app.settings import Settings
from app.turns import let_others
from app.wire import code
from app.wire.decoding import decode
from writers.code import CodeWriter
from writers.code_shapes import OllamaWriter, SeedWriter

from ..aliases import DEFAULT
from ..bounds import checked
from ..effects import without_effect_on_code
from ..explain import passed_on, wants_explanation
from ..validation import MAX_NAME, integer
from .families import Families
from .filling import Filling
from .form import CodeMiddleware, writing
from .hole import File
from .parser import known, markers, parse

#: Objects and arrays are refused, and so cost nothing, however large they are.
_Scalar = str | int | float | bool | None


class Peek(msgspec.Struct):
    """What decides whose affair a request is, as far as it can be any of ours."""

    model: _Scalar = None
    prompt: _Scalar = None
    suffix: _Scalar = None
    raw: _Scalar = None


_peek = msgspec.json.Decoder(Peek)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


class CodeDoor:
    """``POST /api/generate``: to ``code`` or, as it came, to ``native``.

    ``resolved`` tells the model that a name means.
    """

    def __init__(
        self,
        native: WSGIApplication,
        code: WSGIApplication,
        settings: Settings,
        catalog: Catalog,
        families: Families,
        resolved: Callable[[str], str],
    ) -> None:
        self.native = native
        self.code = code
        self.settings = settings
        self.catalog = catalog
        self.families = families
        self.resolved = resolved
        self._always = any(known.mode == "always" for known in families.known)

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Read the body once, look into it, and pass it on."""
        settings = self.settings
        body = read_body(environ, settings.max_body_bytes, settings.body_timeout)
        environ["wsgi.input"] = OwnBody(body)
        if self._is_code(body):
            return self.code(environ, start_response)
        if wants_explanation(environ):
            return passed_on(body, start_response)
        return self.native(environ, start_response)

    def _is_code(self, body: bytes) -> bool:
        try:
            seen = decode(_peek, body, partial(let_others, body))
        except msgspec.DecodeError:
            return False  # Ollama says what is wrong with it
        finally:
            let_others(body)
        model = seen.model
        if model is None:
            return not _spelt_otherwise(body, "model")
        if not isinstance(model, str) or len(model) > MAX_NAME:
            return False
        if is_default(model):
            return True
        return self._wanted(self.resolved(model), seen)

    def _wanted(self, model: str, seen: Peek) -> bool:
        """Whether a request that names its model is better served here."""
        prompt = "" if seen.prompt is None else seen.prompt
        if not isinstance(prompt, str):
            return False
        if self._always:
            family = self.families.of(model)
            if family is not None and family.mode == "always":
                return True
        marks = markers(prompt, strict=self.settings.code_parser == "strict")
        if not (self.settings.code_rewrite and (marks or seen.suffix)):
            return False
        facts = self.catalog.facts(model)
        family = self.families.of(model, facts.family if facts else "")
        if family is not None and not family.rewrite:
            return False
        if marks:
            # What is raw, and in the model's own form, is as good as it can be.
            own = family is not None and marks == family.markers != "codellama"
            return not (own and seen.raw is True)
        if not isinstance(seen.suffix, str):
            return False
        lost = seen.raw is True or not prompt
        better = family is not None and family.better
        return lost or better or (facts is not None and not facts.inserts)


def is_default(model: str) -> bool:
    """Whether a name stands for the model that is for code."""
    return model.strip().lower() in ("", DEFAULT)


def _spelt_otherwise(body: bytes, name: str) -> bool:
    """Whether an object has a member of this name in another case, as Go reads it."""
    try:
        return any(
            key.lower() == name != key for key in decode(_members, checked(body))
        )
    except BadRequest:
        return True  # more members than are looked at
    except msgspec.DecodeError:
        return False


class CodeGenerateMiddleware(CodeMiddleware[code.GenerateRequest]):
    """``POST /api/generate`` in code mode."""

    request_type = code.GenerateRequest

    def filling(self, request: code.GenerateRequest, exchange: Exchange) -> Filling:
        """What the prompt says, and the fields that say it better."""
        exchange.ignored += without_effect_on_code(request)
        prompt, suffix = request.prompt or "", request.suffix or ""
        strict = self.settings.code_parser == "strict"
        hole = parse(prompt, suffix, strict=strict)
        hole = hole._replace(
            language=request.language or hole.language,
            path=request.path or hole.path,
            repo=request.repo or "",
            files=files(request.extra),
        )
        return Filling(
            known(hole),
            prompt,
            markers(prompt, strict=strict),
            max_lines=integer(request.max_lines, "max_lines", 0) or 0,
        )

    def writer(
        self,
        exchange: Exchange,
        request: code.GenerateRequest,
        start_response: StartResponse,
    ) -> CodeWriter:
        """The older shape for ``default``, else Ollama's, which always streams."""
        found: Filling = exchange.filling
        told = writing(exchange, request)
        family = found.family
        if is_default(exchange.model) or (family and family.shape == "seed"):
            return SeedWriter(
                exchange,
                start_response,
                **told,
                extended=self.settings.code_extended,
                resolved_model=found.model,
                template=found.template,
            )
        told["stream"] = request.stream is not False
        return OllamaWriter(exchange, start_response, **told)


def files(given: list[code.File] | None) -> tuple[File, ...]:
    """Other files, the one that was in use last at the end."""
    if not given:
        return ()
    if all(isinstance(one.time, int | float) for one in given):
        given = sorted(given, key=lambda one: one.time)
    return tuple(File(one.filename or "", one.text) for one in given if one.text)
