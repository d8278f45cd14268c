"""Validators: what the library makes of a schema that ``schema_checks`` lets through.

Apart, because it is 3 MB, and loaded with the first schema that a worker is sent.
"""

from collections.abc import Callable
from typing import Any

import jsonschema_rs

from .schemas import NoSchema

_Maker = Callable[..., jsonschema_rs.Validator]

#: The newest draft unless a schema says another; older ones are read all the same.
_DRAFTS: tuple[_Maker, ...] = (
    jsonschema_rs.Draft202012Validator,
    jsonschema_rs.Draft7Validator,
    jsonschema_rs.Draft4Validator,
)
_DRAFT_NAMES = (
    "https://json-schema.org/draft/2020-12/schema",
    "http://json-schema.org/draft-07/schema#",
    "http://json-schema.org/draft-04/schema#",
)


def looks_valid(schema: Any) -> None:
    """Raise ``NoSchema`` for what is no schema; patterns may be of any dialect."""
    _validator(schema, jsonschema_rs.FancyRegexOptions())


def looks_valid_but_for_patterns(schema: dict[str, Any]) -> None:
    """Compare with what a draft says of schemas, which compiles none of them."""
    problems = []
    for draft in _DRAFT_NAMES:
        try:
            # Never by the draft that the client names: that might be fetched.
            return jsonschema_rs.meta.validate({**schema, "$schema": draft})
        except jsonschema_rs.ValidationError as exc:
            problems.append(exc)
    raise NoSchema(_said(problems[0]))


def validator(schema: Any) -> jsonschema_rs.Validator:
    """A validator whose patterns never backtrack; raises ``NoSchema``."""
    return _validator(schema, jsonschema_rs.RegexOptions())


def fault(validator: jsonschema_rs.Validator, value: Any) -> str:
    """Where a value does not fit, and what it does not keep."""
    error = next(validator.iter_errors(value))
    where = _path(error.instance_path) or "the top"
    return f"at {where} it does not keep '{error.kind.name}'"


def _validator(schema: Any, patterns: Any) -> jsonschema_rs.Validator:
    """A validator by the draft that a schema names, or by the first that takes it."""
    names_draft = isinstance(schema, dict) and "$schema" in schema
    makers = (jsonschema_rs.validator_for,) if names_draft else _DRAFTS
    problems = []
    for maker in makers:
        try:
            return maker(
                schema, offline=True, validate_formats=True, pattern_options=patterns
            )
        except (ValueError, jsonschema_rs.ReferencingError) as exc:
            problems.append(exc)
    raise NoSchema(_said(problems[0]))


def _said(problem: Exception) -> str:
    """The library's first line, without what it quotes at length."""
    message = str(getattr(problem, "message", problem)).partition("\n")[0][:200]
    where = _path(getattr(problem, "instance_path", []))
    return f"{message} (at {where})" if where else message


def _path(steps: list[str | int]) -> str:
    return "".join(
        f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps
    ).lstrip(".")[:200]
