"""What cannot be asked of the administration: who is told so, and changes nothing."""

from typing import Any

import pytest
from support.handling import Handlers, part

ALL = {"allow_models": ["*"]}
#: The id of a key that is there, and names of others.
KEY = "<key>"
EVIL = [
    "' OR 1=1 --",
    '"; DROP TABLE api_key; --',
    "../../etc/passwd",
    "%00",
    "\0",
    "\ud800".encode("utf-8", "replace").decode(),
    "💥" * 40,
    "a" * 5000,
]

NO_KEY = {
    "no object": ([], None),
    "nothing": ({}, "allow_models"),
    "no name": (ALL, "name"),
    "an empty name": ({"name": "", **ALL}, "name"),
    "a long name": ({"name": "n" * 81, **ALL}, "name"),
    "a line break": ({"name": "a\nb", **ALL}, "name"),
    "a NUL": ({"name": "a\0b", **ALL}, "name"),
    "spaces": ({"name": " a", **ALL}, "name"),
    "a name that is none": ({"name": 5, **ALL}, "name"),
    "the name of another": ({"name": "THERE", **ALL}, "name"),
    "no models": ({"name": "k"}, "allow_models"),
    "an empty list": ({"name": "k", "allow_models": []}, "allow_models"),
    "models as a text": ({"name": "k", "allow_models": "*"}, "allow_models"),
    "models as null": ({"name": "k", "allow_models": None}, "allow_models"),
    "an empty pattern": ({"name": "k", "allow_models": [""]}, "allow_models[0]"),
    "many stars": ({"name": "k", "allow_models": ["*a" * 17]}, "allow_models"),
    "a long pattern": ({"name": "k", "allow_models": ["a" * 257]}, "allow_models[0]"),
    "many patterns": ({"name": "k", "allow_models": ["a"] * 257}, "allow_models"),
    "an open set": ({"name": "k", "allow_models": ["[a"]}, "allow_models"),
    "a wrong denial": ({"name": "k", **ALL, "deny_models": [5]}, "deny_models[0]"),
    "a wrong group": (
        {"name": "k", **ALL, "allow_endpoints": ["x"]},
        "allow_endpoints[0]",
    ),
    "no group": ({"name": "k", **ALL, "allow_endpoints": []}, "allow_endpoints"),
    "a negative limit": ({"name": "k", **ALL, "rpm": -1}, "rpm"),
    "a large limit": ({"name": "k", **ALL, "tpd": 2**53 + 1}, "tpd"),
    "a fraction": ({"name": "k", **ALL, "max_concurrent": 1.5}, "max_concurrent"),
    "a limit as text": ({"name": "k", **ALL, "max_num_ctx": "5"}, "max_num_ctx"),
    "yes as text": (
        {"name": "k", **ALL, "allow_keep_alive": "yes"},
        "allow_keep_alive",
    ),
    "enabled as null": ({"name": "k", **ALL, "enabled": None}, "enabled"),
    "an end in the past": ({"name": "k", **ALL, "expires_at": 1}, "expires_at"),
    "an endless end": ({"name": "k", **ALL, "expires_at": 10**30}, "expires_at"),
    "long notes": ({"name": "k", **ALL, "notes": "n" * 2001}, "notes"),
    "a wrong model": ({"name": "k", **ALL, "default_model": "a b"}, "default_model"),
    "wrong overrides": (
        {"name": "k", **ALL, "overrides": {"temperature": "hot"}},
        "overrides.temperature",
    ),
    "overrides as a list": ({"name": "k", **ALL, "overrides": []}, "overrides"),
    "an unknown field": ({"name": "k", **ALL, "owner": "me"}, "owner"),
    "its own id": ({"name": "k", **ALL, "id": "key_1"}, "id"),
    "its own digest": ({"name": "k", **ALL, "digest": "00"}, "digest"),
    "a short key": ({"name": "k", **ALL, "key": "1234567"}, "key"),
    "a long key": ({"name": "k", **ALL, "key": "k" * 257}, "key"),
    "a key that is none": ({"name": "k", **ALL, "key": 5}, "key"),
    "a key in Greek": ({"name": "k", **ALL, "key": "κλειδί-κλειδί"}, "key"),
}

NO_ALIAS: dict[str, tuple[Any, str | None]] = {
    "no object": ("a", None),
    "no target": ({"name": "a"}, "target"),
    "no name": ({"target": "bge"}, "name"),
    "a wrong name": ({"name": "a b", "target": "bge"}, "name"),
    "a long name": ({"name": "a" * 129, "target": "bge"}, "name"),
    "a wrong target": ({"name": "a", "target": "b*"}, "target"),
    "a model's name": ({"name": "bge", "target": "qwen3:4b"}, "name"),
    "itself": ({"name": "Same", "target": "same"}, "target"),
    "a shown pattern": ({"name": "a*", "target": "bge", "display": True}, "display"),
    "an unknown field": ({"name": "a", "target": "bge", "glob": "x"}, "glob"),
    "a wrong flag": ({"name": "a", "target": "bge", "hidden": 1}, "hidden"),
    "the name of another": ({"name": "THERE", "target": "bge"}, "name"),
}

#: Method, target, body; what becomes of it, and which field is to blame.
Case = tuple[str, str, Any, int, str | None]
OTHERS: dict[str, Case] = {
    "keys: a wrong limit": ("GET", "keys?limit=0", ..., 422, "limit"),
    "keys: a large limit": ("GET", "keys?limit=501", ..., 422, "limit"),
    "keys: no number": ("GET", "keys?limit=ten", ..., 422, "limit"),
    "keys: a wrong parameter": ("GET", "keys?page=2", ..., 422, "page"),
    "keys: an odd dry run": ("POST", "keys?dry_run=maybe", {}, 422, "dry_run"),
    "key: an unknown field": ("PATCH", f"keys/{KEY}", {"id": "x"}, 422, "id"),
    "key: no name any more": ("PATCH", f"keys/{KEY}", {"name": None}, 422, "name"),
    "key: half right": ("PATCH", f"keys/{KEY}", {"rpm": 3, "x": 1}, 422, "x"),
    "key: no object": ("PATCH", f"keys/{KEY}", 5, 422, None),
    "key: no JSON": ("PATCH", f"keys/{KEY}", b"{", 422, None),
    "key: no UTF-8": ("PATCH", f"keys/{KEY}", b'{"notes":"\xff"}', 422, None),
    "key: a long grace": ("POST", f"keys/{KEY}/rotate", {"grace": 10**9}, 422, "grace"),
    "key: a negative one": ("POST", f"keys/{KEY}/rotate", {"grace": -1}, 422, "grace"),
    "key: none": ("POST", f"keys/{KEY}/rotate", {"grace": None}, 422, "grace"),
    "key: a word more": ("POST", f"keys/{KEY}/enable", {"x": 1}, 422, "x"),
    "key: another": ("POST", f"keys/{KEY}/disable", {"x": 1}, 422, "x"),
    "key: for ever": ("POST", f"keys/{KEY}/revoke", {"grace": 0}, 422, "grace"),
    "key: a wrong word": ("POST", f"keys/{KEY}/rotate", {"Grace": 1}, 422, "Grace"),
    "key: no name": ("GET", "keys/a%00b", ..., 422, "id"),
    "key: wrong times": ("GET", f"keys/{KEY}/usage?from=5&to=4", ..., 422, "from"),
    "matches: nothing": ("POST", "keys/matches", {}, 422, "allow_models"),
    "matches: a set": ("POST", "keys/matches", {"allow_models": ["[z-a]"]}, 422, ...),
    "model: unknown": ("PATCH", "models/qwen4", {"hidden": True}, 404, "name"),
    "model: nothing set": ("DELETE", "models/bge", ..., 404, "name"),
    "model: not there": ("GET", "models/a/b/c/d", ..., 404, "name"),
    "model: another name": ("PATCH", "models/bge", {"name": "x"}, 422, "name"),
    "model: unknown field": ("PATCH", "models/bge", {"size": 1}, 422, "size"),
    "model: long": ("PATCH", "models/bge", {"description": "d" * 2001}, 422, ...),
    "model: wrong type": ("PATCH", "models/bge", {"enabled": "no"}, 422, "enabled"),
    "model: wrong override": (
        *("PATCH", "models/bge", {"overrides": {"num_ctx": {"max": []}}}),
        *(422, "overrides.num_ctx"),
    ),
    "model: code": ("PATCH", "models/bge", {"code": []}, 422, "code"),
    "model: wrong template": (
        *("PATCH", "models/bge", {"code": {"template": "{prefix}"}}),
        *(422, "code.template"),
    ),
    "model: wrong strategy": (
        *("PATCH", "models/bge", {"code": {"strategy": "auto"}}),
        *(422, "code.strategy"),
    ),
    "effective: no key": ("GET", "models/bge/effective?key=x", ..., 404, "id"),
    "effective: no alias": ("GET", "models/bge/effective?alias=x", ..., 404, "alias"),
    "alias: unknown": ("PATCH", "aliases/none", {"hidden": True}, 404, "name"),
    "alias: gone": ("DELETE", "aliases/none", ..., 404, "name"),
    "alias: another name": ("PATCH", "aliases/there", {"name": "x"}, 422, "name"),
    "alias: no target": ("PATCH", "aliases/there", {"target": ""}, 422, "target"),
    "settings: unknown": ("PATCH", "settings", {"colour": "red"}, 422, "colour"),
    "settings: fixed": ("PATCH", "settings", {"port": 1}, 422, "port"),
    "settings: fixed, unset": ("PATCH", "settings", {"port": None}, 422, "port"),
    "settings: the secret": ("PATCH", "settings", {"fingerprint": "x"}, 422, ...),
    "settings: a word": ("PATCH", "settings", {"think": "maybe"}, 422, "think"),
    "settings: text": ("PATCH", "settings", {"heartbeat": "3"}, 422, "heartbeat"),
    "settings: true": ("PATCH", "settings", {"heartbeat": True}, 422, "heartbeat"),
    "settings: negative": ("PATCH", "settings", {"heartbeat": -1}, 422, "heartbeat"),
    "settings: a number": ("PATCH", "settings", {"think": 1}, 422, "think"),
    "settings: a list": ("PATCH", "settings", {"origins": []}, 422, "origins"),
    "settings: overrides": ("PATCH", "settings", {"overrides": []}, 422, "overrides"),
    "settings: half right": (
        *("PATCH", "settings", {"heartbeat": 3, "overrides": {"top_k": "x"}}),
        *(422, "overrides.top_k"),
    ),
    "settings: no URL": (
        *("PATCH", "settings", {"upstream_url": "ftp://x"}),
        *(422, "upstream_url"),
    ),
    "audit: a wrong limit": ("GET", "audit?limit=-1", ..., 422, "limit"),
    "audit: a wrong place": ("GET", "audit?before=x", ..., 422, "before"),
    "audit: no cursor": ("GET", "audit?cursor=x", ..., 422, "cursor"),
    "audit: two places": ("GET", "audit?cursor=9&before=8", ..., 422, "before"),
    "audit: a large one": ("GET", f"audit?before={2**63}", ..., 422, "before"),
    "export: a section": (
        "POST",
        "export",
        {"sections": ["users"]},
        422,
        "sections[0]",
    ),
    "export: a word": ("POST", "export", {"all": True}, 422, "all"),
    "import: nothing": ("POST", "import", b"", 422, None),
    "import: no JSON": ("POST", "import", b"{", 422, None),
    "import: another file": ("POST", "import", {"format": "x"}, 422, "format"),
    "import: a mode": ("POST", "import?mode=burn", {}, 422, "mode"),
    "import: version": (
        *("POST", "import", {"format": "pannier-export", "version": 2}),
        *(422, "version"),
    ),
    "import: half right": (
        "POST",
        "import?mode=replace",
        {
            "format": "pannier-export",
            "models": [{"name": "bge", "hidden": True}],
            "aliases": [{"name": "a", "target": "x*"}],
        },
        422,
        "aliases[0].target",
    ),
    "settings: a host": (
        *("PATCH", "settings", {"upstream_url": "http://a..b"}),
        *(422, "upstream_url"),
    ),
    "settings: no host": (
        *("PATCH", "settings", {"upstream_url": "http://%00"}),
        *(422, "upstream_url"),
    ),
    "test: a host": ("POST", "upstream/test", {"url": "http://a..b"}, 422, "url"),
    "playground: a key": (
        *("POST", "playground", {"path": "/api/chat", "body": {}, "key": "nope"}),
        *(404, "key"),
    ),
    "load: a field": ("POST", "models/bge/load", {"x": 1}, 422, "x"),
    "unload: a field": ("POST", "models/bge/unload", {"keep_alive": 0}, 422, ...),
    "test: a field": ("POST", "models/bge/test", {"x": 1}, 422, "x"),
    "remove: a field": ("POST", "models/bge/remove", {"x": 1}, 422, "x"),
    "remove: no JSON": ("POST", "models/bge/remove", b"{", 422, None),
    "refresh: a field": ("POST", "models/refresh", {"x": 1}, 422, "x"),
    "cancel: a field": ("POST", "live/none/cancel", {"x": 1}, 422, "x"),
    "migrate: a file": ("POST", "migrate", {"../x.json": []}, 422, "../x.json"),
    "migrate: nothing": ("POST", "migrate", {}, 422, None),
    "migrate: broken": ("POST", "migrate", {"api_keys.json": {}}, 422, ...),
    "migrate: half right": (
        "POST",
        "migrate",
        {
            "models.json": [{"originalName": "m", "displayName": "n"}],
            "api_keys.json": [{"name": "n", "key": "short"}],
        },
        422,
        "key",
    ),
    "usage: a time": ("GET", "usage/summary?from=yesterday", ..., 422, "from"),
    "usage: a late one": ("GET", f"usage/summary?to={10**15}", ..., 422, "to"),
    "usage: turned": ("GET", "usage/summary?from=9&to=9", ..., 422, "from"),
    "usage: a filter": ("GET", "usage/summary?user=x", ..., 422, "user"),
    "usage: a long text": (
        *("GET", f"usage/summary?status={'x' * 1025}", ..., 422, "status"),
    ),
    "usage: a status": ("GET", "usage/summary?status=OK", ..., 422, "status"),
    "usage: an error": ("GET", "usage/top?status=error", ..., 422, "status"),
    "usage: an endpoint": ("GET", "usage/series?endpoint=chats", ..., 422, "endpoint"),
    "usage: a path": ("GET", "usage/records?endpoint=/api/chat", ..., 422, "endpoint"),
    "usage: a protocol": ("GET", "usage/records?protocol=http", ..., 422, "protocol"),
    "usage: of a file": ("GET", "usage/export.csv?protocol=x", ..., 422, "protocol"),
    "usage: a metric": ("GET", "usage/series?metric=x", ..., 422, "metric"),
    "usage: a group": ("GET", "usage/series?group=id", ..., 422, "group"),
    "usage: a step": ("GET", "usage/series?step=week", ..., 422, "step"),
    "usage: many points": (
        *("GET", "usage/series?step=minute&from=0&to=2000000000000"),
        *(..., 422, "step"),
    ),
    "usage: by what": ("GET", "usage/top?by=at", ..., 422, "by"),
    "usage: how many": ("GET", "usage/top?limit=101", ..., 422, "limit"),
    "usage: a large page": ("GET", "usage/records?limit=501", ..., 422, "limit"),
    "usage: a cursor": ("GET", "usage/records?cursor=zz", ..., 422, "cursor"),
    "usage: streams": ("GET", "usage/records?stream=maybe", ..., 422, "stream"),
    "usage: a file": ("GET", "usage/export.csv?cursor=00", ..., 422, "cursor"),
    "usage: a record": ("GET", "usage/records/00", ..., 404, "id"),
}
CASES: dict[str, Case] = {
    **{f"key: {n}": ("POST", "keys", b, 422, p) for n, (b, p) in NO_KEY.items()},
    **{f"alias: {n}": ("POST", "aliases", b, 422, p) for n, (b, p) in NO_ALIAS.items()},
    **OTHERS,
}


@pytest.fixture(scope="module")
def there(here: Handlers) -> tuple[Handlers, str]:
    """Handlers where a key and an alias are called `there`, and the id of the key."""
    here.do("POST", "aliases", {"name": "there", "target": "bge"})
    return here, here.key("there")["id"]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_bad_requests(there: tuple[Handlers, str], case: Case) -> None:
    """What is wrong is refused with the field that is to blame; nothing is changed."""
    here, id = there
    method, target, body, status, param = case
    version, all_there = here.version(), _all(here)
    answer = here.ask(method, target.replace(KEY, id), body)
    assert answer.status == status, answer
    if param is not ...:
        assert answer.json["param"] == param, answer
    assert answer.json["code"] == ("invalid_value" if status == 422 else "not_found")
    assert here.version() == version
    assert _all(here) == all_there


def _all(here: Handlers) -> bytes:
    """All that is set; the time of the export aside."""
    return here.ask("POST", "export").body.partition(b'"fingerprint"')[2]


@pytest.mark.parametrize("text", EVIL, ids=range(len(EVIL)))
@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("GET", "keys/{}", ...),
        ("PATCH", "keys/{}", {"rpm": 1}),
        ("DELETE", "keys/{}", ...),
        ("POST", "keys/{}/rotate", ...),
        ("GET", "keys/{}/usage", ...),
        ("PATCH", "models/{}", {"hidden": True}),
        ("DELETE", "models/{}", ...),
        ("GET", "models/{}/effective", ...),
        ("DELETE", "aliases/{}", ...),
        ("GET", "keys?cursor={}", ...),
        ("GET", "usage/records/{}", ...),
        ("GET", "usage/records?key={}", ...),
        ("GET", "usage/summary?model={}", ...),
        ("GET", "usage/export.ndjson?model={}", ...),
    ],
)
def test_tricks(
    there: tuple[Handlers, str], method: str, target: str, body: Any, text: str
) -> None:
    """Names that are made to break something find nothing, and break nothing."""
    here, id = there
    version = here.version()
    answer = here.ask(method, target.format(part(text)), body)
    assert answer.status in ((200, 422) if "?" in target else (404, 422)), answer
    assert here.version() == version
    assert here.do("GET", f"keys/{id}")["name"] == "there"
