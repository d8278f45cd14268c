"""Fields without effect: which fields of a request Pannier does nothing with, and why.

They are named to the client in ``X-Pannier-Ignored``, never dropped in silence
(decisions, 33).  The classes are the specification's (chat, section 7): ``I`` is
accepted, ``W`` is refused in strict mode, ``E`` always.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from app.errors import BadRequest
from app.gateway.parameters import RUNNER

from .fields import Fields
from .timeouts import NAMES as TIMEOUTS


class Effect(NamedTuple):
    """What becomes of a field: its class, why, and values that ask for nothing."""

    kind: Literal["I", "W", "E"]
    why: str
    harmless: tuple[Any, ...] = ()


_CACHE = "Ollama keeps its prompt cache by itself"
_GRAMMARS = "completions of code are held to no grammar"
_NO_PROBABILITIES = "completions of code have no probabilities"
_PLAIN = "a transcription is its text alone"
#: What editors send with every key, and with what is only to be read ahead.
_SAMPLERS: tuple[list[str], ...] = (["top_k", "top_p", "infill"], [])
_TRACKING = "there is no account to book it to"
_NOT_INCLUDED = Effect("W", "there is nothing more to include")

#: Fields that nobody acts on.
EFFECTLESS: dict[str, Effect] = {
    "access_programs": Effect("I", "there are no such programs"),
    "audio": Effect("E", "no model here speaks"),
    "background": Effect("E", "an answer is made while its client waits", (False,)),
    "cache_control": Effect("I", _CACHE),
    "cache_prompt": Effect("I", _CACHE, (True,)),
    "chunking_strategy": Effect("I", "a recording is heard as a whole"),
    "client_metadata": Effect("I", _TRACKING),
    "container": Effect("W", "no code runs here"),
    "context_management": Effect("I", "a conversation is taken as it comes"),
    "conversation": Effect("E", "use `previous_response_id`"),
    "debug_options": Effect("I", "`X-Pannier-Explain` shows what is sent", ({},)),
    "diagnostics": Effect("I", "there is nothing to diagnose"),
    "grammar": Effect("W", _GRAMMARS, ("",)),
    "image": Effect("I", "images go to the model as they are"),
    "include": _NOT_INCLUDED,
    "inference_geo": Effect("I", "it is where Ollama is"),
    "json_schema": Effect("W", _GRAMMARS, ({},)),
    "keywords": Effect("W", "`prompt` can hold them"),
    "known_speaker_names": Effect("W", _PLAIN),
    "known_speaker_references": Effect("W", _PLAIN),
    "languages": Effect("W", "`language` and `prompt` can say them"),
    "logit_bias": Effect("W", "Ollama has no such option", ({},)),
    "lora": Effect("W", "an adapter is part of a model in Ollama", ([],)),
    "max_tool_calls": Effect("I", "no tools are called here"),
    "mcp_servers": Effect("E", "nothing here calls MCP servers", ([],)),
    "metadata": Effect("I", "nothing is stored", ({},)),
    "min_tokens": Effect("W", "Ollama has no such option", (0,)),
    "modalities": Effect("I", "answers are text", (["text"], [])),
    "mode": Effect("W", "there is one mode", ("standard",)),
    "moderation": Effect("I", "nothing is moderated"),
    "n_cmpl": Effect("I", "there is one completion", (1,)),
    "n_probs": Effect("W", _NO_PROBABILITIES, (0,)),
    "post_sampling_probs": Effect("W", _NO_PROBABILITIES, (False,)),
    "prediction": Effect("I", "Ollama does not take predictions"),
    "prompt_cache_key": Effect("I", _CACHE),
    "prompt_cache_options": Effect("I", _CACHE),
    "prompt_cache_retention": Effect("I", _CACHE),
    "return_tokens": Effect("W", "Ollama tells no tokens", (False,)),
    "safety_identifier": Effect("I", _TRACKING),
    "samplers": Effect("I", "Ollama has an order of its own", _SAMPLERS),
    "service_tier": Effect(
        "I", "there is one tier", ("auto", "default", "standard_only")
    ),
    "speed": Effect("I", "there is one speed", ("standard",)),
    "store": Effect("I", "nothing is stored", (False,)),
    "timestamp_granularities": Effect("W", _PLAIN),
    "timings_per_token": Effect("I", "the last piece has the timings", (False,)),
    "user": Effect("I", _TRACKING),
    "user_profile_id": Effect("I", _TRACKING),
    "verbosity": Effect("I", "models here have no such control"),
    "web_search_options": Effect("W", "nothing here searches the web"),
    "workspace_id": Effect("I", _TRACKING),
}
#: Fields of Ollama's completions that nobody acts on where those are of code; requests
#: of other kinds have fields of these names that count.
CODELESS: dict[str, Effect] = {
    "context": Effect("W", "code has no conversation before it", ([],)),
    "format": Effect("W", _GRAMMARS, ("",)),
    "images": Effect("W", "code has no images", ([],)),
    "logprobs": Effect("W", "a forced call, or code, has none", (False,)),
    "system": Effect("W", "code is completed without instructions", ("",)),
    "template": Effect("W", "the one of the model's family is used", ("",)),
}
_UNKNOWN = Effect("W", "Pannier does not know this field")
_OPTION = Effect("W", "it is an option of Ollama's, and counts within `options` alone")
_THOUGHTLESS = Effect("W", "the model does not think")
_NO_CONTROL = Effect("W", "Ollama has no such control")
_UNREADABLE = Effect("W", "models here cannot read such a block")
_FOREIGN = Effect("I", "it is not of this server, and the thought counts without it")
_ADVISORY = Effect("I", "only a call that is forced is held to its schema")
_OWN_FORMAT = "a forced call has a format of its own"
_GRAMMAR = Effect("W", "Ollama has no grammars for calls; the model is told of it")
_RUNNER = Effect("W", "its API key may not say how models are loaded")
_PARTS = {
    "_debug_render_only": Effect("W", "`X-Pannier-Explain` shows what is sent"),
    "best_of": Effect("W", "what a stream has sent cannot be taken back"),
    "chat_template_kwargs": _NO_CONTROL,
    "chat_template_kwargs.enable_thinking": _THOUGHTLESS,
    "enable_thinking": _THOUGHTLESS,
    "include": _NOT_INCLUDED,
    "input": Effect("W", "no model can be told of such an item"),
    "keep_alive": Effect("W", "its API key may not say how long models stay loaded"),
    "messages": Effect("I", "audio that a model spoke is not kept"),
    "output_config": _NO_CONTROL,
    "output_config.effort": _THOUGHTLESS,
    "output_config.format": Effect("W", _OWN_FORMAT),
    "output_format": Effect("W", _OWN_FORMAT),
    "reasoning": Effect("I", "Ollama has no such control"),
    "reasoning.effort": _THOUGHTLESS,
    "reasoning.enabled": _THOUGHTLESS,
    "reasoning.max_tokens": _THOUGHTLESS,
    "reasoning_effort": _THOUGHTLESS,
    "ollama": Effect("W", "only its `options` count"),
    "options": Effect("W", "Ollama has no such option that we know of"),
    **{f"options.{name}": _RUNNER for name in RUNNER},
    "prompt": Effect("E", "no prompts are kept here"),
    "system": _UNREADABLE,
    "system[0].billing": Effect("I", "a note to Anthropic's billing, not to a model"),
    "suffix": Effect("W", "raw text has no place for it"),
    "top_logprobs": Effect("W", "it needs `logprobs`"),
    "response_format": Effect("W", _OWN_FORMAT),
    "text": Effect("I", "models here have no such control"),
    "text.format": Effect("W", _OWN_FORMAT),
    "truncation": Effect("W", "unless strict, Ollama cuts what is too long"),
    "tools": Effect("W", "a tool that a provider runs cannot be offered to a model"),
    "think": _THOUGHTLESS,
    "thinking": _THOUGHTLESS,
    "stream": Effect("W", "what is kept is given as a whole"),
    "thinking.type": Effect("W", "there is no such type of thinking"),
}
#: The members that count of objects that may hold anything.
_HEARD = {
    "metadata": {
        "exclude_reasoning",
        "hide_reasoning",
        "keepAlive",
        "keep_alive",
        *TIMEOUTS,
    },
    "ollama": {"options"},
    "output_config": {"effort"},
    "chat_template_kwargs": {"enable_thinking"},
}


_effectless = Fields(*EFFECTLESS)
_codeless = Fields(*CODELESS)
#: Those of which members, or something beside them, may have no effect.
_partly = Fields(
    "reasoning", "top_logprobs", "output_config", "chat_template_kwargs", "ollama"
)


def without_effect(request: msgspec.Struct) -> list[str]:
    """Known fields of a request that ask for something Pannier does not do.

    Raises ``BadRequest`` for those that cannot be ignored.
    """
    named = [
        name
        for name, value in _effectless.of(request)
        if value not in EFFECTLESS[name].harmless
        and not (name in _HEARD and value.keys() <= _HEARD[name])
    ]
    for name in named:
        if EFFECTLESS[name].kind == "E" or _wants_audio(request, name):
            raise unsupported(name)
    return named + _members_without_effect(request) if _partly.of(request) else named


def without_effect_on_code(request: msgspec.Struct) -> list[str]:
    """Fields of a completion of Ollama's that ask for something that code has not."""
    return [
        name
        for name, value in _codeless.of(request)
        if value not in CODELESS[name].harmless
    ]


def _members_without_effect(request: Any) -> list[str]:
    """Members of objects whose other members count."""
    named: list[str] = []
    reasoning = getattr(request, "reasoning", None)
    if reasoning is not None:
        named += [
            f"reasoning.{name}"
            for name in ("summary", "generate_summary")
            if getattr(reasoning, name) is not None
        ]
    if getattr(request, "top_logprobs", None) and not getattr(request, "logprobs", 0):
        named.append("top_logprobs")
    for field in ("output_config", "chat_template_kwargs", "ollama"):
        given = getattr(request, field, None) or {}
        named += [f"{field}.{name}" for name in given if name not in _HEARD[field]]
    return named


def effect(name: str, unknown: Sequence[str] = ()) -> Effect:
    """What becomes of a field that is ignored, by its name or its path.

    What is ``unknown`` to its endpoint may be a field of another's.
    """
    if name in unknown:
        return _OPTION if name in RUNNER else _UNKNOWN
    if name.endswith(".strict"):
        return _ADVISORY
    if "tools[" in name:
        return _GRAMMAR if name.endswith(".format") else _PARTS["tools"]
    if ".content[" in name:
        return _FOREIGN if name.endswith(".signature") else _UNREADABLE
    whole = name.partition(".")[0].partition("[")[0]
    known = EFFECTLESS.get(name) or CODELESS.get(name) or _PARTS.get(name)
    return known or _PARTS.get(whole) or _UNKNOWN


def refuse_ignored(names: list[str], unknown: Sequence[str] = ()) -> None:
    """Strict mode: what would have to be ignored is a 400 that names it."""
    for name in names:
        if effect(name, unknown).kind != "I":
            raise unsupported(name, unknown)


def unsupported(name: str, unknown: Sequence[str] = ()) -> BadRequest:
    """A parameter that cannot be served."""
    return BadRequest(
        f"Unsupported parameter: '{name[:64]}' is not supported here:"
        f" {effect(name, unknown).why}.",
        code="unsupported_parameter",
        param=name[:64],
    )


def _wants_audio(request: Any, name: str) -> bool:
    return name == "modalities" and "audio" in (request.modalities or ())
