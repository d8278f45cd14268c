"""What a response repeats of its request, and what a request wants in it, pure."""

from typing import Any

import msgspec

from app.errors import BadRequest
from app.ids import secret_id
from app.wire import responses

from .responses_kept import encoded

#: Of what can be included, what answers here have: one always, one on demand.
_LOGPROBS = "message.output_text.logprobs"
_INCLUDED = (
    _LOGPROBS,
    "reasoning.encrypted_content",
    "message.input_image.image_url",
)
#: What is repeated as it came, where it came.  It may be megabytes, and is repeated by
#: several events: so it becomes JSON once.
_AS_GIVEN = (
    "instructions",
    "metadata",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "safety_identifier",
    "temperature",
    "tool_choice",
    "tools",
    "top_p",
    "truncation",
    "user",
)
#: And what is an integer, however it was written.
_INTEGERS = ("max_output_tokens", "max_tool_calls", "top_logprobs")


def echo(
    request: responses.ResponsesRequest, model: str, *, store: bool
) -> responses.Response:
    """The response as far as the request says what is in it, and its id."""
    told: dict[str, Any] = {
        name: msgspec.Raw(encoded(value))
        for name in _AS_GIVEN
        if (value := getattr(request, name)) is not None
    }
    told |= {
        name: int(value)
        for name in _INTEGERS
        if (value := getattr(request, name)) is not None
    }
    return responses.Response(
        id=secret_id("resp_"),
        model=model,
        text=_text(request.text),
        reasoning=_reasoning(request),
        store=store,
        **told,
    )


def logprobs_wanted(request: responses.ResponsesRequest) -> bool:
    """Whether log probabilities are to be included."""
    return _LOGPROBS in (request.include or ())


def not_included(request: responses.ResponsesRequest) -> list[str]:
    """What a request wants included that no answer here has."""
    named = [
        f"include[{index}]"
        for index, name in enumerate(request.include or ())
        if name not in _INCLUDED
    ]
    if request.top_logprobs and not logprobs_wanted(request):
        named.append("top_logprobs")
    if request.text and request.text.verbosity not in (None, "medium"):
        named.append("text.verbosity")
    return named


def truncation(request: responses.ResponsesRequest) -> str | None:
    """What becomes of a conversation that is too long; raises ``BadRequest``."""
    if request.truncation not in (None, "auto", "disabled"):
        raise BadRequest(
            f"Invalid value for 'truncation': '{request.truncation[:64]}'. Supported"
            " values are: 'auto' and 'disabled'.",
            code="invalid_value",
            param="truncation",
        )
    return request.truncation


def _text(given: responses.TextConfig | None) -> responses.TextConfig:
    wanted = given.format if given else None
    if wanted is None:
        wanted = responses.TextFormat("text")
    elif wanted.schema is not None and wanted.name is None:
        wanted = msgspec.structs.replace(wanted, name="response")
    return responses.TextConfig(wanted, given.verbosity if given else None)


def _reasoning(request: responses.ResponsesRequest) -> dict[str, Any] | None:
    given = request.reasoning
    if given is None:
        return None
    return {"effort": given.effort, "summary": given.summary or given.generate_summary}
