"""About: versions, how all parts are, and whose work is in it."""

from collections.abc import Mapping
from typing import Any

from .. import health
from ..asked import Admin, Asked
from .page import Page, plain

#: What is in the pages of others: its name, its licence, and where the text of that is.
OTHERS = [
    ("htmx", "Zero-Clause BSD", "vendor/htmx.LICENSE.txt"),
    ("uPlot", "MIT", "vendor/uplot.LICENSE.txt"),
]


def values(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """How everything is; whoever is slow has two seconds."""
    return {"health": health.health(admin, asked), "others": OTHERS}


PAGES: list[Page] = [
    Page("/about", "about.html", plain),
    Page("/about/health", "about_health.html", values),
]
