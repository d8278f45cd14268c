"""TranscriptionsMiddleware: Audio Transcriptions over Ollama's ``/api/chat``.

A model that hears is asked to write down a recording, which rides among the images.
"""

from base64 import b64encode
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec

from app.errors import BadRequest
from app.exchange import Exchange
from app.form import Form, read_form
from app.wire import ollama, openai
from writers.transcription import Format, TranscriptionWriter

from . import audio
from .base import RewriteMiddleware
from .effects import without_effect
from .validation import mistyped, model_name, within

FORMATS: tuple[Format, ...] = ("json", "text", "verbose_json")
#: Formats that need to know when each word was said.
_TIMED = ("srt", "vtt", "diarized_json")

_INSTRUCTION = (
    "Write down what is said in the recording, word for word, in the language that is"
    " spoken. Answer with these words alone: no introduction, no remarks, no"
    " translation, no times, no names of speakers. Where nothing is said, answer with"
    " nothing."
)
_REQUEST = "Write down this recording."
#: It is no chat: what is usual for those does not count here.
_GIVEN = frozenset(["temperature"])


class TranscriptionsMiddleware(RewriteMiddleware[openai.TranscriptionRequest]):
    """``POST /v1/audio/transcriptions``."""

    request_type = openai.TranscriptionRequest

    def read(
        self, environ: WSGIEnvironment
    ) -> tuple[openai.TranscriptionRequest, list[str]]:
        """The request that a form is, and the names that nobody knows."""
        settings = self.settings
        return transcription(
            read_form(environ, settings.max_body_bytes, settings.body_timeout)
        )

    def rewrite(
        self, request: openai.TranscriptionRequest, exchange: Exchange
    ) -> ollama.ChatRequest:
        """The call to ``/api/chat``."""
        # Ollama streams in any case, as its own layer has it do.
        exchange.stream = bool(request.stream)
        exchange.ignored += without_effect(request)
        answer_format(request.response_format)
        heat = within(request.temperature, "temperature", 0, 1)
        exchange.given = _GIVEN
        model = model_name(request.model)
        recording = self._recording(request.file)
        return ollama.ChatRequest(
            model=model,
            stream=True,
            think=False,  # nobody would see the thoughts
            options={"temperature": heat or 0},
            messages=[
                ollama.Message("system", instruction(request)),
                ollama.Message("user", _REQUEST, images=[recording]),
            ],
        )

    def writer(
        self,
        exchange: Exchange,
        request: openai.TranscriptionRequest,
        start_response: StartResponse,
    ) -> TranscriptionWriter:
        """A ``TranscriptionWriter`` for the format that was asked."""
        return TranscriptionWriter(
            exchange,
            start_response,
            stream=bool(request.stream),
            format=answer_format(request.response_format),
            language=request.language or "",
            duration=audio.seconds(request.file or b""),
        )

    def _recording(self, file: bytes | None) -> str:
        if file is None:
            raise BadRequest(
                "file is required: a part of the form with a file name",
                code="missing_required_parameter",
                param="file",
            )
        if not file:
            raise _bad_file("audio file is empty")
        # As base64 it makes a call that is no larger than a body may be.
        if len(file) > (most := self.settings.max_body_bytes * 3 // 4):
            raise BadRequest(
                f"The audio file is larger than {most} bytes.",
                status=413,
                code="request_too_large",
                param="file",
            )
        if not audio.is_audio(file):
            raise _bad_file(
                "The file is no audio of a known kind (wav, mp3, flac, ogg, m4a, webm)."
            )
        return b64encode(file).decode()


def transcription(form: Form) -> tuple[openai.TranscriptionRequest, list[str]]:
    """The request that a form is, and the names that nobody knows.

    ``name[]`` and ``name[key]``, which is how clients write arrays and objects into a
    form, stand for ``name``.  Raises ``BadRequest``.
    """
    given: dict[str, Any] = {
        name.partition("[")[0]: value for name, value in form.fields.items()
    }
    given.pop("file", None)  # a text is no file
    if "file" in form.files:
        given["file"] = form.files["file"]
    known = openai.TranscriptionRequest.__struct_fields__
    unknown = [name for name in given if name not in known]
    unknown += [name for name in form.files if name != "file"]
    try:
        # Not strict: what a form holds is text, numbers too.
        request = msgspec.convert(given, openai.TranscriptionRequest, strict=False)
    except msgspec.ValidationError as exc:
        raise mistyped(exc) from exc
    return request, unknown


def instruction(request: openai.TranscriptionRequest) -> str:
    """What the model is told to do, with the client's hints."""
    told = [_INSTRUCTION]
    if request.language:
        told.append(f"The language that is spoken: {request.language}")
    if request.prompt:
        told.append(
            f"What was said before, or words and spellings to expect:\n{request.prompt}"
        )
    return "\n\n".join(told)


def answer_format(given: str | None) -> Format:
    """The format of the answer; raises ``BadRequest``."""
    for known in FORMATS:
        if (given or "json") == known:
            return known
    timed = given in _TIMED
    reason = " (models here do not tell when a word was said)" if timed else ""
    raise BadRequest(
        f"Invalid value for 'response_format': '{(given or '')[:64]}'{reason}."
        f" Supported values: {list(FORMATS)}.",
        code="unsupported_value" if timed else "invalid_value",
        param="response_format",
    )


def _bad_file(message: str) -> BadRequest:
    return BadRequest(message, code="invalid_value", param="file")
