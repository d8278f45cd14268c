"""The pages of aliases: made, changed, removed, and which model a name means."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.browser import DESKTOP, PHONE, Browser, Size
from support.handling import part
from support.site import Site, running

pytestmark = pytest.mark.live

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "\"'><b> ../..//?a=b#c%2F&d",
    "\u05d0\u05d1" * 60,
)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """An installation whose environment has aliases of its own."""
    with running({"PANNIER_ALIASES": "gpt-env=tiny,env-*=tiny-think"}) as site:
        yield site


@pytest.fixture(autouse=True)
def tidy(site: Site) -> Iterator[None]:
    """No alias is left for the next test."""
    yield
    for alias in listed(site):
        if alias["changeable"]:
            site.admin.do("DELETE", f"aliases/{part(alias['name'])}")


def listed(site: Site) -> Any:
    """All aliases, as the API has them."""
    return site.admin.do("GET", "aliases")["aliases"]


def one(site: Site, name: str) -> Any:
    """What the API says of an alias."""
    return site.admin.do("GET", f"aliases/{part(name)}")


def make(site: Site, name: str, target: str = "qwen3", **more: Any) -> None:
    """Make an alias over HTTP."""
    site.admin.do("POST", "aliases", {"name": name, "target": target, **more})


def test_one_is_made(signed_in: Browser, site: Site) -> None:
    """The drawer makes it, with all that it can have, and the list has it then."""
    signed_in.open("/admin/aliases")
    signed_in.click("New alias")
    signed_in.until("#drawer form")
    assert "qwen3:latest" in signed_in.script(
        "return [...document.querySelectorAll('#alias-models option')]"
        ".map(one => one.value)"
    )
    signed_in.fill("Name", "fast/one:x", within="#drawer")
    signed_in.fill("Stands for the model", "qwen3", within="#drawer")
    signed_in.check("Shown in lists in the place of the model’s own name")  # noqa: RUF001
    signed_in.check("Hidden: it works, and is in no list")
    signed_in.check("May hide a model that has this name itself")
    signed_in.fill("Add a parameter", "temperature", within="#drawer")
    signed_in.press("Enter")
    signed_in.fill("temperature", "0.5", within="#drawer")
    assert signed_in.audit() == []
    signed_in.click("Make the alias")
    signed_in.until(gone="#drawer[open]", text="The alias is made.")
    signed_in.until(text="fast/one:x")
    row = signed_in.row("fast/one:x").text
    for said in ("shown in its place", "hidden", "hides a model", "parameters set"):
        assert said in row
    (made,) = (one for one in listed(site) if one["changeable"])
    assert made["name"] == "fast/one:x"
    assert made["overrides"] == {"temperature": 0.5}
    assert made["display"] is made["hidden"] is made["shadow"] is True
    assert "Ollama has no such model" not in row


def test_a_model_that_is_not_there(signed_in: Browser, site: Site) -> None:
    """One that stands for a model that Ollama lacks says so."""
    make(site, "lost", "nowhere")
    signed_in.open("/admin/aliases")
    assert "Ollama has no such model" in signed_in.row("lost").text
    assert signed_in.audit() == []


def test_what_cannot_be_made(signed_in: Browser, site: Site) -> None:
    """What is wrong is said at its field, and the drawer stays."""
    signed_in.open("/admin/aliases")
    signed_in.click("New alias")
    for name, target, field, said in (
        ("a b", "qwen3", "name", "A-Z a-z 0-9"),
        ("tiny", "qwen3", "name", "which this alias would hide"),
        ("fine", "fine", "target", "cannot stand for itself"),
        ("fine", "a*b", "target", "characters that it cannot have"),
    ):
        signed_in.fill("Name", name, within="#drawer")
        signed_in.fill("Stands for the model", target, within="#drawer")
        signed_in.click("Make the alias")
        signed_in.until(f"#alias-{field}[aria-invalid=true]", text=said)
    signed_in.forgive("status of 422")
    assert signed_in.audit() == []
    signed_in.click("Close", within="#drawer")
    signed_in.until(gone="#drawer[open]")
    assert not any(one["changeable"] for one in listed(site))


def test_one_is_changed(signed_in: Browser, site: Site) -> None:
    """The drawer changes it; so does the switch in the list."""
    make(site, "fast", overrides={"seed": 1})
    signed_in.open("/admin/aliases")
    signed_in.click("Edit fast")
    signed_in.fill("Stands for the model", "tiny", within="#drawer")
    signed_in.click("Remove seed")
    signed_in.click("Save")
    signed_in.until(gone="#drawer[open]")
    signed_in.until(fact=lambda: "tiny" in signed_in.row("fast").text)
    signed_in.check("fast is enabled", False)
    signed_in.until(fact=lambda: not one(site, "fast")["enabled"])
    assert one(site, "fast")["target"] == "tiny"
    assert one(site, "fast")["overrides"] == {}
    signed_in.check("fast is enabled")
    signed_in.until(fact=lambda: one(site, "fast")["enabled"])


def test_somebody_else_was_quicker(signed_in: Browser, site: Site) -> None:
    """What another has changed meanwhile is not overwritten."""
    make(site, "fast")
    signed_in.open("/admin/aliases")
    signed_in.click("Edit fast")
    signed_in.until("#drawer form")
    site.admin.do("PATCH", "aliases/fast", {"hidden": True})
    signed_in.fill("Stands for the model", "tiny", within="#drawer")
    signed_in.click("Save")
    signed_in.until("#drawer .problem", text="Somebody has changed this meanwhile")
    signed_in.forgive("status of 412")
    assert one(site, "fast")["target"] == "qwen3"


def test_one_is_deleted(signed_in: Browser, site: Site) -> None:
    """A question names it first; then it is gone from the list."""
    make(site, "fast")
    signed_in.open("/admin/aliases")
    signed_in.click("Delete fast")
    assert "“fast”" in signed_in.text("dialog.ask")
    signed_in.click("Cancel", within="dialog.ask")
    signed_in.click("Delete fast")
    signed_in.click("Delete", within="dialog.ask")
    signed_in.until(text="The alias is gone.")
    signed_in.until(fact=lambda: "fast" not in signed_in.text("#list"))
    assert site.admin.ask("GET", "aliases/fast").status == 404


def test_pages_of_their_own(signed_in: Browser, site: Site) -> None:
    """What is in a drawer is a page too, which leads back to the list."""
    signed_in.open("/admin/alias?target=tiny")
    signed_in.fill("Name", "alone")
    signed_in.click("Make the alias")
    signed_in.until(path="/admin/aliases", text="alone")
    signed_in.open("/admin/aliases/alone")
    signed_in.check("Hidden: it works, and is in no list")
    signed_in.click("Save")
    signed_in.until(path="/admin/aliases")
    assert one(site, "alone")["hidden"] is True
    assert one(site, "alone")["target"] == "tiny"
    signed_in.open("/admin/aliases/nobody")
    signed_in.until(text="There is no alias 'nobody'.")
    signed_in.forgive("status of 404")


def test_those_of_the_environment(signed_in: Browser, site: Site) -> None:
    """They say why they cannot be changed; one beside says why it does not count."""
    make(site, "GPT-ENV")
    signed_in.open("/admin/aliases")
    row = signed_in.row("gpt-env")
    assert "PANNIER_ALIASES is set in the environment" in row.text
    assert signed_in.all("button, a[data-drawer], input", within=row) == []
    assert "which counts more" in signed_in.row("GPT-ENV").text
    signed_in.open(f"/admin/aliases/{part('env-*')}")
    signed_in.until("#panel .banner", text="it is changed there")
    assert signed_in.all("#panel form") == []


def test_search_and_pages(signed_in: Browser, site: Site) -> None:
    """What is typed narrows the list; more than a page has leads to the next."""
    entries = [{"name": f"many-{n:03}", "target": "tiny"} for n in range(101)]
    document = {"format": "pannier-export", "version": 1, "aliases": entries}
    site.admin.do("POST", "import", document)
    signed_in.open("/admin/aliases")
    signed_in.fill("Search by name", "MANY")
    signed_in.until(path="/admin/aliases?q=MANY", gone="a[href*=gpt-env]")
    signed_in.until(fact=lambda: len(signed_in.texts("#list tbody tr")) == 100)
    signed_in.click("More")
    signed_in.until(text="many-100")
    assert len(signed_in.texts("#list tbody tr")) == 1
    signed_in.fill("Search by name", "none such")
    signed_in.until(text="No alias has “none such” in its name.")
    signed_in.click("Show all")
    signed_in.until(text="gpt-env")
    site.admin.do("POST", "import?mode=replace", {**document, "aliases": []})


MEANT = {
    "an alias": ("Fast", "qwen3:latest, by the alias fast"),
    "a pattern": ("gpt-anything", "llava:latest, by the alias gpt-*"),
    "of the environment": ("gpt-env", "tiny:latest, by the alias gpt-env"),
    "its own name": ("tiny", "tiny:latest: that is a model"),
    "nothing": ("no-such", "There is no model 'no-such'."),
    "hostile": (HOSTILE[0], HOSTILE[0]),
}


@pytest.mark.parametrize("case", MEANT)
def test_which_model_a_name_means(signed_in: Browser, site: Site, case: str) -> None:
    """The answer names the model and the reason, and stands in the address."""
    make(site, "fast")
    make(site, "gpt-*", "llava")
    name, said = MEANT[case]
    signed_in.open("/admin/aliases")
    signed_in.fill("Name", name)
    signed_in.click("Look")
    signed_in.until("#answer", text=said)
    assert "name=" in signed_in.path
    assert signed_in.audit() == []


def test_whether_a_key_may(signed_in: Browser, site: Site) -> None:
    """With a key it also says whether that may use it."""
    make(site, "fast")
    key = site.admin.do("POST", "keys", {"name": "some", "allow_models": ["fast"]})
    signed_in.open("/admin/aliases")
    signed_in.fill("For the key (if any)", "some")
    for name, said in (
        ("fast", "may use it"),
        ("fast:latest", "may use it"),
        ("qwen3", "may not use it"),
    ):
        signed_in.fill("Name", name)
        signed_in.click("Look")
        signed_in.until("#answer .badge", text=said)
        signed_in.until(fact=lambda said=said: said in signed_in.text("#answer"))
    signed_in.fill("For the key (if any)", "nobody")
    signed_in.click("Look")
    signed_in.until("#answer .problem", text="nobody")
    site.admin.do("DELETE", f"keys/{key['id']}")


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_names(signed_in: Browser, site: Site, number: int) -> None:
    """Whatever an alias is called is shown, changed and deleted as any other."""
    name = HOSTILE[number]
    alias = {"name": name, "target": "<b>/x&y#z", "overrides": {"system": name * 30}}
    document = {"format": "pannier-export", "version": 1, "aliases": [alias]}
    site.admin.do("POST", "import", document)
    signed_in.open("/admin/aliases")
    signed_in.until(text=name)
    assert signed_in.overflow() == []
    signed_in.click(f"Edit {name}")
    signed_in.check("Hidden: it works, and is in no list")
    assert signed_in.text("#drawer-title") == f"Alias {name}"
    signed_in.click("Save")
    signed_in.until(gone="#drawer[open]")
    assert one(site, name)["hidden"] is True
    signed_in.emulate(PHONE)
    signed_in.open(f"/admin/aliases/{part(name)}")
    assert signed_in.audit() == []
    assert signed_in.overflow() == []
    signed_in.open("/admin/aliases")
    assert signed_in.overflow() == []
    signed_in.click(f"Delete {name}")
    assert name in signed_in.text("dialog.ask")
    signed_in.click("Delete", within="dialog.ask")
    signed_in.until(text="The alias is gone.")
    assert site.admin.ask("GET", f"aliases/{part(name)}").status == 404


PAGES = ("/admin/aliases?name=fast", "/admin/aliases/fast", "/admin/alias")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("path", PAGES)
def test_everybody_can_use_it(
    signed_in: Browser, site: Site, path: str, size: Size, dark: bool
) -> None:
    """On each kind of screen nothing sticks out, and nobody is shut out."""
    make(site, "fast", overrides={"temperature": 1, "stop": ["a"], "think": True})
    signed_in.emulate(size, dark=dark)
    signed_in.open(path)
    signed_in.until("h1")
    assert signed_in.audit() == []
    assert signed_in.overflow() == []


@pytest.mark.parametrize("path", PAGES[::2])
def test_it_is_light(signed_in: Browser, path: str) -> None:
    """A first visit loads little."""
    assert signed_in.weigh(path).decoded < 200_000
