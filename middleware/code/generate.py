"""CodeGenerateMiddleware: Ollama's form of a request for code, and its two shapes.

It answers ``/api/generate`` where that completes code (``doors``), and
``/code/generate`` always.
"""

from wsgiref.types import StartResponse

from app.exchange import Exchange
from app.wire import code
from writers.code import CodeWriter
from writers.code_shapes import OllamaWriter, SeedWriter

from ..aliases import DEFAULT
from ..effects import without_effect_on_code
from ..validation import integer
from .filling import Filling
from .form import CodeMiddleware, files, writing
from .parser import known, markers, parse


def is_default(model: str) -> bool:
    """Whether a name stands for the model that is for code."""
    return model.strip().lower() in ("", DEFAULT)


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
