"""Routes: all of what is asked of the administration by those who are signed in."""

from . import (
    aliases,
    audit,
    health,
    keys,
    live,
    loading,
    models,
    playground,
    pulling,
    settings,
    transfer,
    usage,
)
from .asked import Route

#: Each module of handlers has a table of its own.
ROUTES: list[Route] = [
    *keys.ROUTES,
    *models.ROUTES,
    *loading.ROUTES,
    *pulling.ROUTES,
    *playground.ROUTES,
    *aliases.ROUTES,
    *settings.ROUTES,
    *usage.ROUTES,
    *live.ROUTES,
    *audit.ROUTES,
    *transfer.ROUTES,
    *health.ROUTES,
]
