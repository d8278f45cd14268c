"""What goes out with every answer below ``/admin``, whoever gives it.

Nobody keeps it, frames it, or runs scripts of others in it (specification: gateway, 10;
reliability, W6).
"""

from wsgiref.types import WSGIEnvironment

from app.carriers.base import Headers
from app.gateway.groups import ADMIN

HEADERS: Headers = [
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; form-action 'self'; frame-ancestors 'none';"
        " base-uri 'none'",
    ),
    ("Referrer-Policy", "no-referrer"),
]
_UNKEPT = ("Cache-Control", "no-store")
#: Scripts and styles, whose names change with them: they say how long they are good.
_STATIC = f"{ADMIN}/static/"
_TLS = ("Strict-Transport-Security", "max-age=31536000")


def is_admin(path: str) -> bool:
    """Whether a path is of those who administer."""
    return path.startswith(ADMIN) and path[len(ADMIN) :][:1] in ("", "/")


def admin_headers(environ: WSGIEnvironment) -> Headers:
    """The headers, beside what all answers have."""
    headers = [*HEADERS]
    if not environ["PATH_INFO"].startswith(_STATIC):
        headers.append(_UNKEPT)
    if environ["wsgi.url_scheme"] == "https":
        headers.append(_TLS)
    return headers
