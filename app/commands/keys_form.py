"""The options of ``pannier keys`` that say what a key is."""

import argparse
from argparse import Namespace
from typing import Any

from ..gateway.groups import GROUPS
from ..moment import now_ms
from .words import expiry, limit, mapping

#: Options by the field of a key's form that they set.
LIMITS = {
    "rpm": ("--rpm", "requests a minute"),
    "tpd": ("--tokens-per-day", "tokens a day (UTC)"),
    "max_concurrent": ("--concurrent", "requests at a time"),
    "max_output_tokens": ("--max-output-tokens", "tokens of one answer"),
    "max_num_ctx": ("--max-num-ctx", "the largest context it may ask for"),
}
_MODELS = {
    "default_model": "the model called `default`",
    "default_code_model": "the model that completes code, where none is named",
}
_SWITCHES = {
    "allow_runner_options": "options that change how a model is loaded",
    "allow_keep_alive": "keep_alive: to unload models, or keep them for longer",
}


def form(parser: argparse.ArgumentParser, create: bool) -> None:
    """The options that say what a key is; what is not said is ``None``."""
    parser.add_argument("--name", required=create, help="what people call it")
    _globs(parser, "--allow", "models that it may use; * stands for any text", create)
    _globs(parser, "--deny", "of these the ones that it may not use")
    parser.add_argument(
        "--endpoints",
        dest="allow_endpoints",
        nargs="+",
        choices=GROUPS,
        metavar="GROUP",
        help=f"what it may ask for, of {', '.join(GROUPS)} (default: all but manage)",
    )
    for field, (name, help) in LIMITS.items():
        parser.add_argument(
            name, dest=field, type=limit, default=..., metavar="N", help=help
        )
    for field, help in _SWITCHES.items():
        name = f"--{field.replace('_', '-')}"
        action = argparse.BooleanOptionalAction
        parser.add_argument(name, dest=field, action=action, help=help)
    for field, help in _MODELS.items():
        name = f"--{field.replace('_', '-')}"
        parser.add_argument(name, dest=field, metavar="MODEL", help=help)
    parser.add_argument(
        "--overrides", type=mapping, metavar="JSON", help="parameters for its requests"
    )
    parser.add_argument(
        "--expires",
        type=expiry,
        metavar="TIME",
        help="30d, 2027-01-01 (UTC) or never (default: never)",
    )
    parser.add_argument("--notes", help="anything that helps to remember")
    if create:
        parser.add_argument("--json", action="store_true", help="print JSON")
        add_yes(parser)


def _globs(
    parser: argparse.ArgumentParser, name: str, help: str, required: bool = False
) -> None:
    parser.add_argument(
        name,
        dest=f"{name.strip('-')}_models",
        nargs="+",
        required=required,
        metavar="GLOB",
        help=help,
    )


def add_yes(parser: argparse.ArgumentParser) -> None:
    """The option that answers yes to whatever would be asked."""
    parser.add_argument("--yes", action="store_true", help="do not ask")


def fields(words: Namespace) -> dict[str, Any]:
    """The fields of a key's form that were said."""
    names = ["name", "notes", "overrides", "allow_models", "deny_models"]
    names += ["allow_endpoints", *_SWITCHES, *_MODELS]
    said = {field: getattr(words, field) for field in names}
    said = {field: value for field, value in said.items() if value is not None}
    limits = {field: getattr(words, field) for field in LIMITS}
    said |= {field: value for field, value in limits.items() if value is not ...}
    if words.expires is not None:
        kind, at = words.expires
        said["expires_at"] = (now_ms() + at if kind == "in" else at) or None
    return said
