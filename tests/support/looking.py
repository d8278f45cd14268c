"""What is wrong with a page as it stands: for those who use it without eyes, without
a mouse, on a small screen, or over a slow line.
"""

import base64
from pathlib import Path
from typing import Any, NamedTuple

from selenium.webdriver.remote.webdriver import WebDriver

AXE = Path(__file__).parents[1] / "browser" / "vendor" / "axe.min.js"
#: What a page has to keep: WCAG 2.2, level AA, and all that came before.
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")

#: WebP has no room for more, where a pixel of CSS is two of the screen's.
HIGHEST = 8000

_RUN = """
const runOnly = {type: "tag", values: arguments[0]};
return axe.run(document, {runOnly, resultTypes: ["violations"]})
  .then(found => found.violations);
"""
#: What moves has come to rest, and nothing is being fetched into the page.
_SETTLED = """
return document.querySelector(".htmx-request, .htmx-swapping, .htmx-settling") === null
  && document.getAnimations().every(one => one.playState !== "running"
    || one.effect.getComputedTiming().endTime === Infinity);
"""
_OVERFLOW = """
const wide = document.documentElement.clientWidth, given = arguments[0], found = [];
if (wide > given) found.push(`the page is laid out ${wide} pixels wide, not ${given}`);
const scrolls = one => getComputedStyle(one).overflowX !== "visible";
const inside = one => {
  for (let up = one.parentElement; up && up !== document.body; up = up.parentElement)
    if (scrolls(up)) return true;
  return false;
};
const over = Math.max(document.documentElement.scrollWidth, document.body.scrollWidth);
if (over <= wide) return found;
found.push(`the page is ${over} pixels wide, the window ${wide}`);
const name = one => one.tagName.toLowerCase() + (one.id && "#" + one.id)
  + [...one.classList].map(some => "." + some).join("");
const right = one => Math.round(one.getBoundingClientRect().right + scrollX);
const wider = [...document.body.querySelectorAll("*")]
  .filter(one => right(one) > wide && !inside(one)).sort((a, b) => right(b) - right(a));
return found.concat(wider.slice(0, 5).map(one => `${name(one)} ends at ${right(one)}`));
"""
_LOADED = """
const of = kind => performance.getEntriesByType(kind);
return [...of("navigation"), ...of("resource")]
  .map(one => [one.name, one.transferSize, one.decodedBodySize]);
"""


class Weight(NamedTuple):
    """Bytes that came over the line and what became of them, and of what; by URL."""

    transferred: int
    decoded: int
    parts: dict[str, int]


def is_settled(driver: WebDriver) -> bool:
    """Whether nothing moves any more, but for what moves for ever."""
    return bool(driver.execute_script(_SETTLED))


def audit(driver: WebDriver) -> list[str]:
    """What axe finds: the rule, how bad it is, where, and why."""
    if not driver.execute_script("return typeof axe === 'object'"):
        driver.execute_script(AXE.read_text(encoding="utf-8"))
    violations = driver.execute_script(_RUN, TAGS)
    return [_told(found, node) for found in violations for node in found["nodes"]]


def _told(found: dict[str, Any], node: dict[str, Any]) -> str:
    where = " ".join(str(one) for one in node["target"])
    why = " ".join(node["failureSummary"].split())
    return f"{found['id']} ({found['impact']}): {where}: {why}"


def overflow(driver: WebDriver, width: int) -> list[str]:
    """Whether a page scrolls sideways, and what is too wide; nothing if all is well."""
    found: list[str] = driver.execute_script(_OVERFLOW, width)
    return found


def weight(driver: WebDriver) -> Weight:
    """What this page has loaded."""
    parts = driver.execute_script(_LOADED)
    return Weight(
        sum(came for _, came, _ in parts),
        sum(decoded for _, _, decoded in parts),
        {url: came for url, came, _ in parts},
    )


def shoot(driver: WebDriver, path: Path, highest: int = HIGHEST) -> Path:
    """A picture of the whole page, not only of what the window shows.

    Of one that is higher than ``highest`` (in CSS pixels) it is the beginning.
    """
    size = driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    size["height"] = min(size["height"], highest)
    taken = driver.execute_cdp_cmd(
        "Page.captureScreenshot",
        {
            "format": "webp",
            "quality": 65,
            "captureBeyondViewport": True,
            "clip": {**size, "scale": 1},
        },
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(base64.b64decode(taken["data"]))
    return path
