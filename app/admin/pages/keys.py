"""Keys: the list, one key, and the forms that make, change and rotate one."""

from collections.abc import Mapping
from typing import Any

import msgspec

from ...gateway.groups import GROUPS, ORDINARY, Group
from ...moment import now_ms
from ...storage.usage_tables import DAY
from .. import keys as api
from .. import usage
from ..asked import Admin, Asked
from ..query import Query
from .page import Page

#: Keys of one page, errors of one list, and days that a key's page may show.
MOST, ERRORS, RANGES = 25, 20, ("7", "30", "90")
#: What routes a key may use, in words.
ENDPOINTS: dict[Group, str] = {
    "chat": "Chat",
    "completions": "Completions",
    "responses": "Responses",
    "messages": "Messages (Anthropic)",
    "embeddings": "Embeddings",
    "code": "Code completion",
    "images": "Images",
    "audio": "Audio",
    "moderations": "Moderations",
    "models": "List of models",
    "native": "Ollama\u2019s own API",
    "manage": "Pull and delete models",
}
_FILTERS = ("q", "sort", "state", "cursor")
#: What a new key is like.
_NEW: dict[str, Any] = {
    "name": "",
    "notes": "",
    "enabled": True,
    "expires_at": None,
    "allow_models": ["*"],
    "deny_models": [],
    "allow_endpoints": list(ORDINARY),
    "allow_runner_options": False,
    "allow_keep_alive": False,
    "default_model": "",
    "default_code_model": "",
    "overrides": {},
    **dict.fromkeys(
        ("rpm", "tpd", "max_concurrent", "max_output_tokens", "max_num_ctx")
    ),
}


def listed(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """A page of keys, in an order that somebody chose."""
    query = {name: asked.query.get(name, "") for name in _FILTERS}
    query["sort"] = query["sort"] or "name"
    found = api.listed(admin, _with(asked, **query, usage="1", limit=str(MOST)))
    return {
        **found,
        "query": query,
        "now": now_ms(),
        "auth": admin.settings.auth,
    }


def detail(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """One key: what it may, and what it has used."""
    query = Query(asked)
    days = int(query.one_of("days", RANGES, "30"))
    key = api.get(admin, asked).value
    start = now_ms() // DAY * DAY - (days - 1) * DAY
    since, of_key = {"from": str(start)}, {"from": str(start), "key": key["id"]}
    used = api.usage(admin, _with(asked, **since))
    status = query.text("status")
    wanted = {"status": status} if status else {"failed": "1"}
    errors = usage.records(admin, _with(asked, **of_key, **wanted, limit=str(ERRORS)))
    return {
        "key": key,
        "now": now_ms(),
        "days": days,
        "ranges": RANGES,
        "used": used["summary"],
        "models": used["models"],
        "endpoints": usage.top(admin, _with(asked, **of_key, by="endpoint"))["top"],
        "charts": _charts(used["days"], start, days),
        "errors": errors["records"],
        "status": status,
        "statuses": usage.WORDS["status"],
        "groups": ENDPOINTS,
    }


def access(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """What a key may use now: apart, since Ollama is asked for it."""
    return {"key": api.get(admin, asked).value, **api.models(admin, asked)}


def new(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """The form of a key that is to be made, perhaps like another one."""
    like = asked.query.get("like", "")
    key = dict(_NEW)
    if like:
        found = api.get(admin, msgspec.structs.replace(asked, path={"id": like})).value
        key = {name: found[name] for name in _NEW}
        key |= {"name": f"{found['name'][:75]} copy", "enabled": True}
        if found["state"] == "expired":
            key["expires_at"] = None
    closes = api.listed(admin, _with(asked, limit="1"))["closes"]
    return {**_form(key), "like": like, "closes": closes}


def edit(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """The form of a key that is there."""
    key = api.get(admin, asked).value
    return {**_form(key), "like": "", "closes": False}


def rotate(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """The form that gives a key another secret."""
    return {"key": api.get(admin, asked).value}


def _form(key: Mapping[str, Any]) -> dict[str, Any]:
    return {"key": key, "groups": {name: ENDPOINTS[name] for name in GROUPS}}


def _with(asked: Asked, **query: str) -> Asked:
    """The same with another query."""
    return msgspec.structs.replace(asked, query=query)


def _charts(days: Mapping[str, Any], start: int, many: int) -> dict[str, Any]:
    """By metric, what charts.js draws; a day on which nothing was is 0."""
    x = [start + day * DAY for day in range(many)]
    made = {}
    for metric, unit in (("requests", "number"), ("tokens", "tokens")):
        known = {point["at"]: point["value"] for point in days[metric]}
        values = [known.get(at) or 0 for at in x]
        one = {"label": metric, "values": values}
        made[metric] = {"x": x, "kind": "bars", "unit": unit, "series": [one]}
    return made


PAGES: list[Page] = [
    Page("/keys", "keys.html", listed, _FILTERS),
    Page("/keys/new", "key_form.html", new, ("like",)),
    Page("/keys/<id>", "key.html", detail, ("days", "status")),
    Page("/keys/<id>/access", "key_access.html", access),
    Page("/keys/<id>/edit", "key_form.html", edit),
    Page("/keys/<id>/rotate", "key_rotate.html", rotate),
]
