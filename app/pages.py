"""Pages: the Flask application for people and for those who operate Pannier.

``/`` greets a browser, ``/docs`` and ``/openapi.json`` describe the endpoints.
Everything unknown is a 404.  No traffic of models passes here, and no probe: this
module, and Flask with it, is loaded with the first request that comes to it.
"""

from typing import Any

from flask import Flask, jsonify, render_template, request
from werkzeug.exceptions import HTTPException

from . import openapi
from .errors import BadRequest, GatewayError
from .probes import version_if_any
from .upstream import Upstream
from .version import own_version


def create_app(upstream: Upstream) -> Flask:
    """The Flask application; ``upstream`` is asked for its version."""
    app = Flask("pannier", root_path=__file__.rpartition("/")[0])
    app.json.sort_keys = False  # type: ignore[attr-defined]
    # Errors go up to the one edge that renders them.
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.register_error_handler(HTTPException, _refuse)
    # No redirects: what is not there under the name it was asked by is not there.
    app.url_map.merge_slashes = False
    app.add_url_rule("/", "home", lambda: _home(upstream), strict_slashes=False)
    app.add_url_rule("/openapi.json", "openapi", lambda: jsonify(openapi.document()))
    app.add_url_rule("/docs", "docs", _docs)
    return app


def _home(upstream: Upstream) -> str:
    ollama = version_if_any(upstream)
    return render_template("home.html", version=own_version(), ollama=ollama)


def _docs() -> str:
    return render_template(
        "docs.html", version=own_version(), operations=openapi.described()
    )


def _advice() -> str:
    """What may be wrong with a path that is not there; mostly in OpenAI's words."""
    if request.path.startswith("/v1/v1/"):
        return "This client adds /v1 by itself: its base URL must end without it."
    return (
        "Please check the URL for typos, or see the docs at"
        " https://platform.openai.com/docs/api-reference/."
    )


def _refuse(exc: HTTPException) -> Any:
    status = exc.code or 500
    if status == 404:
        raise BadRequest(
            f"Unknown request URL: {request.method} {request.path}. {_advice()}",
            status=404,
            code="unknown_url",
        )
    if status == 405:
        raise BadRequest(
            f"Not allowed to {request.method} on {request.path}. (HINT: Perhaps you"
            " meant to use a different HTTP method?)",
            status=405,
            code="method_not_allowed",
            headers=[("Allow", ", ".join(sorted(exc.valid_methods or ())))]
            if hasattr(exc, "valid_methods")
            else None,
        )
    if 300 <= status < 400:
        return exc
    raise GatewayError(exc.description or exc.name, status=status, code="invalid_value")
