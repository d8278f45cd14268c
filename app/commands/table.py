"""Table: which command is where."""

import argparse
from collections.abc import Callable

from . import (
    audit,
    doctor,
    keys,
    live,
    migrate,
    models,
    password,
    settings,
    transfer,
    usage,
)

#: By name what adds a command's arguments, and ``do``, to a parser.
TABLE: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "keys": keys.arguments,
    "models": models.arguments,
    "alias": models.alias_arguments,
    "settings": settings.arguments,
    "overrides": settings.overrides_arguments,
    "password": password.arguments,
    "audit": audit.arguments,
    "live": live.arguments,
    "usage": usage.arguments,
    "export": transfer.export_arguments,
    "import": transfer.import_arguments,
    "migrate-ollama2openai": migrate.arguments,
    "doctor": doctor.arguments,
}
