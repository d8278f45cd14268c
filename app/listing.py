"""Listing: texts of settings that are lists, such as ``10.0.0.5, 192.168.0.0/16``."""


def entries(text: str) -> list[str]:
    """What stands between the commas, if anything does."""
    return [entry for part in text.split(",") if (entry := part.strip())]
