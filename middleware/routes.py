"""Routes: from method and path to the application that answers."""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from app.errors import BadRequest

#: Method, path, application.  A path that ends in ``/`` stands for all below it, one in
#: ``/*`` for what ends there too; the method ``*`` for every method.
Route = tuple[str, str, WSGIApplication]


class Routes:
    """A table of routes; whatever it does not hold goes to ``default``.

    A path that is there with another method is a 405 that says which are allowed.
    """

    def __init__(self, default: WSGIApplication, table: Iterable[Route]) -> None:
        self.default = default
        self.exact: dict[str, dict[str, WSGIApplication]] = {}
        self.below: dict[str, dict[str, WSGIApplication]] = {}
        for method, path, app in table:
            bare = path.removesuffix("*")
            is_prefix = bare.endswith("/") and bare != "/"
            if is_prefix:
                self.below.setdefault(bare, {})[method] = app
            if not is_prefix or bare != path:
                self.exact.setdefault(bare, {})[method] = app

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Hand the request to its application."""
        path = environ.get("PATH_INFO", "")
        method = environ["REQUEST_METHOD"]
        methods = self.exact.get(path) or self._below(path)
        if methods is None:
            return self.default(environ, start_response)
        app = methods.get(method) or methods.get("*")
        if app is None:
            raise not_allowed(method, path, sorted(methods))
        return app(environ, start_response)

    def _below(self, path: str) -> dict[str, WSGIApplication] | None:
        for prefix, methods in self.below.items():
            if path.startswith(prefix) and path != prefix:
                return methods
        return None


def not_allowed(method: str, path: str, allowed: Iterable[str]) -> BadRequest:
    """The refusal of a method, 405; those that are ``allowed`` are in its header."""
    return BadRequest(
        f"Not allowed to {method[:64]} on {path}. (HINT: Perhaps you meant to use a"
        " different HTTP method?)",
        status=405,
        code="method_not_allowed",
        headers=[("Allow", ", ".join(allowed))],
    )
