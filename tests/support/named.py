"""Elements of a page by what they are for everybody: their role and their name.

Both are those that a screen reader is told; what it is not told is not found.
"""

from collections.abc import Iterable
from typing import Any

from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement

#: What can be clicked.
CLICKED = frozenset(("button", "link", "tab", "option", "DisclosureTriangle"))
CLICKED |= {"checkbox", "switch", "radio", "treeitem"}
CLICKED |= {"menuitem", "menuitemcheckbox", "menuitemradio"}
#: What can be filled in.  A field for a file is a button for Chromium.
FILLED = frozenset(("textbox", "searchbox", "spinbutton", "combobox", "slider"))
FILLED |= {"Date", "DateTime", "InputTime", "ColorWell", "button"}
CHOSEN = frozenset(("combobox", "listbox"))
CHECKED = frozenset(("checkbox", "switch", "radio"))

# Nobody else uses this name in a page.
_PLACE = "window[Symbol.for('pannier.tests')]"


def named(
    driver: WebDriver,
    name: str,
    roles: Iterable[str],
    within: WebElement | None = None,
) -> list[WebElement]:
    """Those of one of the roles, with exactly this name."""
    wanted = set(roles)
    nodes = _nodes(driver, within, name)
    found = [node for node in nodes if node["role"]["value"] in wanted]
    if not found:  # a field for a file is not found by the name that it has
        nodes = _nodes(driver, within, None)
        found = [node for node in nodes if _is(node, wanted, name)]
    return _elements(driver, [node["backendDOMNodeId"] for node in found])


def names(
    driver: WebDriver, roles: Iterable[str], within: WebElement | None = None
) -> list[str]:
    """What there is of these roles: `role "name"`."""
    wanted = set(roles)
    return [
        f'{node["role"]["value"]} "{node["name"]["value"]}"'
        for node in _nodes(driver, within, None)
        if node["role"]["value"] in wanted and node.get("name", {}).get("value")
    ]


def _nodes(
    driver: WebDriver, within: WebElement | None, name: str | None
) -> list[dict[str, Any]]:
    """The nodes of the accessibility tree, but for those that it leaves out."""
    driver.execute_script(f"{_PLACE} = arguments[0] || document", within)
    root = driver.execute_cdp_cmd("Runtime.evaluate", {"expression": _PLACE})
    query = {"objectId": root["result"]["objectId"]}
    if name is not None:
        query["accessibleName"] = name
    nodes = driver.execute_cdp_cmd("Accessibility.queryAXTree", query)["nodes"]
    return [node for node in nodes if not node["ignored"]]


def _is(node: dict[str, Any], roles: set[str], name: str) -> bool:
    has = node.get("name", {}).get("value")
    return node["role"]["value"] in roles and has == name


def _elements(driver: WebDriver, ids: list[int]) -> list[WebElement]:
    if not ids:
        return []
    driver.execute_script(f"{_PLACE} = []")
    for id in ids:
        given = {"backendNodeId": id}
        held = driver.execute_cdp_cmd("DOM.resolveNode", given)["object"]
        driver.execute_cdp_cmd(
            "Runtime.callFunctionOn",
            {
                "objectId": held["objectId"],
                "functionDeclaration": f"function() {{ {_PLACE}.push(this) }}",
            },
        )
    found: list[WebElement] = driver.execute_script(f"return {_PLACE}")
    return found
