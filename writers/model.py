"""One model as OpenAI describes it, with facts where they are wanted."""

from typing import Any

from app.catalog import Catalog
from app.wire import ollama, openai
from app.wire.names import namespace


def described(
    id: str, name: str, modified_at: str | None, catalog: Catalog | None
) -> openai.Model:
    """The model ``name`` under the ``id`` that clients use.

    With a ``catalog`` it tells what is known of it, ``None`` for what is not.
    """
    return openai.Model(
        id=id,
        created=ollama.epoch(modified_at),
        owned_by=namespace(name),
        **(_facts(name, catalog) if catalog else {}),
    )


def _facts(name: str, catalog: Catalog) -> dict[str, Any]:
    known = catalog.facts(name)
    details = known.details if known else {}
    can = known.capabilities if known else None
    return {
        "context_length": known.context_length if known else None,
        "capabilities": None if can is None else sorted(can),
        "quantization": _text(details.get("quantization_level")),
        "parameter_size": _text(details.get("parameter_size")),
        "family": _text(details.get("family")),
        "loaded": catalog.loaded(name) is not None,
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
