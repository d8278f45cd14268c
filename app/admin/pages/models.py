"""Models: their list, one of them, what is in memory, parameters for all of them."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from ...administration import Refused
from ...errors import BadRequest
from ...moment import now_ms
from ...wire.names import key as key_of
from .. import health, keys, models, settings, usage
from ..asked import Admin, Asked
from .page import Page
from .parameters import FORM

#: How far back usage is told, in milliseconds.
WEEK = 7 * 86_400_000
#: Names of keys that a field offers; all others can be typed.
_OFFERED = "100"


def listed(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """A page of models, and how much each was used."""
    found, used = models.listed(admin, asked), _used(admin, asked)
    some = [
        {**one, "used": used.get(key_of(one["name"]), {})} for one in found["models"]
    ]
    return {**found, "models": some, "q": asked.query.get("q", ""), "now": now_ms()}


def one(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """A model, what is set for it, and what requests of it would be sent."""
    model = models.get(admin, replace(asked, query={})).value
    recent = {"model": model["name"], "from": _week()}
    records = usage.records(admin, replace(asked, query={**recent, "limit": "1"}))
    some = keys.listed(admin, replace(asked, query={"limit": _OFFERED}))
    return {
        "model": model,
        "used": usage.summary(admin, replace(asked, query=recent)),
        "last": next((row["at"] for row in records["records"]), None),
        "keys": [key["name"] for key in some["keys"]],
        "form": FORM,
        **_effective(admin, asked),
    }


def loaded(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """What Ollama has in memory, of one model if it is named."""
    ollama = health.health(admin, replace(asked, query={}))["ollama"]
    name = asked.query.get("name", "")
    there = [
        model
        for model in ollama["loaded"] or ()
        if not name or key_of(model["name"]) == key_of(name)
    ]
    return {"ollama": ollama, "name": name, "there": there}


def overrides(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """The parameters for all models."""
    found = settings.listed(admin, asked).value
    return {"overrides": found["overrides"], "etag": found["etag"], "form": FORM}


def _effective(admin: Admin, asked: Asked) -> dict[str, Any]:
    """What is in force; what is asked for may be wrong, which is said beside it."""
    wanted = {n: text for n in ("alias", "key") if (text := asked.query.get(n, ""))}
    said: dict[str, Any] = {"alias": "", "key": "", **wanted}
    try:
        found = models.effective(admin, replace(asked, query=wanted))
    except (Refused, BadRequest) as error:
        plain = replace(asked, query={})
        found, wrong = models.effective(admin, plain), str(error)
    else:
        wrong = ""
    return {"effective": found, "asked": said, "wrong": wrong}


def _used(admin: Admin, asked: Asked) -> dict[str, Any]:
    """Requests of each model, how fast it was and when, by ``names.key``."""
    query = {"metric": "tokens_per_s", "limit": "100", "from": _week()}
    found = usage.top(admin, replace(asked, query=query))
    return {key_of(row["model"]): row for row in found["top"] if row["model"]}


def _week() -> str:
    return str(now_ms() - WEEK)


PAGES: list[Page] = [
    Page("/models", "models.html", listed, ("q", "cursor")),
    Page("/models/<path:name>", "model.html", one, ("key", "alias")),
    Page("/loaded", "loaded.html", loaded, ("name",)),
    Page("/overrides", "parameters.html", overrides),
]
