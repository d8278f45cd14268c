"""The whole onion.  Start reading here; ``endpoints`` has the table of routes.

A request passes the layers, outermost first, then its route.  An endpoint's middleware
rewrites it into a call to Ollama and hands that to the relay; what comes back passes
the endpoint's writer on its way out.
"""

from collections.abc import Callable, Iterable
from functools import partial, reduce
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from msgspec import structs

from app import logs
from app.addresses import KEPT
from app.catalog import Catalog
from app.doors import Doors
from app.fetch import ImageFetcher
from app.gateway.current import Current
from app.gateway.groups import ADMIN, METRICS
from app.inflight import Inflight
from app.installation import Installation
from app.later import Later, load_aside
from app.live.revoked import end_revoked
from app.native import Native
from app.probes import probes
from app.proxies import Proxies
from app.redaction import Redaction
from app.relay import Relay
from app.settings import Settings
from app.upstream import Upstream

from .access_log import AccessLogMiddleware
from .as_key import inside
from .auth import AuthMiddleware
from .cors import CorsMiddleware
from .doors import DoorsMiddleware
from .endpoints import dialect_routes, native_routes
from .errors import ErrorMiddleware
from .groups import GroupsMiddleware
from .inflight import LimitMiddleware, WatchMiddleware
from .metrics import MetricsPage
from .request_id import RequestIdMiddleware
from .routes import Route, Routes
from .shared import Shared
from .throttle import ThrottleMiddleware
from .usage import UsageNotes

Layer = Callable[[WSGIApplication], WSGIApplication]


def build_stack(
    settings: Settings,
    installation: Installation | None = None,
    inflight: Inflight | None = None,
) -> WatchMiddleware:
    """The application that ``settings`` describe; nothing is opened yet.

    ``inflight`` are the requests that a worker has to end before it stops.
    """
    installation = installation or Installation(settings)
    if inflight is None:  # one without requests is false
        inflight = Inflight(settings.write_timeout)
    upstream = Upstream.of(settings)
    pages = Later(lambda: load_pages(upstream))
    relay = Relay(upstream, settings)
    catalog = Catalog(upstream.control)
    leave = follow(installation.current, catalog, inflight)

    def release() -> None:
        leave()
        upstream.close()

    images = ImageFetcher.of(settings)
    fetch = images.fetch_all if images else None
    keeper = installation.storage.responses
    shared = Shared(relay, catalog, settings, fetch, keeper, installation)
    write = logs.writer() if settings.access_log else None

    def answer(
        environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        return tried(environ, start_response)

    routes = Routes(
        pages,  # whatever is not listed is a page
        [
            *front_door(pages, relay),
            *admin_routes(shared, installation, upstream, inflight, answer),
            *probe_routes(upstream, installation, settings),
            *native_routes(Native(relay, settings), shared),
            *dialect_routes(shared),
        ],
    )
    # What an operator tries without a key is noted as well, unless nothing is.
    usage = "off" if settings.usage == "off" else "on"
    noted = logged(structs.replace(settings, usage=usage), write, installation)
    tried = inside(routes, noted, installation.limits)
    around = layers(settings, inflight, write, installation)
    return WatchMiddleware(wrap(routes, around), inflight, release)


def follow(
    current: Current, catalog: Catalog, inflight: Inflight
) -> Callable[[], None]:
    """Have parts of a stack follow what is set; what is returned ends that."""
    ends = partial(end_revoked, inflight)
    current.changed += (catalog.forget, ends)
    current.expired.append(ends)

    def leave() -> None:
        current.changed.remove(catalog.forget)
        current.changed.remove(ends)
        current.expired.remove(ends)

    return leave


def layers(
    settings: Settings,
    inflight: Inflight,
    write: Callable[[str], object] | None,
    installation: Installation,
) -> Iterable[Layer]:
    """All between the watch and the routes, outermost first; ``write`` is the log's."""
    doors = Doors(settings.allowed_hosts, settings.origins)
    address = Proxies(settings.trusted_proxies).client
    yield RequestIdMiddleware
    yield logged(settings, write, installation)
    yield partial(CorsMiddleware, doors=doors, current=installation.current)
    yield ErrorMiddleware  # everything below may raise
    yield partial(DoorsMiddleware, doors=doors, current=installation.current)
    yield partial(LimitMiddleware, inflight=inflight, limit=settings.max_inflight)
    kept = KEPT[settings.usage_client_ip]
    yield partial(keyed, installation=installation, address=address, kept=kept)


def logged(
    settings: Settings,
    write: Callable[[str], object] | None,
    installation: Installation,
) -> Layer:
    """The layer that writes the log and counts, and has usage noted."""
    address = Proxies(settings.trusted_proxies).client
    return partial(
        AccessLogMiddleware,
        write=write,
        address=address,
        redaction=Redaction(*settings.secrets),
        counts=installation.counts,
        begun=UsageNotes(installation, settings, address),
    )


def keyed(
    app: WSGIApplication,
    installation: Installation,
    address: Callable[[WSGIEnvironment], str],
    kept: Callable[[str], str],
) -> AuthMiddleware:
    """The layers of keys: who needs none has no limits either."""
    throttled = ThrottleMiddleware(GroupsMiddleware(app), installation.limits)
    return AuthMiddleware(throttled, installation, address, keyless=app, kept=kept)


def front_door(pages: WSGIApplication, relay: Relay) -> Iterable[Route]:
    """``/``: a page for browsers; for curl and Ollama's clients what Ollama says."""

    def front(
        environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        browser = "text/html" in environ.get("HTTP_ACCEPT", "")
        return (pages if browser else relay)(environ, start_response)

    return [("GET", "/", front), ("HEAD", "/", front)]


def probe_routes(
    upstream: Upstream, installation: Installation, settings: Settings
) -> Iterable[Route]:
    """What is asked of Pannier itself."""
    probed: dict[str, WSGIApplication] = probes(upstream, installation.current)
    probed[METRICS] = MetricsPage(installation, settings)
    for path, probe in probed.items():
        yield ("GET", path, probe)
        yield ("HEAD", path, probe)


def load_pages(upstream: Upstream) -> WSGIApplication:
    """The pages, and with them Flask: 4 MB that most workers never need."""
    from app.pages import create_app

    return create_app(upstream)


def admin_routes(
    shared: Shared,
    installation: Installation,
    upstream: Upstream,
    inflight: Inflight,
    answer: WSGIApplication,
) -> Iterable[Route]:
    """What operators ask, and the pages that ask it.

    ``answer`` is all of this for requests of theirs to models.
    """

    def load() -> WSGIApplication:
        # It and its libraries take long to load: other requests go on meanwhile.
        load_aside("app.admin.application")
        from app.admin.application import create_app
        from app.admin.asked import Admin

        return create_app(
            Admin(
                installation=installation,
                settings=shared.settings,
                found=installation.found,
                catalog=shared.catalog,
                inflight=inflight,
                upstream=upstream,
                amend=shared.amend,
                answer=answer,
            )
        )

    admin = Later(load)
    yield ("*", ADMIN, admin)
    yield ("*", f"{ADMIN}/*", admin)


def wrap(app: WSGIApplication, layers: Iterable[Layer]) -> WSGIApplication:
    """The application inside its layers, the first of them outermost."""
    return reduce(lambda inner, layer: layer(inner), reversed(list(layers)), app)
