"""ModelEntry, CodeEntry, AliasEntry: what was set for a model, or another name of one.

A model that vanishes from Ollama keeps its entry (specification: gateway, section 2).
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

#: What an alias may be called; ``*`` and ``?`` make it a pattern.  Names that clients
#: bring along from elsewhere have more characters than operators can give.
AliasName = Annotated[str, Meta(pattern=r"^\S(.{0,126}\S)?\Z")]
ModelName = Annotated[str, Meta(pattern=r"^[^\s*?]{1,512}\Z")]

#: How a model is asked for code: by a template, by Ollama's, in words, by the text
#: before the place alone.
CodeStrategy = Literal["raw", "suffix", "chat", "prefix"]
#: Which prompts for it are code: those that look so, or all.
CodeMode = Literal["", "always"]


class CodeEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a model completes code; what is not set is its family's affair.

    ``template`` is one of ``app.gateway.template``.
    """

    strategy: CodeStrategy | UnsetType = UNSET
    template: Annotated[str, Meta(max_length=4000)] | UnsetType = UNSET
    mode: CodeMode | UnsetType = UNSET


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was set for one model.

    ``hidden``: it can be called but is in no list.  ``overrides`` are parameters by
    name (``app.gateway.overrides``).
    """

    name: ModelName
    enabled: bool = True
    hidden: bool = False
    description: Annotated[str, Meta(max_length=2000)] = ""
    overrides: dict[str, Any] = {}
    code: CodeEntry = CodeEntry()


class AliasEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another name of a model; ``display`` is the one that people are shown for it."""

    name: AliasName
    target: ModelName
    display: bool = False
    enabled: bool = True
    hidden: bool = False
    shadow: bool = False
    overrides: dict[str, Any] = {}
