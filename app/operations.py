"""What Pannier translates, operation by operation.

The types of fields are in the wire structs.
"""

from typing import Any

import msgspec

from .wire import anthropic, code, code_answers, openai, responses

#: What may go wrong, by status; every endpoint that calls Ollama can answer each.
FAILURES = {
    "400": "the request is wrong; `param` names the field",
    "401": "a key is needed, and this is none; or Ollama wants its user to sign in",
    "403": "the key, Ollama, or a setting does not allow it",
    "404": "no such model, or none that the key may use",
    "408": "the body of the request did not arrive in time",
    "413": "the body of the request is too large",
    "415": "the body of the request is compressed, or a form where none is expected",
    "429": "too many requests",
    "499": "it was given up: by Ollama, or for a newer one of the same editor",
    "500": "the model, or Ollama, failed",
    "502": "Ollama cannot be reached, or its answer cannot be understood",
    "503": "Ollama is overloaded",
    "504": "Ollama took too long",
}


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint: where it is, what it takes and what it gives.

    ``needs`` names the fields that must be there, ``forms`` are other forms of a
    request that it takes as well.  ``chunks`` are what the events of its stream hold,
    ``lines`` its lines where it is one of lines, ``error`` is what a failure is.  What
    gives nothing is a 204.  ``form`` says that the request is a form and not JSON, and
    the answer plain text where it asks for that.
    """

    method: str
    path: str
    name: str
    summary: str
    takes: Any = None
    forms: tuple[Any, ...] = ()
    needs: tuple[str, ...] = ()
    gives: tuple[Any, ...] = ()
    chunks: tuple[Any, ...] = ()
    lines: tuple[Any, ...] = ()
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
        summary="The continuation of a text; with `segments` Tabby's form",
        takes=openai.CompletionRequest,
        forms=(code.TabbyRequest,),
        needs=("model", "prompt"),
        gives=(openai.Completion, code_answers.TabbyAnswer),
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
    Operation(
        method="POST",
        path="/v1/fim/completions",
        name="createFimCompletion",
        summary="The text between a prompt and a suffix, Mistral's way",
        takes=code.FimRequest,
        gives=(code_answers.FimAnswer,),
        chunks=(code_answers.FimChunk,),
    ),
    Operation(
        method="POST",
        path="/infill",
        name="infill",
        summary="The text at a place in a file, llama.cpp's way",
        takes=code.InfillRequest,
        gives=(code_answers.InfillAnswer, code_answers.InfillFields),
        chunks=(code_answers.InfillFrame, code_answers.InfillFields),
    ),
    Operation(
        method="POST",
        path="/completion",
        name="complete",
        summary="The continuation of a prompt, llama.cpp's way",
        takes=code.CompletionRequest,
        gives=(code_answers.InfillAnswer, code_answers.InfillFields),
        chunks=(code_answers.InfillFrame, code_answers.InfillFields),
    ),
    Operation(
        method="POST",
        path="/code/generate",
        name="generateCode",
        summary="The text at a place in a file; as `/api/generate` without a model",
        takes=code.GenerateRequest,
        gives=(code_answers.SeedAnswer, code_answers.OllamaAnswer),
        lines=(code_answers.SeedAnswer, code_answers.OllamaAnswer),
        error=code_answers.ErrorResponse,
    ),
    Operation(
        method="GET",
        path="/v1/health",
        name="readTabbyHealth",
        summary="The model for code, as Tabby's editors ask for it",
        gives=(code_answers.TabbyHealth,),
    ),
    Operation(
        method="POST",
        path="/v1/health",
        name="tabbyHealth",
        summary="The same, as other editors ask",
        gives=(code_answers.TabbyHealth,),
    ),
    Operation(
        method="POST",
        path="/v1/events",
        name="createTabbyEvent",
        summary="What Tabby's editors tell of their use; nothing is kept",
    ),
    Operation(
        method="GET",
        path="/props",
        name="readLlamaProps",
        summary="The model for code and its context, as llama.cpp's editors ask",
        gives=(code_answers.LlamaProps,),
    ),
]
