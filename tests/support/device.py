"""The device that a browser runs on: its screen, where it is, what its owner wishes."""

from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urljoin, urlsplit

from selenium.common.exceptions import NoAlertPresentException

from .chromium import chromium


class Size(NamedTuple):
    """A screen, in CSS pixels; those of a phone are finer, and are touched."""

    width: int
    height: int
    is_phone: bool = False


DESKTOP, PHONE = Size(1280, 900), Size(360, 740, True)

#: No page of ours has a use for it, but whoever smuggles a script into one likes it.
_ALERT = "window.alert = text => console.error(`fault: alert: ${text}`)"


class Device:
    """One Chromium, from entering to leaving; ``begin`` makes it as good as new."""

    def __init__(self) -> None:
        self._running = ExitStack()
        self._base = ""
        self.size = DESKTOP
        self._origins: set[str] = set()
        self.told: list[str] = []

    def __enter__(self) -> Self:
        self.driver, self.downloads = self._running.enter_context(chromium())
        self.cdp("Page.addScriptToEvaluateOnNewDocument", source=_ALERT)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._running.close()

    def begin(self, base: str) -> None:
        """Forget everything: cookies, pages, what they kept, and how it looked.

        ``base`` is where paths begin from now on.  Files that are named by their
        contents stay in the cache; all else has to be asked for again anyway.
        """
        with suppress(NoAlertPresentException):  # it would hold up everything
            self.driver.switch_to.alert.dismiss()
        first, *others = self.driver.window_handles
        for window in others:
            self.driver.switch_to.window(window)
            self.driver.close()
        self.driver.switch_to.window(first)
        self.driver.get("about:blank")
        self.cdp("Network.clearBrowserCookies")
        for origin in self._origins:
            given = {"origin": origin, "storageTypes": "all"}
            self.cdp("Storage.clearDataForOrigin", **given)
        for file in self.downloads.iterdir():
            file.unlink()
        self._origins = set()
        self.driver.get_log("browser")
        self.told = []
        self._base = base
        self.emulate()

    def emulate(
        self,
        size: Size = DESKTOP,
        *,
        dark: bool = False,
        reduced_motion: bool = False,
        zone: str = "UTC",
    ) -> None:
        """Be another device, of somebody with other wishes, elsewhere."""
        self.size = size
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            width=size.width,
            height=size.height,
            deviceScaleFactor=2 if size.is_phone else 1,
            mobile=size.is_phone,
        )
        self.cdp("Emulation.setTouchEmulationEnabled", enabled=size.is_phone)
        motion = "reduce" if reduced_motion else "no-preference"
        wishes = {
            "prefers-color-scheme": "dark" if dark else "light",
            "prefers-reduced-motion": motion,
        }
        features = [{"name": name, "value": wish} for name, wish in wishes.items()]
        self.cdp("Emulation.setEmulatedMedia", features=features)
        self.cdp("Emulation.setTimezoneOverride", timezoneId=zone)

    def cdp(self, command: str, **given: Any) -> Any:
        """Ask Chromium in its own words (DevTools protocol)."""
        return self.driver.execute_cdp_cmd(command, given)

    def script(self, source: str, *given: Any) -> Any:
        """What a function of this body returns in the page; promises are waited for."""
        return self.driver.execute_script(source, *given)

    def open(self, path: str) -> None:
        """Go there; the page has loaded then."""
        url = urljoin(self._base, path)
        parts = urlsplit(url)
        self._origins.add(f"{parts.scheme}://{parts.netloc}")
        self.driver.get(url)

    @property
    def path(self) -> str:
        """Where one is: path, query and fragment."""
        return self.driver.current_url.removeprefix(self._base.rstrip("/"))

    def set_cookie(self, name: str, value: str, path: str = "/") -> None:
        """Have a cookie that scripts cannot read."""
        given = {"name": name, "value": value, "path": path, "url": self._base}
        self.cdp("Network.setCookie", **given, httpOnly=True, sameSite="Strict")

    def clipboard(self) -> str:
        """What was copied."""
        allowed = ["clipboardReadWrite", "clipboardSanitizedWrite"]
        self.cdp("Browser.grantPermissions", permissions=allowed)
        return str(self.script("return navigator.clipboard.readText()"))
