import json
import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from support.admin import PASSWORD, House
from support.gateway import Known, key, snapshot
from support.ollama import ask

from app.admin import me
from app.admin.asked import Admin, Asked, Route, Sent
from app.admin.guard import DEPTH, LARGE, LIMIT, _is_deep
from app.admin.routes import ROUTES
from app.administration import Refused
from app.errors import BadRequest, UpstreamUnreachable
from app.gateway.current import Current

SAFE = {"GET", "HEAD"}
JSON = {"Content-Type": "application/json"}


def code(answer: Any) -> tuple[int, str]:
    """The status and the code of an error."""
    return answer.status_code, answer.json["error"]["code"]


def every_route() -> Iterable[tuple[str, str]]:
    """Method and path of all that needs somebody to be signed in."""
    for method, path, _, is_open, _ in me.ROUTES:
        if not is_open:
            yield method, path
    for route in ROUTES:
        yield route.method, route.path


#: With something in the place of each name.
ALL = [(method, re.sub("<[^>]*>", "x", path)) for method, path in every_route()]
CHANGES = [route for route in ALL if route[0] not in SAFE]


def test_the_table() -> None:
    """There are routes, each once; all methods are ones that browsers know."""
    assert len(ALL) == len(set(ALL)) >= 5
    assert {method for method, _ in ALL} <= {"GET", "POST", "PUT", "PATCH", "DELETE"}


# ------------------------------------------------------------- who may ask


@pytest.mark.parametrize("cookie", ["", "A" * 43, "\x7f'; DROP TABLE admin_session"])
def test_nobody_gets_in_without_a_session(house: House, cookie: str) -> None:
    """Every route is a 401 in JSON for who is not signed in, and no redirect."""
    browser = house.browser()
    if cookie:
        browser.token = cookie
    for method, path in ALL:
        answer = browser.ask(method, path, headers={"X-CSRF-Token": "x"})
        assert code(answer) == (401, "not_signed_in"), (method, path)
        assert answer.headers["Content-Type"] == "application/json"


def test_w5_an_api_key_is_no_session(house: House) -> None:
    """A key for models does not administer."""
    for name in ("Authorization", "X-Api-Key", "Api-Key"):
        for value in ("sk-x", f"Bearer {PASSWORD}", "Basic YWRtaW46YWRtaW4="):
            answer = house.browser().ask("GET", "me", headers={name: value})
            assert code(answer) == (401, "not_signed_in")


@pytest.mark.parametrize("token", [None, "", "x", "é", "OTHER"])
def test_w5_every_change_needs_the_token(house: House, token: str | None) -> None:
    """A change without the session's own token is a 403, on every route."""
    other, browser = house.signed_in(), house.signed_in()
    sent = other.csrf if token == "OTHER" else token
    assert CHANGES
    for method, path in CHANGES:
        answer = browser.ask(method, path, {}, headers={"X-CSRF-Token": sent})
        assert code(answer) == (403, "csrf_token_invalid"), (method, path)
    assert browser.ask("GET", "me").status_code == 200


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "http://localhost:3000"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_w5_no_change_from_a_foreign_page(
    house: House, headers: dict[str, str]
) -> None:
    """What a page of others sends is a 403, signing in too, with a good token too."""
    browser = house.signed_in()
    for method, path in [*CHANGES, ("POST", "/login")]:
        answer = browser.ask(method, path, {}, headers=headers)
        assert code(answer) == (403, "origin_not_allowed"), (method, path)


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}],
    ids=str,
)
def test_w5_changes_from_an_own_page(house: House, headers: dict[str, str]) -> None:
    """What Pannier's own pages send comes in, and what programs send."""
    browser = house.browser()
    assert browser.sign_in(headers=headers).status_code == 200
    assert browser.ask("POST", "logout", headers=headers).status_code == 204


def test_w5_a_form_changes_nothing(house: House) -> None:
    """What a plain HTML form can send is no JSON, and a 415 at best."""
    browser = house.signed_in()
    for kind in (
        "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
        "text/plain", "text/plain; application/json", "application/jsonp",
    ):  # fmt: skip
        for path in ("login", "me/password", "logout"):
            answer = browser.ask("POST", path, data=b"{}", content_type=kind)
            assert code(answer) == (415, "unsupported_media_type"), (kind, path)
    answer = browser.ask("POST", "login", data=b"{}")
    assert code(answer) == (415, "unsupported_media_type")


def test_w5_get_changes_nothing(house: House) -> None:
    """No change is made by a GET, and none of a changing route's paths has one."""
    browser = house.signed_in()
    for _, path in CHANGES:
        answer = browser.ask("GET", path)
        assert answer.status_code in (200, 404, 405), path
    for path in ("login", "logout", "me/password"):
        answer = browser.ask("GET", path)
        assert code(answer) == (405, "method_not_allowed")
        assert answer.headers["Allow"] == "POST"
    assert browser.ask("GET", "me").status_code == 200


# ------------------------------------------------------------- what is answered

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


def told(routes: list[Route], build: Callable[..., House], method: str = "GET") -> Any:
    """What a handler's answer becomes."""
    return build(routes=routes).signed_in().ask(method, "try")


def broken(admin: Admin, asked: Asked) -> Any:
    """A handler with a fault."""
    raise KeyError("a secret of mine")


@pytest.mark.parametrize("base", ["http://localhost", "https://localhost"])
@pytest.mark.parametrize("path", ["", "/", "/x", "/api/v1/me", "/api/v1/try"])
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_w6_headers(
    build: Callable[..., House], base: str, path: str, method: str
) -> None:
    """All below /admin is kept nowhere, framed nowhere, and runs nobody's scripts."""
    house = build(routes=[Route("GET", "try", broken)])
    browser = house.browser(base)
    browser.sign_in()
    headers = browser.open(method, f"/admin{path}").headers
    assert headers.getlist("Content-Security-Policy") == [CSP]
    assert headers.getlist("Cache-Control") == ["no-store"]
    assert headers.getlist("Referrer-Policy") == ["no-referrer"]
    tls = headers.getlist("Strict-Transport-Security")
    assert tls == (["max-age=31536000"] if base.startswith("https") else [])


def test_w6_in_the_whole_stack(house: House) -> None:
    """The layers around add nosniff, and never a word of CORS."""
    stack = house.stack()
    for path in ("/admin", "/admin/", "/admin/api/v1/me", "/admin/x"):
        for method in ("GET", "POST", "OPTIONS"):
            answer = ask(stack, method, path, Origin="http://localhost")
            assert answer.headers.getlist("X-Content-Type-Options") == ["nosniff"]
            names = " ".join(name.lower() for name, _ in answer.headers)
            assert "access-control" not in names


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize(
    "headers",
    [{}, {"Host": "evil.example"}, {"Origin": "https://evil.example"}],
    ids=str,
)
def test_w6_whoever_answers(
    house: House, closed: bool, headers: dict[str, str]
) -> None:
    """What never gets as far as the administration is kept and framed nowhere as well.

    Other paths have none of it.
    """
    if closed:
        house.installation.current = Current(Known(snapshot(key())))
        house.installation.current.renew()
    stack = house.stack()
    for path in ("/admin", "/admin/", "/admin//", "/admin/x", "/admin/api/v1/me"):
        for method in ("GET", "HEAD", "POST", "OPTIONS", "PROPFIND"):
            found = ask(stack, method, path, **headers).headers
            assert found.getlist("Content-Security-Policy") == [CSP], (method, path)
            assert found.getlist("Cache-Control") == ["no-store"]
    for path in ("/administrator", "/v1/models", "/x/admin/"):
        assert "Content-Security-Policy" not in ask(stack, path=path, **headers).headers


def test_w6_the_bare_prefix(house: House) -> None:
    """``/admin`` leads to the administration, and that to where one signs in."""
    stack = house.stack()
    leads = {"/admin": "/admin/", "/admin/": "/admin/login?next=/admin/"}
    for path, there in leads.items():
        answer = ask(stack, "GET", path)
        assert (answer.status, answer.headers["Location"]) == (303, there)


def test_what_is_said_of_a_foreign_page(house: House) -> None:
    """What cannot be allowed is not said to be: no setting lets other pages in here."""
    stack, evil = house.stack(), "https://evil.example"
    message = ask(stack, "POST", "/admin/api/v1/login", {}, Origin=evil).error
    assert message["code"] == "origin_not_allowed"
    assert "PANNIER_ORIGINS" not in message["message"]
    assert "own pages" in message["message"]
    elsewhere = ask(stack, "GET", "/v1/models", Origin=evil).error["message"]
    assert "PANNIER_ORIGINS can allow it" in elsewhere
    host = ask(stack, "GET", "/admin/x", Host="evil.example").error["message"]
    assert "PANNIER_ALLOWED_HOSTS can allow it" in host


def test_keys_do_not_close_it(house: House) -> None:
    """Where models need a key, administering needs none, but a session."""
    house.installation.current = Current(Known(snapshot(key())))
    house.installation.current.renew()
    stack = house.stack()
    assert ask(stack, "GET", "/v1/models").error["code"] == "invalid_api_key"
    assert ask(stack, "GET", "/admin/api/v1/me").error["code"] == "not_signed_in"
    form = {"username": "admin", "password": PASSWORD}
    assert ask(stack, "POST", "/admin/api/v1/login", form).status == 200


def raising(error: Exception) -> Callable[[Admin, Asked], Any]:
    """A handler that raises this."""

    def handler(admin: Admin, asked: Asked) -> Any:
        raise error

    return handler


@pytest.mark.parametrize(
    ("result", "status", "body"),
    [
        (None, 204, b""),
        ([], 200, b"[]"),
        ({"a": 1}, 200, b'{"a":1}'),
        (Sent(value={"a": 1}, status=201), 201, b'{"a":1}'),
        (Sent(status=204), 204, b""),
        (Sent(body=[b"a,", b"b"], type="text/csv"), 200, b"a,b"),
        (Refused("No.", "name"), 422, ("No.", "invalid_value", "name")),
        (Refused("No.", "id", unknown=True), 404, ("No.", "not_found", "id")),
        (
            BadRequest("Other.", status=412, code="changed_meanwhile"),
            412,
            ("Other.", "changed_meanwhile", None),
        ),
    ],
    ids=repr,
)
def test_what_handlers_return(
    build: Callable[..., House], result: Any, status: int, body: Any
) -> None:
    """What handlers return is sent, what they raise is told in OpenAI's form."""
    handler = raising(result) if isinstance(result, Exception) else lambda *_: result
    answer = told([Route("GET", "/try", handler)], build)
    assert answer.status_code == status
    if isinstance(body, bytes):
        assert answer.data == body
    else:
        error = answer.json["error"]
        assert (error["message"], error["code"], error["param"]) == body


def test_a_fault_says_nothing_of_itself(
    build: Callable[..., House], caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of ours is a 500 without details, and a trace in the log."""
    answer = told([Route("GET", "try", broken)], build)
    assert code(answer) == (500, "internal_error")
    assert b"secret of mine" not in answer.data
    assert "KeyError" in caplog.text


def test_what_handlers_are_given(build: Callable[..., House]) -> None:
    """Handlers get parts of the path, the query, the body, who asks and from where."""
    got: list[Asked] = []

    def handler(admin: Admin, asked: Asked) -> Any:
        got.append(asked)

    route = Route("PUT", "things/<path:name>/of/<id>", handler, ("x", "y"))
    house = build(routes=[route], admin_username="root")
    browser = house.browser()
    browser.sign_in(username="root")
    browser.ask(
        "PUT", "things/hf.co/a/b:c/of/7?x=1&x=2&y=%26", {"a": 1},
        headers={"If-Match": '"3"'}, environ_base={"REMOTE_ADDR": "192.0.2.1"},
    )  # fmt: skip
    (asked,) = got
    assert asked.path == {"name": "hf.co/a/b:c", "id": "7"}
    assert asked.query == {"x": "2", "y": "&"}
    assert json.loads(asked.body) == {"a": 1}
    assert asked.if_match == '"3"'
    assert (asked.actor, asked.address) == ("root", "192.0.2.1")


def test_w8_who_is_signed_in_sees_why(build: Callable[..., House]) -> None:
    """Where Ollama cannot be reached the administrator is told its address."""
    detail = "http://me:geheim@10.0.0.1:11434 refused"
    error = UpstreamUnreachable("Ollama cannot be reached.", detail=detail)
    answer = told([Route("GET", "try", raising(error))], build)
    assert code(answer) == (502, "upstream_unreachable")
    message = answer.json["error"]["message"]
    assert message.startswith("Ollama cannot be reached. (http://***@10.0.0.1:11434")


# ------------------------------------------------------------- bad input

DEEP = b"[" * (DEPTH + 1) + b"]" * (DEPTH + 1)


@pytest.mark.parametrize(
    ("body", "status", "found", "param"),
    [
        (b"", 422, "invalid_value", None),
        (b"{", 422, "invalid_value", None),
        (b"{}", 422, "invalid_value", "username"),
        (b"[]", 422, "invalid_value", None),
        (b"null", 422, "invalid_value", None),
        (b'"\xff"', 422, "invalid_value", None),
        (b'{"username":"a"}', 422, "invalid_value", "password"),
        (b'{"username":1,"password":"x"}', 422, "invalid_value", "username"),
        (b'{"username":"a","password":"x","o":1}', 422, "invalid_value", "o"),
        (DEEP, 422, "invalid_value", None),
        (b'{"username":"\\ud800","password":"x"}', 422, "invalid_value", None),
        (b'{"username":"' + b"[" * 99 + b'","password":"x"}', 401,
         "invalid_credentials", None),
        (b'{"username":"\\"' + b"[" * 99 + b'","password":"x"}', 401,
         "invalid_credentials", None),
        (b" " * (LIMIT + 1), 413, "request_too_large", None),
    ],
    ids=lambda value: repr(value)[:40],
)  # fmt: skip
def test_bad_bodies(
    house: House, body: bytes, status: int, found: str, param: str | None
) -> None:
    """A body that is wrong is told so, with the field, and is never a 5xx."""
    answer = house.browser().ask("POST", "login", data=body, headers=JSON)
    assert code(answer) == (status, found)
    assert answer.json["error"]["param"] == param


@pytest.mark.parametrize(
    ("body", "deep"),
    [
        (b"[" * DEPTH + b"]" * DEPTH, False),
        (DEEP, True),
        (b'{"a":' * DEPTH + b"1" + b"}" * DEPTH, False),
        (b'{"a":' * (DEPTH + 1) + b"1" + b"}" * (DEPTH + 1), True),
        (b'[{"a":[]},' + b"[]," * DEPTH + b"[]]", False),
        (b'["\\\\"' + b",[" * DEPTH, True),
        (b'["\\""' + b",[" * (DEPTH - 1) + b',"["', False),
        (b"]" * 99, False),
        (b"[]]" + b"[" * 99, False),
        (b'"' * 99, False),
        (b'["' + b'\\"' * 99 + b'"' + b",[" * DEPTH, True),
        (b'["' + b"[" * 99 + b"\\", False),
    ],
)
def test_depth(body: bytes, deep: bool) -> None:
    """Objects and lists count, both, and what is in strings does not.

    What closes more than was opened is no JSON, however it goes on.
    """
    assert _is_deep(body) is deep


def test_an_import_may_be_larger(build: Callable[..., House]) -> None:
    """Only what brings a whole installation may be larger than 1 MiB, up to 32."""

    def handler(admin: Admin, asked: Asked) -> Any:
        return len(asked.body)

    routes = [Route("POST", "/import", handler), Route("POST", "/try", handler)]
    browser = build(routes=routes).signed_in()
    for path, size, status in (
        ("import", LIMIT + 1, 200), ("import", LARGE + 1, 413), ("try", LIMIT + 1, 413),
    ):  # fmt: skip
        answer = browser.ask("POST", path, data=b" " * size, headers=JSON)
        assert answer.status_code == status, (path, size)


@pytest.mark.parametrize("host", ["a..b", ".localhost", "a" * 64, "x" * 300])
def test_a_host_that_is_none(house: House, host: str) -> None:
    """A name that none can have is the fault of who says it."""
    answer = house.signed_in().ask("GET", "me", headers={"Host": host})
    assert code(answer) == (400, "invalid_value")


@pytest.mark.parametrize(
    "path", ["nothing", "", "me/", "login/", "me//sessions", "%2e%2e/me", "../x", "ME"]
)
def test_unknown_urls(house: House, path: str) -> None:
    """Whatever is not there under its own name is a 404, and no redirect."""
    answer = house.signed_in().ask("GET", path)
    assert code(answer) == (404, "unknown_url")
