"""The page of backups: a file down, a file up, and what Ollama2OpenAI had."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support import ollama2openai
from support.browser import DESKTOP, PHONE, Browser, Size
from support.leaving import eventually
from support.secrecy import note
from support.site import Site, running

pytestmark = pytest.mark.live

HOSTILE = "<img src=x onerror=alert(1)>\"'</td><script>alert(2)</script> \u05d0"
FILE = "A file of Pannier\u2019s export"
FOREIGN = "Files of its data directory"


@contextmanager
def alone(chromium: Browser) -> Iterator[Site]:
    """An installation of its own, and its page of backups."""
    with running() as site:
        chromium.begin(site.url)
        site.sign_in(chromium)
        chromium.open("/admin/backup")
        yield site
        assert chromium.faults() == []


def document(place: Path, **sections: Any) -> str:
    """A file with these sections; where it is."""
    text = json.dumps({"format": "pannier-export", "version": 1, **sections})
    path = place / "copy.json"
    path.write_text(text)
    return str(path)


def settings(site: Site) -> dict[str, Any]:
    """What is set in the database."""
    found = site.admin.do("GET", "settings")["settings"]
    return {one["field"]: one["value"] for one in found if one["origin"] == "database"}


def look(browser: Browser, path: str, mode: str = "Merge") -> str:
    """What taking in a file would do."""
    browser.fill(FILE, path)
    browser.find("radio", mode).click()
    browser.click("Show what it would do")
    browser.until("#import [data-plan]")
    return browser.text("#import-plan")


_STEPS = """
return [...document.querySelectorAll(arguments[0])]
  .map(row => [...row.querySelectorAll("td")].map(cell => cell.innerText.trim()));
"""


def steps(browser: Browser, form: str = "import") -> list[list[str]]:
    """The steps that are shown."""
    found: list[list[str]] = browser.script(_STEPS, f"#{form} tbody tr")
    return found


def take(browser: Browser, name: str = "Import", form: str = "import") -> str:
    """Do it; what was asked first."""
    browser.click(name, within=f"#{form}")
    asked = browser.text("dialog.ask")
    browser.click(name, within="dialog.ask")
    browser.until(text="It is taken in.")
    return asked


def test_a_file_down_and_up_again(chromium: Browser) -> None:
    """What is exported can be taken in where it is not any more."""
    browser = chromium
    with alone(chromium) as site:
        site.admin.do(
            "PATCH", "settings", {"heartbeat": 5, "overrides": {"seed": 2**60}}
        )
        site.admin.do("POST", "aliases", {"name": "fast", "target": "qwen3"})
        browser.click("Download")
        path = browser.downloaded()
        assert path.name.startswith("pannier-")
        assert path.suffix == ".json"
        had = json.loads(path.read_text())
        assert had["settings"] == {"heartbeat": 5}
        assert [one["name"] for one in had["aliases"]] == ["fast"]
        site.admin.do("PATCH", "settings", {"heartbeat": None, "overrides": {}})
        site.admin.do("DELETE", "aliases/fast")
        assert look(browser, str(path)) == "3 to add"
        assert settings(site) == {}
        assert "3 to add" in take(browser)
        assert browser.text("#import-plan") == "Done: 3 added."
        assert settings(site) == {"heartbeat": 5}
        # Larger than a script's numbers are: it passes none.
        assert site.admin.do("GET", "settings")["overrides"] == {"seed": 2**60}
        assert look(browser, str(path)) == "Nothing to do: all of it is here already."
        assert not browser.find("#import [data-do]").is_displayed()


def test_parts_of_it(chromium: Browser) -> None:
    """Only what is chosen is in the file; nothing is no file."""
    browser = chromium
    with alone(chromium):
        for part in (
            "Settings: what was set here, not what the environment says",
            "Models: what is set for each",
            "Aliases",
            "Keys, with limits and digests of their secrets",
        ):
            browser.check(part, False)
        browser.click("Download")
        had = json.loads(browser.downloaded().read_text())
        assert "overrides" in had
        assert not {"settings", "models", "aliases", "keys"} & set(had)
        browser.check("Parameters for all models", False)
        browser.click("Download")
        browser.until(text="Choose at least one.")
        assert browser.audit() == []


@pytest.mark.parametrize(
    ("mode", "shown", "after"),
    [
        (
            "Merge",
            "1 to add, 1 to change",
            {"heartbeat": 7, "think": "off", "usage_days": 9},
        ),
        (
            "Only what is new",
            "1 to add",
            {"heartbeat": 5, "think": "off", "usage_days": 9},
        ),
        (
            "Replace",
            "1 to add, 1 to change, 1 to remove",
            {"heartbeat": 7, "usage_days": 9},
        ),
    ],
    ids=["merge", "skip", "replace"],
)
def test_ways_to_take_it_in(
    chromium: Browser, tmp_path: Path, mode: str, shown: str, after: Any
) -> None:
    """Each way does what it shows; before that nothing is done."""
    browser = chromium
    with alone(chromium) as site:
        before = {"heartbeat": 5, "think": "off"}
        site.admin.do("PATCH", "settings", before)
        path = document(tmp_path, settings={"heartbeat": 7, "usage_days": 9})
        assert look(browser, path, mode) == shown
        assert ["add", "setting", "usage_days", ""] in steps(browser)
        assert browser.audit() == []
        assert settings(site) == before
        browser.click("Cancel", within="#import")
        browser.until(gone="#import [data-plan]")
        look(browser, path, mode)
        browser.click("Import", within="#import")
        browser.click("Cancel", within="dialog.ask")
        browser.until(gone="dialog.ask")
        assert settings(site) == before
        assert "copy.json" in take(browser)
        assert settings(site) == after


def test_another_choice_is_looked_at_anew(chromium: Browser, tmp_path: Path) -> None:
    """What was shown goes when something else is chosen."""
    browser = chromium
    with alone(chromium):
        path = document(tmp_path, settings={"heartbeat": 7})
        look(browser, path)
        browser.find("radio", "Replace").click()
        browser.until(gone="#import [data-plan]")


def test_the_first_and_the_last_key(chromium: Browser, tmp_path: Path) -> None:
    """A file that closes the door, or opens it, says so; to open is said by name."""
    browser = chromium
    with alone(chromium) as site:
        site.admin.do("POST", "keys", {"name": "laptop", "allow_models": ["*"]})
        path = document(tmp_path, keys=[])
        assert look(browser, path, "Replace") == "1 to remove"
        browser.until(text="This removes the last key:")
        assert browser.audit() == []
        had = site.admin.do("POST", "export", {"sections": ["keys"]})
        browser.click("Import", within="#import")
        browser.until(text="Say that first.")
        browser.check("Yes, let everybody in")
        assert "From then on nobody needs a key." in take(browser)
        assert site.admin.do("GET", "keys")["keys"] == []
        path = document(tmp_path, **had)
        assert look(browser, path) == "1 to add"
        browser.until(text="These are the first keys:")
        assert not browser.find("#import [data-opens]").is_displayed()
        assert "From then on every request needs a key." in take(browser)
        (key,) = eventually(lambda: site.admin.do("GET", "keys")["keys"])
        assert key["name"] == "laptop"


def test_what_is_wrong_with_a_file(chromium: Browser, tmp_path: Path) -> None:
    """What cannot be taken in is refused with the place, and nothing is shown."""
    browser = chromium
    with alone(chromium):
        for text, said in (
            ("no file of ours", "The file is not JSON"),
            (
                '{"format":"pannier-export","version":1,"settings":{"heartbeat":-1}}',
                "PANNIER_HEARTBEAT",
            ),
            ('{"format":"pannier-export","version":1,"more":1}', "more"),
        ):
            path = tmp_path / "wrong.json"
            path.write_text(text)
            browser.fill(FILE, str(path))
            browser.click("Show what it would do")
            browser.until("#import .problem")
            browser.until(text=said)
            assert not browser.find("#import [data-plan]").is_displayed()
            assert browser.audit() == []
        browser.forgive("status of 422")


def test_hostile_names_and_many(chromium: Browser, tmp_path: Path) -> None:
    """Names of a file are shown as they are; of thousands of steps the first."""
    browser = chromium
    with alone(chromium):
        aliases = [
            {"name": HOSTILE, "target": "qwen3"},
            {"name": "x" * 100, "target": "a"},
        ]
        many = [{"name": f"a{number}", "target": "qwen3"} for number in range(600)]
        look(browser, document(tmp_path, aliases=[*aliases, *many]))
        browser.until(text=HOSTILE)
        browser.until(text="These are the first 500 of 602 steps.")
        assert len(steps(browser)) == 500
        assert browser.overflow() == []
        browser.emulate(PHONE)
        assert browser.overflow() == []


def test_from_ollama2openai(chromium: Browser, tmp_path: Path) -> None:
    """Its keys, settings and requests are shown, and then taken over."""
    browser = chromium
    with alone(chromium) as site:
        secret = note("sk-fedcba98765432100123456789abcdef")
        key = ollama2openai.key("1", "old laptop", secret, "llama3.2")
        place = ollama2openai.written(
            tmp_path / "data",
            {
                "api_keys.json": [key],
                "config.json": ollama2openai.config("http://127.0.0.1:9"),
                "logs.json": [ollama2openai.logged("1", "old laptop")],
                "notes.json": {},
                "models.json": "{broken",
            },
        )

        def choose(*names: str) -> None:
            browser.fill(FOREIGN, "\n".join(str(place / name) for name in names))
            browser.click("Show what would be taken over")

        choose("notes.json")
        browser.until(text="notes.json is none of its files: api_keys.json")
        browser.script("document.getElementById('migrate').reset()")
        choose("models.json")
        browser.until(text="models.json is no JSON:")
        assert browser.audit() == []
        browser.script("document.getElementById('migrate').reset()")
        choose("api_keys.json", "config.json", "logs.json")
        browser.until("#migrate [data-plan]")
        assert "1 request of its log" in browser.text("#migrate-plan")
        assert ["add", "key", "old laptop", ""] in steps(browser, "migrate")
        browser.until(text="These are the first keys:")
        assert browser.texts("#migrate [data-remarks] li") != []
        assert browser.audit() == []
        assert site.admin.do("GET", "keys")["keys"] == []
        asked = take(browser, "Take it over", "migrate")
        assert "the files of Ollama2OpenAI" in asked
        assert [one["name"] for one in site.admin.do("GET", "keys")["keys"]] == [
            "old laptop"
        ]
        assert secret not in browser.driver.page_source


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_everybody_can_use_it(
    signed_in: Browser, tmp_path: Path, size: Size, dark: bool
) -> None:
    """On each kind of screen nothing sticks out, and nobody is shut out."""
    signed_in.emulate(size, dark=dark)
    signed_in.open("/admin/backup")
    look(signed_in, document(tmp_path, settings={"heartbeat": 7}, keys=[]))
    assert signed_in.audit() == []
    assert signed_in.overflow() == []


def test_it_is_light(signed_in: Browser) -> None:
    """A first visit loads little, unpacked."""
    assert signed_in.weigh("/admin/backup").decoded < 200_000
