import pytest

from app import native, probes
from app.gateway.groups import GROUPS, OPEN, ORDINARY, groups_for
from app.settings import Settings
from middleware.absent import Absent
from middleware.code.probes import CodeProbe
from middleware.routes import Routes
from middleware.stack import build_stack

#: Method, path, and the groups of which one is needed; None: any key will do.
ROWS = [
    ("POST", "/v1/chat/completions", "chat"),
    ("POST", "/chat/completions", "chat"),
    ("POST", "/v1/completions", "code completions"),
    ("POST", "/completions", "code completions"),
    ("POST", "/beta/completions", "code completions"),
    ("POST", "/v1/embeddings", "embeddings"),
    ("POST", "/v1/audio/transcriptions", "audio"),
    ("POST", "/audio/speech", "audio"),
    ("POST", "/v1/images/generations", "images"),
    ("POST", "/moderations", "moderations"),
    ("POST", "/v1/responses", "responses"),
    ("POST", "/responses/input_tokens", "responses"),
    ("DELETE", "/v1/responses/resp_1", "responses"),
    ("POST", "/v1/messages", "messages"),
    ("POST", "/messages", "messages"),
    ("POST", "/messages/count_tokens", "messages"),
    ("POST", "/anthropic/v1/messages/count_tokens", "messages"),
    ("GET", "/v1/models", "models"),
    ("GET", "/models/hf.co/a/b:c", "models"),
    ("GET", "/anthropic/v1/models/a", "models"),
    ("DELETE", "/v1/models/a", "manage"),
    ("DELETE", "/models/a", "manage"),
    ("DELETE", "/anthropic/v1/models/a", "manage"),
    ("POST", "/v1/fim/completions", "code"),
    ("POST", "/fim/completions", "code"),
    ("POST", "/infill", "code"),
    ("POST", "/completion", "code"),
    ("POST", "/code/generate", "code"),
    ("POST", "/v1/events", "code"),
    ("GET", "/v1/health", "code"),
    ("POST", "/v1/health", "code"),
    ("HEAD", "/props", "code"),
    ("POST", "/api/chat", "native"),
    ("POST", "/api/generate", "code native"),
    ("POST", "/api/embed", "native"),
    ("POST", "/api/embeddings", "native"),
    ("POST", "/api/show", "models native"),
    ("GET", "/api/tags", "models native"),
    ("HEAD", "/api/ps", "models native"),
    ("GET", "/api/version", "models native"),
    ("POST", "/api/pull", "manage"),
    ("DELETE", "/api/delete", "manage"),
    ("HEAD", "/api/blobs/sha256:0", "manage"),
    ("POST", "/api/tags", "models native"),
    ("get", "/api/tags", "models native"),
    ("GET", "/api/chat", "native"),
    ("POST", "/api/chat/", "manage"),
    ("POST", "/api/CHAT", "manage"),
    ("POST", "/api/", "manage"),
    ("GET", "/metrics", "manage"),
    ("GET", "/v1/files", None),
    ("GET", "/nothing", None),
    ("GET", "/v1/v1/chat/completions", None),
    ("GET", "/v1", None),
    ("GET", "", None),
    ("GET", "//api/tags", None),
]


@pytest.mark.parametrize(("method", "path", "groups"), ROWS)
def test_groups(method: str, path: str, groups: str | None) -> None:
    """Which groups a key needs goes by method and path."""
    wanted = None if groups is None else frozenset(groups.split())
    assert groups_for(method, path) == wanted


def test_every_group_but_one_is_ordinary() -> None:
    """Keys may do all but change Ollama's models; each group opens something."""
    assert set(GROUPS) - set(ORDINARY) == {"manage"}
    opened = {group for _, _, groups in ROWS if groups for group in groups.split()}
    assert opened == set(GROUPS)


def table() -> Routes:
    """The table of routes, from within all layers."""
    app = build_stack(Settings())
    while not isinstance(app, Routes):
        app = app.app
    return app


def test_every_route_has_a_group() -> None:
    """No route is there that needs no group, but for the open and the absent ones.

    Those that are open change nothing.
    """
    routes = table()
    paths = [*routes.exact.items()]
    paths += [(f"{below}x", apps) for below, apps in routes.below.items()]
    assert len(paths) > 100
    seen = set()
    for path, apps in paths:
        if path.startswith(("/admin", "/static/")) or path == "/metrics":
            continue  # which have guards of their own
        if path in OPEN:
            assert set(apps) <= {"GET", "HEAD"}, path
            assert not any(isinstance(app, CodeProbe) for app in apps.values()), path
            seen.add(path)
            continue
        for method, app in apps.items():
            if type(app) is not Absent:
                assert groups_for(method, path), (method, path)
    assert {"/docs", "/openapi.json"} == OPEN - seen  # the pages'


def test_what_is_open_is_what_probes_are() -> None:
    """Whatever load balancers ask for needs no key."""
    assert {*probes.HEALTH, *probes.READY} < OPEN


def test_what_needs_no_management() -> None:
    """The native routes that only use models are open to groups, by any method."""
    for path in native.INFERENCE:
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            groups = groups_for(method, path) or {"manage"}
            assert "manage" not in groups, (method, path)
        assert groups_for("GET", path + "/") == {"manage"}
