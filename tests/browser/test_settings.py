"""The page of settings: found, changed, refused, reset, and an address tried first."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.browser import DESKTOP, PHONE, Browser, Size
from support.handling import part
from support.site import Site, running

from app.admin.pages.settings import grouped
from app.settings import options

pytestmark = pytest.mark.live

HOSTILE = "<img src=x onerror=alert(1)>\"'</td><script>alert(2)</script> \u05d0"
HIDDEN = "shown-to-ollama-alone"
VARIABLES = {option.field: option.variable for option in options()}
#: The group of a setting, by the setting that begins it.
GROUP = {
    one["field"]: group[0]["field"]
    for group in grouped([{"field": field} for field in VARIABLES]).values()
    for one in group
}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """One whose environment says something; one of that is a secret."""
    with running({"PANNIER_MAX_CHOICES": "3", "OLLAMA_API_KEY": HIDDEN}) as site:
        yield site


@pytest.fixture(autouse=True)
def clean(site: Site) -> Iterator[None]:
    """Nothing is set when a test begins."""
    yield
    everything = {one["field"]: None for one in all_of(site) if one["changeable"]}
    site.admin.do("PATCH", "settings", {**everything, "overrides": {}})


def all_of(site: Site) -> list[dict[str, Any]]:
    """All settings, as the API tells them."""
    found: list[dict[str, Any]] = site.admin.do("GET", "settings")["settings"]
    return found


def now(site: Site, field: str) -> tuple[Any, str]:
    """What a setting is, and where that is from."""
    found = next(one for one in all_of(site) if one["field"] == field)
    return found["value"], found["origin"]


def shown(browser: Browser) -> list[str]:
    """The settings that can be seen."""
    rows = browser.all(".setting")
    return [str(row.get_attribute("data-field")) for row in rows if row.is_displayed()]


def save(browser: Browser, group: str) -> None:
    """Save a group, and wait until it shows what is set now."""
    browser.click("Save", within=f"#group-{group}")
    browser.until(gone=f"#group-{group} [data-save]")
    browser.until(fact=lambda: browser.script(_IS_FOCUSED, f"title-{group}"))


_IS_FOCUSED = "return document.activeElement.id === arguments[0]"


def test_all_settings_are_there(signed_in: Browser) -> None:
    """Each is on the page, in the order of the documentation; none shows a secret."""
    signed_in.open("/admin/settings")
    assert shown(signed_in) == [option.field for option in options()]
    assert HIDDEN not in signed_in.driver.page_source
    row = signed_in.find('[data-field="upstream_api_key"]').text
    assert "********" in row
    assert "environment" in row
    assert "It is set before Pannier starts" in row


def test_what_is_typed_narrows_the_list(signed_in: Browser) -> None:
    """Names, variables and meanings are searched; the address keeps what is sought."""
    browser = signed_in
    browser.open("/admin/settings?q=upstream_url")
    assert shown(browser) == ["upstream_url"]
    assert not browser.find("#parameters").is_displayed()
    browser.fill("Search", "PANNIER_HEART")
    browser.until(fact=lambda: shown(browser) == ["heartbeat"])
    assert browser.path == "/admin/settings?q=PANNIER_HEART"
    browser.fill("Search", "temperature RESPONSES")
    browser.until(fact=lambda: shown(browser) == ["openai_defaults"])
    browser.fill("Search", HOSTILE)
    browser.until(text="No setting fits.")
    assert browser.overflow() == []
    browser.click("Show all settings")
    browser.until(fact=lambda: len(shown(browser)) == len(options()))
    assert browser.focused == "Search"
    assert browser.path == "/admin/settings"


def test_only_what_is_set(signed_in: Browser, site: Site) -> None:
    """What has its default can be left out, and the address says so."""
    site.admin.do("PATCH", "settings", {"heartbeat": 5})
    browser = signed_in
    browser.open("/admin/settings")
    browser.check("Only what is set")
    wanted = [one["field"] for one in all_of(site) if one["origin"] != "default"]
    assert {"heartbeat", "max_choices"} < set(wanted)
    browser.until(fact=lambda: shown(browser) == wanted)
    browser.open(browser.path)
    browser.until(fact=lambda: shown(browser) == wanted)
    browser.check("Only what is set", False)
    browser.until(fact=lambda: len(shown(browser)) == len(options()))


@pytest.mark.parametrize(
    ("field", "typed", "value"),
    [
        ("heartbeat", "2.5", 2.5),
        ("usage_days", "7", 7),
        ("origins", "https://*.lan", "https://*.lan"),
    ],
)
def test_a_text_or_a_number(
    signed_in: Browser, site: Site, field: str, typed: str, value: Any
) -> None:
    """What is typed is set; emptied, the setting has its default again."""
    browser, variable = signed_in, VARIABLES[field]
    browser.open(f"/admin/settings?q={variable}")
    default = now(site, field)[0]
    browser.fill(variable, typed)
    save(browser, GROUP[field])
    assert now(site, field) == (value, "database")
    row = f'[data-field="{field}"]'
    assert "set here" in browser.text(row)
    assert shown(browser)[0] == field
    browser.fill(variable, "")
    save(browser, GROUP[field])
    assert now(site, field) == (default, "default")
    assert "set here" not in browser.text(row)


@pytest.mark.parametrize(
    ("field", "name", "is_missing"),
    [
        ("default_model", "qwen3", False),
        ("default_model", "", False),
        ("default_model", "nowhere", True),
        ("default_model", "gone", True),
        ("default_model", "mine", False),
        ("default_model", "by-pattern", True),  # of which none stands for it
        ("code_model", "by-pattern", False),
        ("code_model", "default", False),
        ("code_model", "gone", True),
    ],
)
def test_a_model_that_is_not_there(
    signed_in: Browser, site: Site, field: str, name: str, is_missing: bool
) -> None:
    """Where a setting means a model that Ollama lacks, by an alias too, it says so."""
    aliases = {"mine": "qwen3", "gone": "nowhere", "by-*": "qwen3"}
    for alias, target in aliases.items():
        site.admin.do("POST", "aliases", {"name": alias, "target": target})
    try:
        site.admin.do("PATCH", "settings", {field: name})
        signed_in.open("/admin/settings")
        row = signed_in.text(f'[data-field="{field}"]')
        assert ("Ollama has no such model" in row) == is_missing
    finally:
        for alias in aliases:
            site.admin.do("DELETE", f"aliases/{part(alias)}")
        site.admin.do("PATCH", "settings", {field: None})


@pytest.mark.parametrize(
    ("field", "choice", "value", "default"),
    [
        ("strict", "yes", True, "default: no"),
        ("access_log", "no", False, "default: yes"),
        ("think", "off", "off", "default: auto"),
    ],
)
def test_a_choice(
    signed_in: Browser, site: Site, field: str, choice: str, value: Any, default: str
) -> None:
    """What is chosen is set, and the default can be chosen again."""
    browser, variable = signed_in, VARIABLES[field]
    browser.open(f"/admin/settings?q={variable}")
    before = now(site, field)
    browser.choose(variable, choice)
    save(browser, GROUP[field])
    assert now(site, field) == (value, "database")
    browser.choose(variable, default)
    save(browser, GROUP[field])
    assert now(site, field) == before


#: What those are set to of which not every text is a value.
TEXTS = {
    "origins": "https://a.example",
    "allowed_hosts": "a.example",
    "image_hosts": "a.example",
    "default_model": "qwen3",
    "code_model": "qwen2.5-coder",
}


def typed(value: Any) -> str:
    """A value as somebody types or chooses it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def another(one: dict[str, Any]) -> str:
    """What a setting may be, and is not now, as it is typed."""
    value = one["value"]
    if one["type"] == "boolean":
        return typed(not value)
    if one["choices"]:
        return next(str(word) for word in one["choices"] if word != value)
    return TEXTS.get(one["field"]) or str(int(value) + 1)


@pytest.mark.parametrize("group", sorted(set(GROUP.values())))
def test_every_setting(signed_in: Browser, site: Site, group: str) -> None:
    """Each that can be changed is changed by its own control, its group at once."""
    browser = signed_in
    browser.open("/admin/settings")
    wanted: dict[str, str] = {}
    for one in all_of(site):
        if one["changeable"] and GROUP[one["field"]] == group:
            if one["field"] == "upstream_url":  # which has a test of its own
                continue
            given = wanted[one["field"]] = another(one)
            is_list = one["choices"] or one["type"] == "boolean"
            (browser.choose if is_list else browser.fill)(one["variable"], given)
    if wanted:
        save(browser, group)
    for field, given in wanted.items():
        value, origin = now(site, field)
        assert (typed(value), origin) == (given, "database"), field


def test_several_at_once_and_undo(signed_in: Browser, site: Site) -> None:
    """A group is saved as a whole; what was only typed can be undone."""
    browser = signed_in
    browser.open("/admin/settings")
    browser.fill("PANNIER_USAGE_DAYS", "9")
    browser.choose("PANNIER_USAGE", "off")
    browser.fill("Search", "heartbeat")
    wanted = ["usage", "usage_days", "heartbeat"]  # what is typed stays in sight
    browser.until(fact=lambda: shown(browser) == wanted)
    browser.click("Undo", within="#group-usage")
    browser.until(fact=lambda: shown(browser) == ["heartbeat"])
    assert browser.find("#s-usage_days").get_property("value") == ""
    browser.fill("Search", "")
    browser.until(fact=lambda: len(shown(browser)) == len(options()))
    browser.fill("PANNIER_USAGE_DAYS", "9")
    browser.choose("PANNIER_USAGE", "off")
    browser.choose("PANNIER_NEW_MODELS", "disabled")  # of another group
    save(browser, "usage")
    assert (now(site, "usage_days")[0], now(site, "usage")[0]) == (9, "off")
    assert now(site, "new_models") == ("enabled", "default")
    save(browser, "new_models")  # though there is another tag by now
    assert now(site, "new_models") == ("disabled", "database")


def test_reset(signed_in: Browser, site: Site) -> None:
    """What is set here has its default again, at a click."""
    site.admin.do("PATCH", "settings", {"heartbeat": 5, "strict": True})
    browser = signed_in
    browser.open("/admin/settings?set=1")
    assert "Default: 10" in browser.text('[data-field="heartbeat"]')
    for variable, field in (
        ("PANNIER_HEARTBEAT", "heartbeat"),
        ("PANNIER_STRICT", "strict"),
    ):
        browser.click(f"Reset {variable}")
        browser.until(gone=f'[data-field="{field}"]')
    assert now(site, "heartbeat") == (10, "default")
    assert now(site, "strict") == (False, "default")


@pytest.mark.parametrize(
    ("variable", "typed", "said", "asked"),
    [
        ("PANNIER_HEARTBEAT", "ten", "A number is wanted.", False),
        ("PANNIER_HEARTBEAT", "-1", "a number of seconds", True),
        ("PANNIER_MAX_BODY_BYTES", "1.5", "a whole number is wanted", True),
        ("PANNIER_ORIGINS", HOSTILE, "is no origin", True),
    ],
    ids=["no-number", "below", "not-whole", "hostile"],
)
def test_what_is_wrong_is_said_at_the_field(
    signed_in: Browser, variable: str, typed: str, said: str, asked: bool
) -> None:
    """What cannot be is refused there, and nothing is set."""
    browser = signed_in
    browser.open("/admin/settings")
    browser.fill(variable, typed)
    field = browser.find("textbox", variable)
    group = str(browser.script("return arguments[0].closest('section').id", field))
    browser.click("Save", within=f"#{group}")
    browser.until(f"#{group} .wrong")
    assert said in browser.text(f"#{group} .wrong")
    assert browser.focused == variable
    assert browser.audit() == []
    assert browser.overflow() == []
    if asked:
        browser.forgive("status of 422")


def test_somebody_else_was_quicker(signed_in: Browser, site: Site) -> None:
    """What was changed elsewhere is not written over; loaded again, it can be."""
    browser = signed_in
    browser.open("/admin/settings")
    site.admin.do("PATCH", "settings", {"usage_days": 11})
    browser.fill("PANNIER_USAGE_DAYS", "12")
    browser.click("Save", within="#group-usage")
    browser.until(text="Somebody has changed this meanwhile")
    browser.forgive("status of 412")
    assert now(site, "usage_days")[0] == 11
    browser.click("Load again")
    browser.until(
        fact=lambda: browser.find("#s-usage_days").get_property("value") == "11"
    )
    browser.fill("PANNIER_USAGE_DAYS", "12")
    save(browser, "usage")
    assert now(site, "usage_days")[0] == 12


def test_an_address_of_ollama(signed_in: Browser, site: Site) -> None:
    """It is tried before it is set; the environment's counts again when it is reset."""
    browser = signed_in
    browser.open("/admin/settings?q=upstream_url")
    browser.click("Test")
    browser.until(text="Pannier's simulator 0.")
    browser.until(text=f"answers at {site.ollama.url}, with")
    browser.fill("OLLAMA_URL", "http://127.0.0.1:9/")
    browser.click("Test")
    browser.until(text="Nothing answers at http://127.0.0.1:9:")
    browser.fill("OLLAMA_URL", "http://127.0.0.1:9/v1")
    browser.click("Test")
    browser.until(text="Ollama's own address is wanted, without /v1 or /api.")
    browser.forgive("status of 422")
    assert now(site, "upstream_url") == (site.ollama.url, "environment")
    browser.fill("OLLAMA_URL", "http://127.0.0.1:9")
    save(browser, "upstream_url")
    assert now(site, "upstream_url") == ("http://127.0.0.1:9", "database")
    browser.until(text="Nothing answers at http://127.0.0.1:9:")
    browser.until(text=f"Default: {site.ollama.url}")
    browser.click("Reset OLLAMA_URL")
    browser.until(gone="[aria-label='Reset OLLAMA_URL']")
    assert now(site, "upstream_url") == (site.ollama.url, "environment")


def test_what_the_environment_says(signed_in: Browser) -> None:
    """What cannot be changed here says why, and has no control."""
    signed_in.open("/admin/settings?q=max_choices")
    row = '[data-field="max_choices"]'
    assert "PANNIER_MAX_CHOICES is set in the environment" in signed_in.text(row)
    assert "needs a restart" not in signed_in.text(row)
    assert signed_in.all(f"{row} input, {row} select") == []


def test_parameters_for_all(signed_in: Browser, site: Site) -> None:
    """How many are set for all models is said, and where they are is linked."""
    site.admin.do("PATCH", "settings", {"overrides": {"top_k": 40, "seed": 1}})
    signed_in.open("/admin/settings")
    assert "2 set." in signed_in.text("#parameters")
    signed_in.click("Parameters for all")
    signed_in.until(path="/admin/overrides")


def test_hostile_values(signed_in: Browser, site: Site) -> None:
    """What somebody set is shown as it is, and does nothing."""
    site.admin.do(
        "PATCH", "settings", {"default_model": HOSTILE, "code_model": "x" * 9000}
    )
    signed_in.open("/admin/settings?set=1")
    assert signed_in.find("#s-default_model").get_property("value") == HOSTILE
    assert signed_in.overflow() == []
    signed_in.open("/admin/settings?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    signed_in.until(text="No setting fits.")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_everybody_can_use_it(
    signed_in: Browser, site: Site, size: Size, dark: bool
) -> None:
    """On each kind of screen nothing sticks out, and nobody is shut out."""
    site.admin.do("PATCH", "settings", {"heartbeat": 5, "think": "off"})
    signed_in.emulate(size, dark=dark)
    signed_in.open("/admin/settings")
    signed_in.fill("PANNIER_USAGE_DAYS", "9")
    signed_in.until("#group-usage [data-save]")
    assert signed_in.audit() == []
    assert signed_in.overflow() == []


def test_it_is_light(signed_in: Browser) -> None:
    """A first visit loads little, unpacked."""
    assert signed_in.weigh("/admin/settings").decoded < 200_000
