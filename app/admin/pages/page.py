"""Page: where a page is, what it reads of its query, and who makes its values."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..asked import Admin, Asked

#: Values for a template, made of what the API's handlers say.
Handler = Callable[[Admin, Asked], Mapping[str, Any]]


class Page(NamedTuple):
    """One page: ``path`` is below ``/admin``, with parts in angle brackets.

    ``query`` are the parameters that mean something, as with a ``Route``.  Pages that
    are ``first`` may be seen by those who have to change their password.
    """

    path: str
    template: str
    handler: Handler
    query: tuple[str, ...] = ()
    first: bool = False


def plain(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """The values of a page that needs none."""
    return {}
