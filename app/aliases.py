"""Aliases: other names of models, as ``PANNIER_ALIASES`` writes them."""

import re

_NAME = re.compile(r"[A-Za-z0-9._:/@+*?-]{1,128}")
_MODEL = re.compile(r"[^\s*?]{1,512}")


def aliases(text: str) -> dict[str, str]:
    """Model by alias out of ``name=model,name=model``, in its order.

    Names differ in more than case.  Raises ``ValueError`` with what is wanted.
    """
    found: dict[str, str] = {}
    for item in filter(None, map(str.strip, text.split(","))):
        name, _, model = (part.strip() for part in item.partition("="))
        if not _NAME.fullmatch(name) or not _MODEL.fullmatch(model):
            raise ValueError(f"name=model is wanted, separated by commas, not {item!r}")
        if name.lower() in map(str.lower, found):
            raise ValueError(f"{name!r} is there twice")
        found[name] = model
    return found


def is_pattern(name: str) -> bool:
    """Whether an alias stands for many names."""
    return "*" in name or "?" in name
