"""Absent: what OpenAI or Anthropic offers and Pannier does not, by its routes.

Whoever calls one is told so, with a 501, instead of being sent to look for a typo.  A
test reads the paths that their own clients can call and finds what is missing here.
"""

from collections.abc import Iterator
from wsgiref.types import StartResponse, WSGIEnvironment

from app.errors import BadRequest, GatewayError

from .routes import Route

#: Path, its methods, and what it is for.  A path that ends in ``/`` stands for all
#: below it; ``GET`` stands as well for what is a web socket.
_TABLE = (
    ("/agents", "GET POST", "running agents"),
    ("/agents/", "DELETE GET POST", "running agents"),
    ("/assistants", "GET POST", "keeping assistants"),
    ("/assistants/", "DELETE GET POST", "keeping assistants"),
    ("/audio/speech", "POST", "speech synthesis"),
    ("/audio/translations", "POST", "audio translation"),
    ("/audio/voice_consents", "GET POST", "speech synthesis"),
    ("/audio/voice_consents/", "DELETE GET POST", "speech synthesis"),
    ("/audio/voices", "POST", "speech synthesis"),
    ("/audio/voices/", "DELETE", "speech synthesis"),
    ("/batches", "GET POST", "batch processing"),
    ("/batches/", "GET POST", "batch processing"),
    ("/chatkit/", "DELETE GET POST", "ChatKit"),
    ("/complete", "POST", "completion in Anthropic's older form"),
    ("/containers", "GET POST", "running code in containers"),
    ("/containers/", "DELETE GET POST", "running code in containers"),
    ("/content_provenance_checks", "POST", "checking where content is from"),
    ("/conversations", "POST", "keeping conversations"),
    ("/conversations/", "DELETE GET POST", "keeping conversations"),
    ("/decisions", "POST", "the decisions endpoint"),
    ("/deployment_runs", "GET", "running agents"),
    ("/deployment_runs/", "GET", "running agents"),
    ("/deployments", "GET POST", "running agents"),
    ("/deployments/", "GET POST", "running agents"),
    ("/dreams", "GET POST", "running agents"),
    ("/dreams/", "GET POST", "running agents"),
    ("/environments", "GET POST", "running agents"),
    ("/environments/", "DELETE GET POST", "running agents"),
    ("/evals", "GET POST", "evaluation"),
    ("/evals/", "DELETE GET POST", "evaluation"),
    ("/files", "GET POST", "file storage"),
    ("/files/", "DELETE GET", "file storage"),
    ("/fine_tuning/", "DELETE GET POST", "fine-tuning"),
    ("/images/edits", "POST", "image generation"),
    ("/images/generations", "POST", "image generation"),
    ("/images/variations", "POST", "image generation"),
    ("/live/", "GET POST", "the live API"),
    ("/memory_stores", "GET POST", "keeping an agent's memory"),
    ("/memory_stores/", "DELETE GET POST", "keeping an agent's memory"),
    ("/messages/batches", "GET POST", "batch processing"),
    ("/messages/batches/", "DELETE GET POST", "batch processing"),
    ("/moderations", "POST", "moderation"),
    ("/organization/", "DELETE GET POST", "managing an organization"),
    ("/organizations/", "DELETE GET POST", "managing an organization"),
    ("/projects/", "DELETE GET POST", "managing an organization"),
    ("/realtime", "GET POST", "the realtime API"),
    ("/realtime/", "GET POST", "the realtime API"),
    ("/responses/compact", "POST", "compacting conversations"),
    ("/safety/", "GET", "safety review"),
    ("/sessions", "GET POST", "running agents"),
    ("/sessions/", "DELETE GET POST", "running agents"),
    ("/skills", "GET POST", "keeping skills"),
    ("/skills/", "DELETE GET POST", "keeping skills"),
    ("/threads", "POST", "keeping assistants"),
    ("/threads/", "DELETE GET POST", "keeping assistants"),
    ("/tunnels", "GET POST", "tunnels"),
    ("/tunnels/", "GET POST", "tunnels"),
    ("/uploads", "POST", "file storage"),
    ("/uploads/", "POST", "file storage"),
    ("/user_profiles", "GET POST", "keeping profiles of users"),
    ("/user_profiles/", "DELETE GET POST", "keeping profiles of users"),
    ("/vaults", "GET POST", "running agents"),
    ("/vaults/", "DELETE GET POST", "running agents"),
    ("/vector_stores", "GET POST", "searching in files"),
    ("/vector_stores/", "DELETE GET POST", "searching in files"),
    ("/videos", "GET POST", "video generation"),
    ("/videos/", "DELETE GET POST", "video generation"),
    ("/webhook_endpoints", "GET POST", "calling webhooks"),
    ("/webhook_endpoints/", "DELETE GET POST", "calling webhooks"),
    ("/webhook_event_types", "GET", "calling webhooks"),
)
#: What is known without ``/v1`` too: calls that a program which chats may make besides.
#: Most other names are common words, and the root belongs to Pannier's own pages.
_KNOWN_BARE = ("/audio/", "/images/", "/messages/", "/moderations", "/responses")


class Absent:
    """Answers 501: what it is for is not available."""

    def __init__(self, purpose: str) -> None:
        self.purpose = purpose

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> list[bytes]:
        """Refuse; raises ``GatewayError``."""
        raise GatewayError(
            f"{self.purpose} is not available",
            status=501,
            code="not_implemented",
            # Clients repeat any 5xx; no repetition changes this one.
            headers=[("x-should-retry", "false")],
        )


class NoBackground(Absent):
    """Refuses all but what there is of a response, which is done when it has its name.

    Nothing can act on one.
    """

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> list[bytes]:
        """Refuse; raises ``GatewayError``."""
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if method == "POST" and path.endswith("/cancel"):
            return super().__call__(environ, start_response)
        raise _not_allowed(
            method, "GET" if path.endswith("/input_items") else "DELETE, GET"
        )


class NoSocket(Absent):
    """Refuses all but POST; a web socket in a way that has its client post at once."""

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> list[bytes]:
        """Refuse; raises ``BadRequest``."""
        method = environ["REQUEST_METHOD"]
        if method == "GET" and environ.get("HTTP_UPGRADE", "").lower() == "websocket":
            raise BadRequest(
                f"{self.purpose} is not available by web socket; use POST.",
                status=426,
                code="unsupported_value",
            )
        raise _not_allowed(method, "POST")


def _not_allowed(method: str, allowed: str) -> BadRequest:
    return BadRequest(
        f"Not allowed to {method[:64]} here; use {allowed}.",
        status=405,
        code="method_not_allowed",
        headers=[("Allow", allowed)],
    )


def absent_routes(base: str) -> Iterator[Route]:
    """The routes that are known under ``base`` and not offered.

    They go first in a table of routes: whoever comes to offer one takes its place.
    """
    for path, methods, purpose in _TABLE:
        if base or path.startswith(_KNOWN_BARE):
            app = Absent(purpose)
            yield from ((method, base + path, app) for method in methods.split())
