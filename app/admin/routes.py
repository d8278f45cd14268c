"""Routes: all of what is asked of the administration by those who are signed in."""

from .asked import Route

#: Each module of handlers has a table of its own.
ROUTES: list[Route] = []
