"""Which values the fields of requests take, as far as their types cannot say it.

The keys are names in the description (``app.openapi``).
"""

from typing import Any

SCHEMAS = "#/components/schemas/"

_TEXT = {"type": "string", "minLength": 1}
_TOKENS = {"type": "array", "items": {"type": "integer", "minimum": 0}}
_TEXTS_OR_TOKENS = [
    _TEXT,
    {"type": "array", "items": _TEXT, "minItems": 1},
    _TOKENS | {"minItems": 1},
    {"type": "array", "items": _TOKENS, "minItems": 1},
]
_A_TEXT = [{"type": "string"}, {"type": "null"}]
#: Types of fields that are checked by hand.
KINDS = {
    "ChatCompletionRequest.messages": [
        {"type": "array", "items": {"$ref": SCHEMAS + "Message"}, "minItems": 1}
    ],
    "CompletionRequest.prompt": _TEXTS_OR_TOKENS,
    "CodeCompletionRequest.prompt": _A_TEXT,
    "CodeInfillRequest.prompt": _A_TEXT,
    "EmbeddingRequest.input": _TEXTS_OR_TOKENS,
    "ResponsesResponsesRequest.input": [
        _TEXT,
        {"type": "array", "items": {"type": "object"}, "minItems": 1},
    ],
    "AnthropicMessagesRequest.messages": [
        {
            "type": "array",
            "items": {"$ref": SCHEMAS + "AnthropicMessageParam"},
            "minItems": 1,
        }
    ],
}


def _range(minimum: float, maximum: float | None = None) -> dict[str, float]:
    return {"minimum": minimum} | ({} if maximum is None else {"maximum": maximum})


#: What fields take beyond their type, by name or by struct and name.
VALUES: dict[str, dict[str, Any]] = {
    "model": {"minLength": 1, "maxLength": 512},
    "best_of": _range(1),
    "dimensions": _range(1),
    "frequency_penalty": _range(-2, 2),
    "max_completion_tokens": _range(1),
    "max_output_tokens": _range(1),
    "max_tokens": _range(1),
    "max_lines": _range(0),
    "min_p": _range(0, 1),
    "n": _range(1),
    "n_indent": _range(0),
    "n_keep": _range(-1),
    "n_predict": _range(-2),
    "num_ctx": _range(1),
    "presence_penalty": _range(-2, 2),
    "repeat_penalty": _range(0.01, 100),
    "repetition_penalty": _range(0.01, 100),
    "temperature": _range(0, 2),
    "top_logprobs": _range(0, 20),
    "top_p": _range(0, 1),
    "CompletionRequest.logprobs": _range(0, 5),
    "TranscriptionRequest.response_format": {"enum": ["json", "text", "verbose_json"]},
    "TranscriptionRequest.temperature": _range(0, 1),
    "EmbeddingRequest.encoding_format": {"enum": ["float", "base64"]},
    "ContentPart.type": {
        "enum": ["text", "image_url", "input_audio", "file", "refusal"],
    },
    "Message.role": {
        "enum": ["system", "developer", "user", "assistant", "tool", "function"],
    },
    "ResponseFormat.type": {"enum": ["text", "json_object", "json_schema"]},
    "ResponsesTextFormat.type": {"enum": ["text", "json_object", "json_schema"]},
    "ResponsesResponsesRequest.truncation": {"enum": ["auto", "disabled"]},
}
