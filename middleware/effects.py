"""Fields without effect: which fields of a request Pannier does nothing with.

They are named to the client in ``X-Pannier-Ignored``, never dropped in silence
(decisions, 33).
"""

from functools import cache
from typing import Any

import msgspec

#: Fields that nobody acts on, each with the values that ask for what happens anyway.
EFFECTLESS: dict[str, tuple[Any, ...]] = {
    "audio": (),
    "best_of": (1,),
    "echo": (False,),
    "function_call": ("none", "auto"),
    "functions": ([],),
    "logit_bias": ({},),
    "metadata": ({},),
    "modalities": (["text"], []),
    "moderation": (),
    "n": (1,),
    "parallel_tool_calls": (True,),
    "prediction": (),
    "prompt_cache_key": (),
    "prompt_cache_options": (),
    "prompt_cache_retention": (),
    "safety_identifier": (),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "tool_choice": ("auto", "none"),
    "user": (),
    "verbosity": (),
    "web_search_options": (),
}


def without_effect(request: msgspec.Struct) -> list[str]:
    """Known fields of a request that ask for something Pannier does not do."""
    named = [
        name
        for name in _effectless(type(request))
        if (value := getattr(request, name)) is not None
        and value not in EFFECTLESS[name]
    ]
    reasoning = getattr(request, "reasoning", None)
    if reasoning is not None:
        named += [
            f"reasoning.{name}"
            for name in reasoning.__struct_fields__
            if name != "effort" and getattr(reasoning, name) is not None
        ]
    return named


@cache
def _effectless(request: type[msgspec.Struct]) -> tuple[str, ...]:
    return tuple(name for name in request.__struct_fields__ if name in EFFECTLESS)
