"""A browser as somebody uses it: by what is written on buttons and beside fields.

Everything waits until it can be done, ``PATIENCE`` seconds at most; what never was
there is named in an AssertionError.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    UnexpectedAlertPresentException,
    WebDriverException,
)
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select

from . import looking
from .device import DESKTOP, PHONE, Device, Size
from .looking import Weight
from .named import CHECKED, CHOSEN, CLICKED, FILLED, named, names

__all__ = ["DESKTOP", "PHONE", "Browser", "Size"]

#: Seconds within which a page has to do what is waited for.
PATIENCE = 10.0
#: Characters from which on nobody types.
PASTED = 100
Found = TypeVar("Found")
#: Where to look: a CSS selector or an element.
Within = str | WebElement | None

#: Rows in which something says just this, but for those around such a row.
_ROW = """
const says = one => one.innerText?.trim() === arguments[0];
const rows = [...document.querySelectorAll("tr, li, article, [role=row]")].filter(
  row => row.checkVisibility() && [row, ...row.querySelectorAll("*")].some(says));
return rows.filter(row => !rows.some(one => one !== row && row.contains(one)));
"""
_SEEN = "checkVisibility({visibilityProperty: true, opacityProperty: true})"
_TEXTS = f"""
return [...document.querySelectorAll(arguments[0])]
  .filter(one => !arguments[1] || one.{_SEEN})
  .map(one => one.innerText.trim());
"""
_SAYS = "return document.body?.innerText.includes(arguments[0])"
_SHOWS = f"""
return [...document.querySelectorAll(arguments[0])].some(one => one.{_SEEN});
"""
_VALUE = """
const [field, value] = arguments;
field.value = value;
for (const kind of ["input", "change"])
  field.dispatchEvent(new Event(kind, {bubbles: true}));
"""
_IS_CHECKED = "return arguments[0].checked ?? arguments[0].ariaChecked === 'true'"
_LABEL = "return arguments[0].labels?.[0] ?? arguments[0]"
# What sticks to the edge of a window would lie over it there.
_INTO_VIEW = "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})"


class Missing(AssertionError):
    """What is waited for is not there yet."""


class Browser(Device):
    """What somebody does with a browser, and sees in it."""

    # Finding

    def find(
        self, what: str, name: str | None = None, *, within: Within = None
    ) -> WebElement:
        """The one element of a CSS selector, or of a role and the name it has."""
        if name is None:
            return self._one(f"element {what}", lambda: self.all(what, within=within))
        return self._do(lambda one: one, name, {what}, within)

    def all(self, css: str, *, within: Within = None) -> list[WebElement]:
        """All elements that there are now; hidden ones too."""
        return (self._root(within) or self.driver).find_elements("css selector", css)

    def row(self, text: str) -> WebElement:
        """The row of a table, or the item of a list, in which something says just this.

        For ``within``: the buttons of one row are named as those of another.
        """
        return self._one(f"row with {text!r}", lambda: self.script(_ROW, text))

    def text(self, css: str = "body", *, within: Within = None) -> str:
        """What can be read there."""
        look = lambda: (self.find(css, within=within).text,)  # noqa: E731
        return self._wait(look, lambda: f"no element {css}")[0]

    def texts(self, css: str, *, shown: bool = False) -> list[str]:
        """What can be read in each of them, or in those that are ``shown``."""
        found: list[str] = self.script(_TEXTS, css, shown)
        return found

    @property
    def focused(self) -> str:
        """The name of what has the focus, as a screen reader says it."""
        return self.driver.switch_to.active_element.accessible_name

    # Doing

    def click(self, name: str, *, within: Within = None) -> None:
        """Click on the button, link, tab, switch or whatever has this name."""
        self._do(self._click, name, CLICKED, within)

    def fill(self, label: str, text: str, *, within: Within = None) -> None:
        """Put a text into a field in place of what it has; a path, if it takes a file.

        A date is as the field has it for its value, such as ``2026-01-31T08:00``.  A
        long text is pasted.
        """

        def job(field: WebElement) -> None:
            kind = str(field.get_attribute("type"))
            if kind.startswith(("date", "month", "time", "week", "range", "color")):
                self.script(_VALUE, field, text)
                return
            if kind != "file":
                field.clear()
            if kind != "file" and len(text) > PASTED:
                self.script("arguments[0].focus()", field)
                self.cdp("Input.insertText", text=text)
            else:
                field.send_keys(text)

        self._do(job, label, FILLED, within)

    def choose(self, label: str, option: str, *, within: Within = None) -> None:
        """Choose what a list offers by this text."""

        def job(field: WebElement) -> None:
            Select(field).select_by_visible_text(option)

        self._do(job, label, CHOSEN, within)

    def check(self, label: str, on: bool = True, *, within: Within = None) -> None:
        """Set a checkbox or a switch, whichever way it is now."""

        def job(box: WebElement) -> None:
            if self.script(_IS_CHECKED, box) == on:
                return
            try:
                self._click(box)
            except (ElementClickInterceptedException, ElementNotInteractableException):
                self._click(self.script(_LABEL, box))  # the box is drawn by others

        self._do(job, label, CHECKED, within)

    def press(self, *keys: str) -> None:
        """Press keys one after the other: `a`, `Enter`, `Shift+Tab`, `Control+k`."""
        for combination in keys:
            names = combination.split("+") if len(combination) > 1 else [combination]
            *held, last = [_key(name) for name in names]
            chain = ActionChains(self.driver)
            for key in held:
                chain.key_down(key)
            chain.send_keys(last)
            for key in held:
                chain.key_up(key)
            chain.perform()

    def accept(self) -> str:
        """Say yes to the browser's own question; what it was."""
        return self._answered(True)

    def dismiss(self) -> str:
        """Say no to it; what it was."""
        return self._answered(False)

    def downloaded(self) -> Path:
        """The file that was downloaded."""

        def file() -> Path | None:
            found = list(self.downloads.iterdir())
            done = [one for one in found if not _is_partial(one)]
            return done[0] if len(done) == len(found) == 1 else None

        return self._wait(file, lambda: "nothing was downloaded")

    # Waiting

    def until(
        self,
        css: str | None = None,
        *,
        text: str | None = None,
        gone: str | None = None,
        path: str | None = None,
        fact: Callable[[], Any] | None = None,
    ) -> None:
        """Wait until something can be seen, or a text be read.

        ``gone`` is a selector of what is not seen any more, ``path`` where one is then,
        ``fact`` whatever else becomes true.  What is given holds all at once.
        """

        def seen(selector: str) -> bool:
            return bool(self.script(_SHOWS, selector))

        def job() -> bool:
            return (
                (css is None or seen(css))
                and (text is None or self.script(_SAYS, text))
                and (gone is None or not seen(gone))
                and (path is None or self.path == path)
                and (fact is None or bool(fact()))
            )

        given = {"": css, "text": text, "gone": gone, "path": path, "fact": fact}
        wanted = [f"{name} {one!r}" for name, one in given.items() if one is not None]
        self._wait(job, lambda: f"it did not come to be: {' '.join(wanted)}")

    def settle(self) -> None:
        """Wait until nothing moves any more, and nothing is being fetched by htmx."""
        self._wait(
            lambda: looking.is_settled(self.driver), lambda: "the page goes on moving"
        )

    # Judging

    def faults(self) -> list[str]:
        """What went wrong in any page since ``begin``: errors, and what CSP refused."""
        entries = self.driver.get_log("browser")
        said = [one["message"] for one in entries if one["level"] == "SEVERE"]
        # Chromium asks for it now and then where a page names no icon.
        self.told += [one for one in said if "/favicon.ico - " not in one]
        return self.told

    def forgive(self, part: str) -> None:
        """Faults that have this in them are meant, and forgotten; there must be one."""
        self._wait(
            lambda: any(part in fault for fault in self.faults()),
            lambda: f"no fault has {part!r}: {self.told}",
        )
        self.told = [fault for fault in self.told if part not in fault]

    def audit(self) -> list[str]:
        """What of WCAG 2.2 AA the page does not keep, as axe sees it."""
        self.settle()
        return looking.audit(self.driver)

    def overflow(self) -> list[str]:
        """What makes the page scroll sideways."""
        self.settle()
        return looking.overflow(self.driver, self.size.width)

    def weigh(self, path: str) -> Weight:
        """What a first visit loads."""
        self.cdp("Network.clearBrowserCache")
        self.open(path)
        self.settle()
        return looking.weight(self.driver)

    def shoot(self, path: Path, highest: int = looking.HIGHEST) -> Path:
        """A picture of the whole page, as WebP; of a very long one its beginning."""
        self.settle()
        return looking.shoot(self.driver, path, highest)

    # How

    def _root(self, within: Within) -> WebElement | None:
        return self.find(within) if isinstance(within, str) else within

    def _click(self, element: WebElement) -> None:
        self.script(_INTO_VIEW, element)
        element.click()

    def _one(self, what: str, look: Callable[[], list[WebElement]]) -> WebElement:
        return self._wait(lambda: _only(look()), lambda: f"no {what}")

    def _do(
        self,
        job: Callable[[WebElement], Found],
        name: str,
        roles: Iterable[str],
        within: Within,
    ) -> Found:
        """What a job gives that is done with the one element of such a name."""

        def done() -> tuple[Found] | None:
            root = self._root(within)
            return (job(_only(named(self.driver, name, roles, root))),)

        def told() -> str:
            there = names(self.driver, roles, self._root(within))
            return f"no {name!r} among: {', '.join(there) or 'nothing'}"

        return self._wait(done, told)[0]

    def _wait(self, job: Callable[[], Found | None], told: Callable[[], str]) -> Found:
        """What a job gives, once it gives something; what fails may be passing."""
        end, why = time.monotonic() + PATIENCE, ""
        while time.monotonic() < end:
            try:
                if found := job():
                    return found
                why = ""
            except UnexpectedAlertPresentException:
                raise
            except (WebDriverException, Missing) as error:
                why = str(error).partition("\n")[0]
            time.sleep(0.05)
        raise AssertionError(f"{told()} ({why or 'not there'}), at {self.path}")

    def _answered(self, yes: bool) -> str:
        def job() -> tuple[str]:
            alert = self.driver.switch_to.alert
            question = alert.text
            if yes:
                alert.accept()
            else:
                alert.dismiss()
            return (question,)

        return self._wait(job, lambda: "the browser asks nothing")[0]


def _is_partial(file: Path) -> bool:
    """Whether Chromium is still at it."""
    return file.suffix == ".crdownload" or file.name.startswith(".")


def _only(found: list[WebElement]) -> WebElement:
    if len(found) != 1:
        raise Missing(f"there are {len(found)}")
    return found[0]


def _key(name: str) -> str:
    return str(getattr(Keys, name.upper(), name)) if len(name) > 1 else name
