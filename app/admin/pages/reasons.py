"""Why a request failed, in words: rows of usage keep a code, and no text."""

from collections.abc import Mapping
from typing import Any

#: By code (docs/errors.md, "What there is"): what happened, and what can be done.
REASONS = {
    "bad_upstream_response": "Ollama's answer made no sense, or did not fit the schema "
    "or the tool that it was held to.",
    "context_length_exceeded": "The conversation is longer than the model's context: "
    "give the model or the key a larger num_ctx, or ask with less.",
    "endpoint_not_allowed": "The key, or the settings, do not allow this endpoint.",
    "host_not_allowed": "Pannier was called by a name that PANNIER_ALLOWED_HOSTS does "
    "not have.",
    "integer_above_max_value": "A number in the request was too large.",
    "integer_below_min_value": "A number in the request was too small.",
    "internal_error": "A fault in Pannier: its log has more under the id of the "
    "request. Please report it.",
    "invalid_api_key": "The key was wrong or missing, or is no longer good.",
    "invalid_body": "The body was cut short or badly compressed, or was no form.",
    "invalid_image": "An image could not be read or fetched, or was too large.",
    "invalid_json": "The body was no JSON, or nested too deeply.",
    "invalid_type": "A field of the request had the wrong type.",
    "invalid_value": "A field of the request had a value that is not allowed.",
    "method_not_allowed": "There is such a route, but with another method.",
    "missing_required_parameter": "A field was missing from the request.",
    "model_not_found": "There is no such model, or the key may not use it.",
    "model_unavailable": "Something is set for the model, but Ollama does not have it "
    "any more: pull it, or point the alias elsewhere.",
    "not_implemented": "A route of OpenAI's or Anthropic's that Pannier lacks.",
    "origin_not_allowed": "A web page asked that PANNIER_ORIGINS does not have.",
    "previous_response_not_found": "The response to go on from is not kept any more.",
    "quota_exceeded": "The key has used its tokens of the day.",
    "rate_limit_exceeded": "More requests than the key may make in a minute or at "
    "once, too many wrong keys, or a limit of Ollama's own.",
    "request_canceled": "Ollama gave the request up.",
    "request_cancelled": "An administrator ended it.",
    "request_superseded": "The same editor asked for something newer before this had "
    "begun. Nothing is wrong.",
    "request_timeout": "The body of the request did not arrive in time.",
    "request_too_large": "The body was larger than PANNIER_MAX_BODY_BYTES.",
    "response_not_found": "There is no such response.",
    "server_overloaded": "Ollama's queue was full, or Pannier answered as many "
    "requests as it may (PANNIER_MAX_INFLIGHT).",
    "server_shutting_down": "Pannier was stopped before the answer was complete.",
    "storage_unavailable": "The database could not be used; the log says why.",
    "thread_unsupported_request": "The client asked to keep a conversation here; it "
    "then sends all of it again. Nothing is wrong.",
    "unknown_url": "There is no such route.",
    "unsupported_media_type": "The body had a form or a compression that is not read.",
    "unsupported_parameter": "A field of the request cannot be served here.",
    "unsupported_value": "The model, or Ollama, cannot do what was asked.",
    "upstream_error": "A failure inside Ollama: its log says more.",
    "upstream_forbidden": "Ollama refused the request.",
    "upstream_incomplete": "Ollama's answer ended in the middle.",
    "upstream_timeout": "Ollama did not answer in time, or fell silent.",
    "upstream_too_old": "Ollama is older than 0.2.6.",
    "upstream_unauthorized": "Ollama wants a key of its own: OLLAMA_API_KEY.",
    "upstream_unreachable": "Nothing answered at Ollama's address, or the address is "
    "Pannier's own.",
}

#: Where there is no code: the client left, or the answer is Ollama's own, passed on.
_WITHOUT = {
    "auth_error": "Ollama refused who asked; its words went to the client.",
    "cancelled": "The client went away before its answer was complete.",
    "client_error": "Ollama refused the request; its words went to the client.",
    "rate_limited": "Ollama had no room; its words went to the client.",
    "timeout": "Ollama took too long; its words went to the client.",
    "upstream_error": "Ollama failed, or ended in the middle; its log says more.",
}


def why(row: Mapping[str, Any]) -> str:
    """What a row of usage says of a failure; empty where nothing failed."""
    return REASONS.get(row["error_code"]) or _WITHOUT.get(row["status"], "")
