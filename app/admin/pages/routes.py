"""Routes: all pages, and the menu."""

from . import (
    about,
    aliases,
    backup,
    keys,
    live,
    models,
    overview,
    playground,
    records,
    security,
    settings,
    usage,
    welcome,
)
from .page import Page

#: What the menu leads to: words, and where that is.
NAVIGATION: list[tuple[str, str]] = [
    ("Overview", "/admin/"),
    ("Live", "/admin/live"),
    ("Keys", "/admin/keys"),
    ("Models", "/admin/models"),
    ("Usage", "/admin/usage"),
    ("Playground", "/admin/playground"),
    ("Settings", "/admin/settings"),
    ("Security", "/admin/security"),
    ("Backup", "/admin/backup"),
    ("About", "/admin/about"),
]

PAGES: list[Page] = [
    *welcome.PAGES,
    *overview.PAGES,
    *live.PAGES,
    *keys.PAGES,
    *models.PAGES,
    *aliases.PAGES,
    *usage.PAGES,
    *records.PAGES,
    *playground.PAGES,
    *settings.PAGES,
    *security.PAGES,
    *backup.PAGES,
    *about.PAGES,
]
