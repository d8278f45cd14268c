"""Endpoints: the few names that stand for all paths."""

from ..gateway.groups import METRICS, OPEN, OPEN_BELOW, groups_for

#: Pannier's own pages and probes, and what nobody knows.
OWN, OTHER = "own", "other"
#: Methods and paths that are remembered: clients may invent some.
_REMEMBERED = 1000

_known: dict[tuple[str, str], str] = {}


def endpoint(method: str, path: str) -> str:
    """What a request asks for: the group that a key needs for it, as a rule."""
    found = _known.get((method, path))
    if found is None:
        found = _named(method, path)
        if len(_known) < _REMEMBERED:
            _known[method, path] = found
    return found


def _named(method: str, path: str) -> str:
    if path in OPEN or path == METRICS or path.startswith(OPEN_BELOW):
        return OWN
    groups = groups_for(method, path)
    if not groups:
        return OTHER
    if "native" in groups:
        return "native"
    return min(groups - {"code"} or groups)
