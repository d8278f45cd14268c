"""Chromium without a window, started by its driver, with a profile of its own.

It reaches nothing but 127.0.0.1, and nothing is downloaded to drive it.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from .server import clean_environ

PROGRAM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
#: Why there can be no browser, where it cannot.
MISSING = ""
if PROGRAM is None or DRIVER is None:
    MISSING = "Chromium is not installed, or its driver (chromedriver)"

#: Nobody else is asked, neither by pages nor by Chromium itself.
_ALONE = (
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
#: One process for all pages: to start one takes longer than most pages do.
_LIGHT = ("--renderer-process-limit=1", "--disable-site-isolation-trials")
#: The same picture on every machine.
_SAME = ("--lang=en-US", "--force-color-profile=srgb", "--font-render-hinting=none")


@contextmanager
def chromium() -> Iterator[tuple[webdriver.Chrome, Path]]:
    """A running one, and the directory where what it downloads lies."""
    # It may still write while it ends.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        downloads = Path(home, "downloads")
        downloads.mkdir()
        assert PROGRAM is not None
        assert DRIVER is not None
        env = clean_environ(HOME=home, XDG_CONFIG_HOME=home, XDG_CACHE_HOME=home)
        service = Service(DRIVER, env=env)
        driver = webdriver.Chrome(options=_options(PROGRAM, home), service=service)
        try:
            yield driver, downloads
        finally:
            driver.quit()


def _options(program: str, home: str) -> webdriver.ChromeOptions:
    options = webdriver.ChromeOptions()
    options.binary_location = program
    more = [
        "--headless=new",
        f"--user-data-dir={home}/profile",
        "--disable-dev-shm-usage",  # which is small in containers
    ]
    if os.geteuid() == 0:  # for whom it has no sandbox
        more.append("--no-sandbox")
    for argument in (*_ALONE, *_LIGHT, *_SAME, *more):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    preferences: dict[str, Any] = {
        "download.default_directory": f"{home}/downloads",
        "credentials_enable_service": False,  # it would ask to keep passwords
    }
    options.add_experimental_option("prefs", preferences)
    return options
