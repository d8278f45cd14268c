"""Globs: patterns of names of models, and what a key's patterns let it use.

``*`` stands for any text, ``/`` and ``:`` among it, ``?`` for one character, ``[a-z]``
for one of a set, ``[!a-z]`` for one of all others and ``[[]`` for the bracket itself;
case does not count (specification: gateway, section 4).
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from ..wire.names import key

MAX_LENGTH = 256
MAX_STARS = 16
#: Lists of globs that stay compiled; keys often share theirs.
_REMEMBERED = 10_000

#: What Ollama takes for the name of a model (``types/model/name.go``).  Of others it
#: may make a name all the same, and nobody could say which.
_NAME = re.compile(
    r"(?:(?:(?:https?://)?[a-z0-9_][a-z0-9_.:-]{0,349}/)?[a-z0-9_][a-z0-9_-]{0,79}/)?"
    r"[a-z0-9_][a-z0-9_.-]{0,79}(?::[a-z0-9_][a-z0-9_.-]{0,79})?"
)
#: A tag that says where a model is, not which: Ollama runs ``x:latest`` for it.
_NO_TAG = ":local"
_REGISTRY, _LIBRARY, _LATEST = "registry.ollama.ai/", "library/", ":latest"

#: How globs may begin for what names leave out; who does so means no other place.
_LEFT_OUT = {
    _REGISTRY + _LIBRARY: "(?!.*/)",
    _REGISTRY: "(?!.*/.*/)",
    _LIBRARY: "(?!.*/)",
}
_TOKEN = re.compile(r"\*|\?|\[\[\]|\[[!^]?[^\[\]]+\]|.", re.DOTALL)


def names(model: str) -> tuple[str, ...]:
    """The names under which globs know a model, shortest last; none for no model.

    The default registry and namespace are left out, ``:latest`` may be.
    """
    lower = model.lower()
    if not (model.isascii() and _NAME.fullmatch(lower)) or lower.endswith(_NO_TAG):
        return ()
    return _both(_short(key(lower)))


def alias_names(alias: str) -> tuple[str, ...]:
    """The same for another name of a model, which need not look like one."""
    lower = alias.strip().lower()
    return _both(lower) if lower else ()


def check(glob: str) -> None:
    """Raise ``ValueError``, with what is wrong, unless this is a glob."""
    _compiled(glob)


class Matcher:
    """What two lists of globs let through; one that is wrong lets nothing through."""

    def __init__(self, allow: Iterable[str], deny: Iterable[str] = ()) -> None:
        self._allow = _any_of(allow, "(?!)")
        self._deny = _any_of(deny, ".*")

    def denies(self, names: Iterable[str]) -> bool:
        """Whether one of these names is denied."""
        return any(map(self._deny.fullmatch, names))

    def admits(self, names: Iterable[str]) -> bool:
        """Whether what has these names is allowed by one of them and denied by none."""
        known = tuple(names)
        if any(map(self._deny.fullmatch, known)):
            return False
        return any(map(self._allow.fullmatch, known))


@lru_cache(_REMEMBERED)
def matcher(allow: tuple[str, ...], deny: tuple[str, ...]) -> Matcher:
    """The matcher for two lists, compiled when it is first wanted."""
    return Matcher(allow, deny)


def _both(name: str) -> tuple[str, ...]:
    """A name, with ``:latest`` and without, if that is one of its spellings."""
    if name.endswith(_LATEST):
        return name, name.removesuffix(_LATEST)
    if ":" not in name.rpartition("/")[2]:
        return name + _LATEST, name
    return (name,)


def _short(name: str) -> str:
    return name.removeprefix(_REGISTRY).removeprefix(_LIBRARY)


def _any_of(globs: Iterable[str], otherwise: str) -> re.Pattern[str]:
    """Matches what one of the globs fits; ``otherwise`` is for one that is wrong."""
    return re.compile("|".join(_tried(g, otherwise) for g in globs) or "(?!)", re.S)


def _tried(glob: str, otherwise: str) -> str:
    try:
        return _compiled(glob)
    except ValueError:  # nobody could have saved it
        return otherwise


def _compiled(glob: str) -> str:
    """One glob as a pattern that looks at each place once, however many its stars."""
    if not 0 < len(glob) <= MAX_LENGTH:
        raise ValueError(f"a pattern has 1 to {MAX_LENGTH} characters")
    if glob.count("*") > MAX_STARS:
        raise ValueError(f"a pattern has at most {MAX_STARS} times *")
    if re.search(r"[\s\x00-\x1f\x7f]", glob.replace("[ ]", "")):
        raise ValueError("a pattern has no spaces: no name of a model has")
    glob = glob.lower()
    begun = next(
        (beginning for beginning in _LEFT_OUT if glob.startswith(beginning)), ""
    )
    parts = [_LEFT_OUT.get(begun, "")]
    for token in _TOKEN.findall(glob.removeprefix(begun)):
        if token == "*":  # noqa: S105 - no secret
            parts.append("")
        else:
            parts[-1] += _one(token)
    first, *more = parts
    if not more:
        return first
    return first + "".join(f"(?>.*?{part})" for part in more[:-1]) + ".*" + more[-1]


def _one(token: str) -> str:
    """The pattern for one character."""
    if token == "?":  # noqa: S105 - no secret
        return "."
    if token == "[":  # noqa: S105 - no secret
        raise ValueError("after [ a pattern wants characters, none of them [, and ]")
    return _set(token[1:-1]) if token.startswith("[") else re.escape(token)


def _set(inside: str) -> str:
    others = inside[0] in "!^" and len(inside) > 1
    found = []
    for low, high, one in re.findall(r"(.)-(.)|(.)", inside[others:], re.DOTALL):
        if low > high:
            raise ValueError(f"a pattern's set runs backwards: [{inside}]")
        found.append(re.escape(one) or f"{re.escape(low)}-{re.escape(high)}")
    return f"[{'^' if others else ''}{''.join(found)}]"
