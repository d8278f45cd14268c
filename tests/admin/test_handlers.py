"""What operators ask about keys, models, aliases, settings; on both databases."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from support.admin import House
from support.handling import MODELS, Handlers, handlers, part
from support.ollama import TAGS, FakeUpstream
from support.used import row

from app.catalog import Catalog
from app.gateway.credentials import is_importable
from app.gateway.taken import Taken
from app.installation import Installation
from app.moment import now_ms
from app.option import Given
from app.storage.usage_tables import DAY
from middleware.stack import build_stack

TEMPLATE = {"template": "{<a>}{code_prefix}"}
SHOWN_KEY = {"key", "digest", "previous_digest"}


def test_a_key(here: Handlers) -> None:
    """A key's secret is in the answers of create and rotate, and nowhere else."""
    made = here.key("a key", notes="of a friend", rpm=5)
    path = f"keys/{made['id']}"
    assert is_importable(made["key"])
    assert made["prefix"] == made["key"][:10]
    turned = here.do("POST", f"{path}/rotate", {"grace": 60_000})
    assert turned["key"] != made["key"]
    for method, target, field, value in (
        ("GET", path, "rpm", 5),
        ("POST", f"{path}/disable", "state", "disabled"),
        ("POST", f"{path}/enable", "state", "active"),
        ("POST", f"{path}/revoke", "state", "revoked"),
    ):
        shown = here.do(method, target)
        assert shown[field] == value
        assert not SHOWN_KEY & set(shown)
    assert here.ask("DELETE", path).status == 204
    assert here.ask("GET", path).error == (404, "id")
    said = str(here.do("GET", "audit?limit=50"))
    assert made["key"] not in said
    assert turned["key"] not in said


def test_what_a_key_has_used(here: Handlers) -> None:
    """How much of its limits, and on which days: it is shown, and is no change."""
    limited = here.key("limited", rpm=5, tpd=100, max_concurrent=2)
    some, free = here.key("limited to few", tpd=0), here.key("limitless")
    path = f"keys/{limited['id']}"
    here.installation.current.renew()
    keys = {key.id: key for key in here.installation.current.now.keys.values()}
    taken = Taken(keys[limited["id"]])
    limits = here.installation.limits
    limits.enter(taken)
    assert limits.reserve(taken, 30)
    today = now_ms() // DAY * DAY
    here.installation.ledger.add(
        [
            row(number, at, key_id=limited["id"])
            for number, at in enumerate((today, today, today - 13 * DAY, today - DAY))
        ]
        + [row(9, today - 14 * DAY, key_id=limited["id"])],
        {},
    )
    shown = here.do("GET", path)
    assert shown["standing"] == {
        "rpm": {"limit": 5, "used": 1},
        "tpd": {"limit": 100, "used": 30},
        "concurrent": {"limit": 2, "used": 1},
    }
    listed = here.do("GET", "keys?q=limit&usage=1")["keys"]
    by_id = {key["id"]: key for key in listed}
    assert by_id[limited["id"]]["standing"] == shown["standing"]
    assert by_id[limited["id"]]["days"] == [1, *[0] * 11, 1, 2]
    assert by_id[some["id"]]["standing"] == {"tpd": {"limit": 0, "used": 0}}
    assert by_id[free["id"]]["standing"] == {}
    assert by_id[free["id"]]["days"] == [0] * 14
    plain = here.do("GET", "keys?q=limit")["keys"]
    assert all("days" not in key and "standing" not in key for key in plain)
    assert [key["etag"] for key in plain] == [key["etag"] for key in listed]
    limits.leave(taken, 30)
    assert here.do("GET", path)["etag"] == limited["etag"] == shown["etag"]
    here.do("PATCH", path, {"rpm": 6}, shown["etag"])
    for made in (limited, some, free):
        here.do("DELETE", f"keys/{made['id']}")


def test_limits_that_nobody_knows(tmp_path: Path) -> None:
    """While Redis does not answer, limits are shown and what is used is not."""
    url = "redis://127.0.0.1:1"
    with handlers(tmp_path, limits_url=url) as here:
        made, free = here.key("a", rpm=5), here.key("b")
        wanted = {"rpm": {"limit": 5, "used": None}}
        assert here.do("GET", f"keys/{made['id']}")["standing"] == wanted
        found = here.do("GET", "keys?usage=1")["keys"]
        assert [key["standing"] for key in found] == [wanted, {}]
        assert here.do("GET", f"keys/{free['id']}")["standing"] == {}


def test_a_key_from_elsewhere(here: Handlers) -> None:
    """A key that somebody brings is taken in, and is not said again."""
    brought = {"name": "brought", "allow_models": ["*"], "key": "abcdefgh"}
    made = here.do("POST", "keys", brought)
    assert made["weak"] is True
    assert not SHOWN_KEY & set(made)
    again = here.ask("POST", "keys", {**brought, "name": "once more"})
    assert again.error == (422, "key")
    here.do("DELETE", f"keys/{made['id']}")


def test_a_dry_run_finds_what_is_taken(here: Handlers) -> None:
    """A name, and a secret that is brought, have to be free then, too.

    So it is with those of revoked keys; and nothing is changed.
    """
    form = {"name": "taken", "allow_models": ["*"]}
    made = here.key("taken", key="a-secret-from-elsewhere")
    here.do("POST", f"keys/{made['id']}/revoke")
    before = here.version()
    for more, param in (
        ({"name": "TAKEN"}, "name"),
        ({"name": "free", "key": "a-secret-from-elsewhere"}, "key"),
        ({"name": "free", "key": "short"}, "key"),
        ({"name": "free", "key": 5}, "key"),
        ({"name": "free", "rpm": -1}, "rpm"),
    ):
        answer = here.ask("POST", "keys?dry_run=1", {**form, **more})
        assert answer.error == (422, param)
        assert answer.error == here.ask("POST", "keys", {**form, **more}).error
    for more in ({}, {"key": "another-secret-from-elsewhere"}):
        found = here.do("POST", "keys?dry_run=1", {**form, "name": "free", **more})
        assert found == {"closes": False}
    assert here.version() == before
    here.do("DELETE", f"keys/{made['id']}")


def test_the_first_key(tmp_path: Path) -> None:
    """That the first key closes the door, and the last one opens it, is said before."""
    with handlers(tmp_path) as here:
        form = {"name": "first", "allow_models": ["*"]}
        assert here.do("GET", "keys")["closes"] is True
        assert here.do("POST", "keys?dry_run=1", form) == {"closes": True}
        assert here.do("GET", "keys")["keys"] == []
        assert here.do("POST", "keys", form)["closed"] is True
        assert here.do("POST", "keys?dry_run=1", {**form, "name": "next"}) == {
            "closes": False
        }
        found = here.do("GET", "keys")
        assert (found["closes"], found["opens"]) == (False, True)


def test_k8_pages(here: Handlers) -> None:
    """Lists come in pages by name, each thing once; a part of a name narrows them.

    That part is taken as it is.
    """
    names = ["Page d", "page B", "Page c", "Page-e", "page a", "PAGE Ä", "page z"]
    made = [here.key(name) for name in names]
    found, cursor = [], ""
    for _ in range(9):
        page = here.do("GET", f"keys?q=pAGE&limit=2&cursor={part(cursor)}")
        found += [key["name"] for key in page["keys"]]
        if not (cursor := page["cursor"]):
            break
    assert found == sorted(names, key=str.casefold)
    for odd in ("page_d", "p%e", "page*", "page.d", "[Pp]age"):
        assert here.do("GET", f"keys?q={part(odd)}")["keys"] == []
    assert here.ask("GET", "keys?limit=501").error == (422, "limit")
    for key in made:
        here.do("DELETE", f"keys/{key['id']}")


def _new_key(here: Handlers) -> tuple[str, Any]:
    return f"keys/{here.key('tagged')['id']}", {"notes": "more"}


def _new_alias(here: Handlers) -> tuple[str, Any]:
    here.do("POST", "aliases", {"name": "tag/ged:1", "target": "bge"})
    return "aliases/tag/ged:1", {"hidden": True}


CHANGED: list[Callable[[Handlers], tuple[str, Any]]] = [
    _new_key,
    _new_alias,
    lambda here: ("models/hf.co/some/thing:Q4_K_M", {"description": "more"}),
    lambda here: ("settings", {"context": "auto"}),
]


@pytest.mark.parametrize("make", CHANGED)
def test_lost_updates(
    here: Handlers, make: Callable[[Handlers], tuple[str, Any]]
) -> None:
    """Who changes what is another by now is told so, and changes nothing."""
    path, changes = make(here)
    target = path if "aliases" not in path else "aliases"
    before = here.ask("GET", target).json
    etag = before["etag"] if "etag" in before else before["aliases"][0]["etag"]
    changed = here.ask("PATCH", path, changes, etag)
    assert changed.status == 200
    assert changed.headers["ETag"] == changed.json["etag"] != etag
    version = here.version()
    late = here.ask("PATCH", path, changes, etag)
    assert (late.status, late.json["code"]) == (412, "precondition_failed")
    if path != "settings":
        assert here.ask("DELETE", path, if_match=etag).status == 412
    assert here.version() == version
    assert (
        here.ask("PATCH", path, changes, f'"x", {changed.json["etag"]}').status == 200
    )
    if path != "settings":
        assert here.ask("DELETE", path, if_match=changed.json["etag"]).status == 204
    else:
        here.do("PATCH", path, {"context": None})


def test_a_used_key_is_no_change(here: Handlers) -> None:
    """A key that is used meanwhile can be changed all the same."""
    made = here.key("busy")
    used = {made["id"]: (made["created_at"] + 5, "192.0.2.1")}
    here.installation.ledger.add([], used)
    shown = here.do("GET", f"keys/{made['id']}")
    assert shown["last_used_ip"] == "192.0.2.1"
    here.do("PATCH", f"keys/{made['id']}", {"rpm": 3}, made["etag"])
    here.do("DELETE", f"keys/{made['id']}")


def test_models(here: Handlers) -> None:
    """Models are those of Ollama and those for which something is set."""
    found = here.do("GET", "models")["models"]
    assert {one["name"]: one["size"] for one in found} == MODELS
    assert all(one["available"] and not one["is_set"] for one in found)
    assert not any(one["loaded"] for one in found)
    assert found[0]["quantization"] == "Q4"
    assert found[0]["context_length"] == 4096
    assert found[0]["capabilities"] == ["completion", "tools"]
    assert found[0]["code"] == {}
    here.do("PATCH", "models/QWEN3:4b", {"overrides": {"temperature": 0.25}})
    here.do("PATCH", "models/qwen3:4b", {"code": {"strategy": "chat"}})
    here.models.pop("qwen3:4b")
    here.do("POST", "models/refresh")
    gone = here.do("GET", "models/qwen3:4b")
    assert (gone["available"], gone["overrides"]) == (False, {"temperature": 0.25})
    assert gone["code"] == {"strategy": "chat"}
    assert gone["capabilities"] is None
    here.models["qwen3:4b"] = MODELS["qwen3:4b"]
    here.do("POST", "models/refresh")
    assert here.do("GET", "models/qwen3:4b")["available"] is True
    assert here.ask("DELETE", "models/qwen3:4b").status == 204
    assert here.ask("DELETE", "models/qwen3:4b").error == (404, "name")


def test_a_refresh_reaches_other_workers(here: Handlers) -> None:
    """A refresh makes every worker ask Ollama again; until then they remember."""
    upstream = FakeUpstream()
    upstream.control_answer = TAGS
    other = Installation(here.admin.settings)
    before = [*other.current.changed]
    with patch("middleware.stack.Upstream.of", lambda settings: upstream):
        stack = build_stack(here.admin.settings, other)
    other.current.renew()
    told = [getattr(tell, "__self__", None) for tell in other.current.changed]
    (catalog,) = [one for one in told if isinstance(one, Catalog)]
    assert [model.called for model in catalog.models()] == ["a:latest"]
    upstream.control_answer = b'{"models":[]}'
    assert catalog.models()
    here.do("POST", "models/refresh")
    other.current.renew()
    assert catalog.models() == []
    stack.release()
    assert other.current.changed == before
    other.close()


def test_new_models_stay_shut(tmp_path: Path) -> None:
    """Where new models are disabled, to hide one does not let it be used."""
    with handlers(tmp_path, new_models="disabled") as here:
        assert here.do("GET", "models/bge")["enabled"] is False
        assert here.do("PATCH", "models/bge", {"hidden": True})["enabled"] is False


def test_effective(here: Handlers) -> None:
    """What is in force for a model names the layer that says so."""
    key = here.key("capped", max_output_tokens=9)
    here.do("PATCH", "settings", {"overrides": {"top_k": 7, "seed": 1}})
    here.do("PATCH", "models/bge", {"overrides": {"seed": 2}})
    here.do("POST", "aliases", {"name": "b", "target": "bge", "overrides": {"seed": 3}})
    found = here.do("GET", f"models/bge/effective?alias=B&key={key['id']}")
    said = {(one["name"], one["value"], one["origin"]) for one in found["parameters"]}
    wanted = {("top_k", 7, "global"), ("seed", 3, "alias"), ("num_predict", 9, "key")}
    assert wanted <= said
    assert (found["model"], found["alias"]) == ("bge:latest", "b")
    assert here.do("GET", "models/bge/effective")["alias"] == ""
    latest = f"models/bge/effective?alias=b:latest&key={key['id']}"
    assert here.do("GET", latest) == found
    assert here.do("GET", f"models/B/effective?key={key['id']}") == found
    here.do("PATCH", "settings", {"overrides": {}})
    for path in ("models/bge", "aliases/b", f"keys/{key['id']}"):
        here.do("DELETE", path)


@pytest.mark.parametrize(
    ("code", "usual", "wanted"),
    [
        ({}, "auto", {}),
        ({}, "chat", {"strategy": ("chat", "settings")}),
        ({"mode": ""}, "auto", {"mode": ("", "model")}),
        ({"strategy": "raw"}, "chat", {"strategy": ("raw", "model")}),
        # which is used by itself
        (TEMPLATE, "chat", {"template": (TEMPLATE["template"], "model")}),
    ],
)
def test_effective_code(
    tmp_path: Path, code: dict[str, str], usual: Any, wanted: dict[str, Any]
) -> None:
    """How a model completes code names who says so; of the rest its family decides."""
    with handlers(tmp_path, code_strategy=usual) as here:
        here.do("PATCH", "models/bge", {"code": code})
        found = here.do("GET", "models/bge/effective")["code"]
        assert {o["name"]: (o["value"], o["origin"]) for o in found} == wanted


def test_matches(here: Handlers) -> None:
    """What a key's patterns match now is said before it is made, and after."""
    here.do("POST", "aliases", {"name": "small", "target": "bge"})
    here.do("PATCH", "models/qwen3:4b", {"enabled": False})
    here.installation.current.renew()
    patterns = {"allow_models": ["*"], "deny_models": ["hf.co/*"]}
    key = here.key("matching", **patterns)
    wanted = {"models": ["bge:latest"], "aliases": ["small"]}
    assert here.do("POST", "keys/matches", patterns) == wanted
    assert here.do("GET", f"keys/{key['id']}/models") == wanted
    for path in ("models/qwen3:4b", "aliases/small", f"keys/{key['id']}"):
        here.do("DELETE", path)
    here.installation.current.renew()


def _setting(here: Handlers, field: str) -> Any:
    found = here.do("GET", "settings")["settings"]
    return next(one for one in found if one["field"] == field)


def test_settings(here: Handlers) -> None:
    """A setting says what it is, where it is from, and goes back when it is unset."""
    assert _setting(here, "heartbeat")["origin"] == "default"
    here.do("PATCH", "settings", {"heartbeat": 3.5, "think": "off"})
    shown = _setting(here, "heartbeat")
    assert (shown["value"], shown["origin"], shown["type"]) == (
        3.5,
        "database",
        "number",
    )
    assert "off" in _setting(here, "think")["choices"]
    here.do("PATCH", "settings", {"heartbeat": None, "think": None})
    assert _setting(here, "heartbeat")["origin"] == "default"
    fixed = _setting(here, "database_url")
    assert fixed["changeable"] is False
    assert "PANNIER_DATABASE_URL" in fixed["why"]


def test_overrides_are_unset_as_settings_are(here: Handlers) -> None:
    """The parameters for all models go with ``null``, as with an empty object.

    What does not name them leaves them.
    """
    for nothing in (None, {}):
        here.do("PATCH", "settings", {"overrides": {"top_k": 40}})
        here.do("PATCH", "settings", {"heartbeat": None})
        assert here.do("GET", "settings")["overrides"] == {"top_k": 40}
        changed = here.do("PATCH", "settings", {"overrides": nothing})
        assert changed["overrides"] == {}
        assert here.do("GET", "settings")["overrides"] == {}


def test_pinned_settings(tmp_path: Path) -> None:
    """What the environment says cannot be changed here; secrets are not shown."""
    found = {
        "think": Given("off", "PANNIER_THINK", "the environment"),
        "context": Given("auto", "PANNIER_CONTEXT", ".env"),
        "upstream_api_key": Given("geheim-13", "OLLAMA_API_KEY", "the environment"),
        "upstream_url": Given("http://a:1", "OLLAMA_URL", "the environment"),
    }
    with handlers(tmp_path, found) as here:
        for field, origin in (("think", "environment"), ("context", ".env")):
            shown = _setting(here, field)
            assert (shown["origin"], shown["changeable"]) == (origin, False)
            assert here.ask("PATCH", "settings", {field: shown["value"]}).error == (
                422,
                field,
            )
        assert "geheim-13" not in str(here.do("GET", "settings"))
        here.do("PATCH", "settings", {"upstream_url": "http://b:2"})
        shown = _setting(here, "upstream_url")
        assert (shown["value"], shown["origin"]) == ("http://b:2", "database")


@pytest.mark.parametrize("name", ["cursor", "before"])
def test_audit(here: Handlers, name: str) -> None:
    """What was done, by whom and from where, can be read back page by page.

    As in all lists the next page is at ``cursor``; ``before`` means the same.
    """
    made = here.key(f"noted-{name}")
    here.do("PATCH", f"keys/{made['id']}", {"rpm": 1})
    here.do("DELETE", f"keys/{made['id']}")
    found, cursor = [], "&cursor="
    for _ in range(3):
        page = here.do("GET", f"audit?limit=1{cursor}")
        found += [entry["action"] for entry in page["entries"]]
        who = {(entry["actor"], entry["ip"]) for entry in page["entries"]}
        assert who == {("admin", "192.0.2.9")}
        cursor = f"&{name}={page['cursor']}"
    assert found == ["key.remove", "key.change", "key.create"]
    for words, many in (("KEY.", 3), ("remove", 1), ("other", 0)):
        page = here.do("GET", f"audit?q=noted-{name}%20{words}%20192.")
        assert len(page["entries"]) == many
    assert here.ask("GET", f"audit?q={'a%20' * 9}").error == (422, "q")


def test_over_http(house: House) -> None:
    """Statuses, headers and bodies arrive as handlers mean them."""
    browser = house.signed_in()
    made = browser.ask("POST", "keys", {"name": "a", "allow_models": ["*"]})
    assert made.status_code == 201
    path, old = f"keys/{made.json['id']}", made.headers["ETag"]
    changed = browser.ask("PATCH", path, {"rpm": 1}, headers={"If-Match": old})
    assert changed.status_code == 200
    late = browser.ask("PATCH", path, {"rpm": 2}, headers={"If-Match": old})
    assert late.json["error"]["code"] == "precondition_failed"
    wrong = browser.ask("PATCH", path, {"rpm": -1})
    assert (wrong.status_code, wrong.json["error"]["param"]) == (422, "rpm")
    entry = browser.ask("PATCH", "models/hf.co/x/y:Q4", {"hidden": True})
    assert entry.json["name"] == "hf.co/x/y:Q4"
    file = browser.ask("GET", "usage/export.csv")
    assert file.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert file.data.startswith(b"id,at,")
    assert browser.ask("GET", "usage/export.ndjson").data == b""
    assert browser.ask("DELETE", path).status_code == 204


ALIASES = "gpt-4o=qwen3:4b,gpt-4*=bge"


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Handlers]:
    """Handlers where ``.env`` has aliases, one of which the database has otherwise."""
    found = {"aliases": Given(ALIASES, "PANNIER_ALIASES", ".env")}
    with handlers(tmp_path, found, aliases=ALIASES) as here:
        here.do("POST", "aliases", {"name": "GPT-4o", "target": "bge"})
        here.do("POST", "aliases", {"name": "mine", "target": "bge"})
        yield here


def test_aliases_of_the_environment_are_listed(outside: Handlers) -> None:
    """They are told from those of the database, each once, a page at a time.

    One that they overrule comes after, and says so.
    """
    found, cursor = [], ""
    for _ in range(4):
        page = outside.do("GET", f"aliases?limit=1&cursor={part(cursor)}")
        found, cursor = found + page["aliases"], page["cursor"]
    assert cursor == ""
    fields = ("name", "target", "origin", "changeable")
    assert [tuple(one[field] for field in fields) for one in found] == [
        ("gpt-4*", "bge", ".env", False),
        ("gpt-4o", "qwen3:4b", ".env", False),
        ("GPT-4o", "bge", "database", True),
        ("mine", "bge", "database", True),
    ]
    assert "PANNIER_ALIASES is set in .env, which counts more" in found[2]["why"]
    assert found[3]["why"] == ""
    assert {one["available"] for one in found} == {True}
    lost = outside.do("PATCH", "aliases/mine", {"target": "nowhere"})
    assert lost["available"] is False
    assert outside.do("GET", "aliases/GPT-4O") == found[2]
    assert outside.do("GET", "aliases/gpt-4*") == found[0]
    assert outside.ask("GET", "aliases/gpt").error == (404, "name")


def test_aliases_of_the_environment_are_changed_there(outside: Handlers) -> None:
    """What is set beside one says that it does not count; none can be changed here."""
    more = "PANNIER_ALIASES is set in .env, which counts more"
    assert more in outside.do("PATCH", "aliases/gpt-4o", {"hidden": True})["why"]
    outside.do("DELETE", "aliases/gpt-4o")
    made = outside.do("POST", "aliases", {"name": "gpt-4o", "target": "bge"})
    assert more in made["why"]
    for method, body in (("PATCH", {"hidden": True}), ("DELETE", ...)):
        answer = outside.ask(method, "aliases/gpt-4*", body)
        assert answer.error == (422, "name")
        assert "which is set in .env" in answer.json["message"]


def test_views_resolve_aliases_as_requests_do(outside: Handlers) -> None:
    """The environment counts more; what it has as a pattern is one here, too."""
    for name, model in (
        ("gpt-4o", "qwen3:4b"),
        ("gpt-4o:latest", "qwen3:4b"),
        ("gpt-4o-mini", "bge:latest"),
        ("mine", "bge:latest"),
    ):
        assert outside.do("GET", f"models/{name}/effective")["model"] == model
    assert outside.do("GET", "models/qwen3:4b")["aliases"] == ["gpt-4o"]
    assert outside.do("GET", "models/bge")["aliases"] == ["gpt-4*", "mine"]
    outside.do("GET", "models/bge/effective?alias=gpt-4*")
    outside.do("PATCH", "aliases/gpt-4o", {"overrides": {"seed": 3}})
    found = outside.do("GET", "models/gpt-4o/effective")["parameters"]
    assert ("seed", "alias") in {(one["name"], one["origin"]) for one in found}
    found = outside.do("POST", "keys/matches", {"allow_models": ["qwen3*"]})
    assert found["aliases"] == ["gpt-4o"]


def test_a_key_that_is_good_no_more_may_use_nothing(here: Handlers) -> None:
    """Of a key that is disabled, or revoked, no model is listed that it may use."""
    key = here.key("no more")
    path = f"keys/{key['id']}"
    assert here.do("GET", f"{path}/models")["models"]
    nothing = {"models": [], "aliases": []}
    here.do("POST", f"{path}/disable")
    assert here.do("GET", f"{path}/models") == nothing
    here.do("POST", f"{path}/enable")
    assert here.do("GET", f"{path}/models") != nothing
    here.do("POST", f"{path}/revoke")
    assert here.do("GET", f"{path}/models") == nothing
    here.do("DELETE", path)
