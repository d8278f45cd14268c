"""What Pannier translates, operation by operation, and which values fields take.

The types of fields are in the wire structs; this is what those cannot say.
"""

from typing import Any

import msgspec

from .wire import anthropic, openai, responses

SCHEMAS = "#/components/schemas/"

#: What may go wrong, by status; every endpoint that calls Ollama can answer each.
FAILURES = {
    "400": "the request is wrong; `param` names the field",
    "401": "Ollama wants its user to sign in",
    "403": "Ollama, or a setting, does not allow it",
    "404": "no such model",
    "408": "the body of the request did not arrive in time",
    "413": "the body of the request is too large",
    "415": "the body of the request is compressed, or a form where none is expected",
    "429": "too many requests",
    "500": "the model, or Ollama, failed",
    "502": "Ollama cannot be reached, or its answer cannot be understood",
    "503": "Ollama is overloaded",
    "504": "Ollama took too long",
}


_TEXT = {"type": "string", "minLength": 1}
_TOKENS = {"type": "array", "items": {"type": "integer", "minimum": 0}}
_TEXTS_OR_TOKENS = [
    _TEXT,
    {"type": "array", "items": _TEXT, "minItems": 1},
    _TOKENS | {"minItems": 1},
    {"type": "array", "items": _TOKENS, "minItems": 1},
]
#: Types of fields that are checked by hand.
KINDS = {
    "ChatCompletionRequest.messages": [
        {"type": "array", "items": {"$ref": SCHEMAS + "Message"}, "minItems": 1}
    ],
    "CompletionRequest.prompt": _TEXTS_OR_TOKENS,
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
    "min_p": _range(0, 1),
    "n": _range(1),
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


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint: where it is, what it takes and what it gives.

    ``needs`` names the fields that must be there, ``chunks`` are what the events of its
    stream hold, ``error`` is what a failure is; ``form`` says that the request is a
    form and not JSON, and the answer plain text where it asks for that.
    """

    method: str
    path: str
    name: str
    summary: str
    takes: Any = None
    needs: tuple[str, ...] = ()
    gives: tuple[Any, ...]
    chunks: tuple[Any, ...] = ()
    error: Any = openai.ErrorResponse
    form: bool = False


OPERATIONS = [
    Operation(
        method="POST",
        path="/v1/chat/completions",
        name="createChatCompletion",
        summary="The next message of a conversation",
        takes=openai.ChatCompletionRequest,
        needs=("model", "messages"),
        gives=(openai.ChatCompletion,),
        chunks=(openai.ChatCompletionChunk,),
    ),
    Operation(
        method="POST",
        path="/v1/completions",
        name="createCompletion",
        summary="The continuation of a text",
        takes=openai.CompletionRequest,
        needs=("model", "prompt"),
        gives=(openai.Completion,),
        chunks=(openai.Completion,),
    ),
    Operation(
        method="POST",
        path="/v1/embeddings",
        name="createEmbedding",
        summary="Vectors of texts",
        takes=openai.EmbeddingRequest,
        needs=("model", "input"),
        gives=(openai.EmbeddingList,),
    ),
    Operation(
        method="POST",
        path="/v1/responses",
        name="createResponse",
        summary="A response to a conversation, which may be kept",
        takes=responses.ResponsesRequest,
        needs=("model", "input"),
        gives=(responses.Response,),
        chunks=(responses.Event,),
    ),
    Operation(
        method="POST",
        path="/v1/responses/input_tokens",
        name="countResponseTokens",
        summary="How many tokens a request for a response has",
        takes=responses.ResponsesRequest,
        needs=("model", "input"),
        gives=(responses.InputTokens,),
    ),
    Operation(
        method="GET",
        path="/v1/responses/{response_id}",
        name="retrieveResponse",
        summary="A response that is kept",
        gives=(responses.Response,),
    ),
    Operation(
        method="DELETE",
        path="/v1/responses/{response_id}",
        name="deleteResponse",
        summary="Forget a response",
        gives=(responses.ResponseDeleted,),
    ),
    Operation(
        method="GET",
        path="/v1/responses/{response_id}/input_items",
        name="listResponseInputItems",
        summary="The items of a request whose response is kept",
        gives=(responses.ItemList,),
    ),
    Operation(
        method="POST",
        path="/v1/messages",
        name="createMessage",
        summary="The next message of a conversation, Anthropic's way",
        takes=anthropic.MessagesRequest,
        needs=("model", "messages"),
        gives=(anthropic.Message,),
        chunks=(
            anthropic.MessageStart,
            anthropic.ContentBlockStart,
            anthropic.ContentBlockDelta,
            anthropic.ContentBlockStop,
            anthropic.MessageDeltaEvent,
            anthropic.MessageStop,
            anthropic.Ping,
            anthropic.ErrorResponse,
        ),
        error=anthropic.ErrorResponse,
    ),
    Operation(
        method="POST",
        path="/v1/messages/count_tokens",
        name="countMessageTokens",
        summary="How many tokens a request for a message has",
        takes=anthropic.MessagesRequest,
        needs=("model", "messages"),
        gives=(anthropic.MessageTokensCount,),
        error=anthropic.ErrorResponse,
    ),
    Operation(
        method="GET",
        path="/v1/models",
        name="listModels",
        summary="The models that are installed, and their other names",
        gives=(openai.ListCompletion, anthropic.ModelList),
    ),
    Operation(
        method="GET",
        path="/v1/models/{model}",
        name="retrieveModel",
        summary="One model; its name may hold slashes",
        gives=(openai.Model, anthropic.Model),
    ),
    Operation(
        method="DELETE",
        path="/v1/models/{model}",
        name="deleteModel",
        summary="Delete a model; refused unless `PANNIER_MODEL_DELETE` is set",
        gives=(openai.ModelDeleted,),
    ),
    Operation(
        method="POST",
        path="/v1/audio/transcriptions",
        name="createTranscription",
        summary="The text of a recording",
        takes=openai.TranscriptionRequest,
        needs=("file", "model"),
        gives=(openai.Transcription, openai.TranscriptionVerbose),
        form=True,
    ),
]
