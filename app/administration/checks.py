"""Checks: what is wrong with what somebody wants to set, in one sentence each.

All are pure.  Specification: gateway, sections 2 and 4; decisions, 29.
"""

import re
from collections.abc import Callable, Container, Iterable, Mapping
from functools import partial
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta

from ..aliases import is_pattern
from ..gateway import globs, overrides
from ..gateway.entries import AliasEntry, ModelEntry
from ..gateway.keys import Moment, Name, Terms
from ..gateway.template import Template
from ..moment import LAST
from ..storage.refusal import Refused
from ..wire.names import key as key_of

Struct = TypeVar("Struct", bound=msgspec.Struct)

#: The overrides that were there before a change, which have no effect where an older
#: Pannier took what this one does not: they are no reason to refuse another change.
Before = Mapping[str, Any] | None

#: What a longer text may have beside what can be seen.
_BREAKS = str.maketrans("", "", "\n\r\t")
#: What msgspec says of a text that does not fit a pattern, which helps nobody.
_PATTERN = re.compile(r"Expected `str` matching regex .*", re.DOTALL)
_MODEL = re.compile(r"[^\s*?]{1,512}")
_ALIAS = re.compile(r"[A-Za-z0-9._:/@+*?-]{1,128}")


class KeyForm(Terms, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator says of a key: its terms, and these."""

    name: Name
    notes: Annotated[str, Meta(max_length=2000)] = ""
    enabled: bool = True
    expires_at: Moment | None = None

    @property
    def terms(self) -> Terms:
        """The terms alone."""
        fields = Terms.__struct_fields__
        return Terms(**{field: getattr(self, field) for field in fields})


def shaped(given: Mapping[str, Any], kind: type[Struct]) -> Struct:
    """``given``, as JSON has it, as a struct; raises ``Refused``."""
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise refusal(error, kind) from None


def refusal(error: msgspec.ValidationError, kind: Any, place: str = "") -> Refused:
    """What msgspec has against a value of type ``kind`` at a place, as ``Refused``."""
    said, _, path = str(error).partition(" - at `$")
    said = _PATTERN.sub("this has characters that it cannot have", said)
    # Of a mapping msgspec does not say which entry is meant.
    path = path.partition("[...]")[0].strip(".`")
    if choices := _choices(kind, path):
        said = f"{said.rstrip('.')}: one of {', '.join(map(repr, choices))} is wanted"
    field = re.search(r"field `([^`]*)`", said)
    where = f"{place}.{path}".replace(".[", "[").strip(".")
    return Refused(f"{where}: {said}." if where else f"{said}.", where or _name(field))


def _name(field: re.Match[str] | None) -> str:
    return field[1] if field else ""


def _choices(kind: Any, path: str) -> tuple[Any, ...]:
    """What may be at a path in a value of type ``kind``, if that is one of a few."""
    found: Any = msgspec.inspect.type_info(kind)
    for name in re.findall(r"[^.\[\]]+", path):
        below = {one.encode_name: one.type for one in getattr(found, "fields", ())}
        found = below.get(name, getattr(found, "item_type", None))
    choices: tuple[Any, ...] = getattr(found, "values", ())
    return choices


def key_form(given: Mapping[str, Any], before: Before = None) -> KeyForm:
    """A key's form, with nothing wrong in it."""
    form = shaped(given, KeyForm)
    check_name(form.name)
    check_text(form.notes, "notes")
    check_terms(form, before)
    return form


def check_news(form: KeyForm, fields: Iterable[str], now: Moment) -> None:
    """Raise ``Refused`` for what may be, but is never meant when somebody says it.

    ``fields`` are those that somebody said; ``now`` is in milliseconds.
    """
    said = set(fields)
    if "expires_at" in said and form.expires_at is not None:
        if form.expires_at <= now:
            raise Refused("A key cannot expire in the past.", "expires_at")
        check_moment(form.expires_at, "expires_at")
    if "allow_models" in said and not form.allow_models:
        raise Refused(
            "A key that may use no model is of no use; '*' means all of them.",
            "allow_models",
        )
    if "allow_endpoints" in said and not form.allow_endpoints:
        raise Refused("A key that may use no endpoint is of no use.", "allow_endpoints")


def check_name(name: str, field: str = "name") -> None:
    """Raise ``Refused`` for a name that would spoil lists, or the lines of logs.

    What turns the direction of writing makes a name look like another one.
    """
    if not name.isprintable() or name != name.strip():
        raise Refused(
            "A name has only characters that can be seen, and no spaces around.", field
        )


def check_text(text: str, field: str) -> None:
    """Raise ``Refused`` for a text of several lines with what cannot be seen in it."""
    if not text.translate(_BREAKS).isprintable():
        raise Refused(f"'{field}' has characters that cannot be seen.", field)


def check_moment(at: Moment, field: str) -> None:
    """Raise ``Refused`` for a time in milliseconds that no calendar can show."""
    if not 0 <= at <= LAST:
        raise Refused(f"'{field}' is a time from 1970 up to the year 9999.", field)


def check_terms(terms: Terms, before: Before = None) -> None:
    """Raise ``Refused`` for patterns, models and overrides that mean nothing."""
    for field in ("allow_models", "deny_models"):
        for glob in getattr(terms, field):
            said_of(partial(globs.check, glob), field)
    for field in ("default_model", "default_code_model"):
        name = getattr(terms, field)
        if name and not (_MODEL.fullmatch(name) and name.isprintable()):
            raise Refused(f"{name!r} is not a model's name.", field)
    check_overrides(terms.overrides, before)


def check_overrides(found: Mapping[str, Any], before: Before = None) -> None:
    """Raise ``Refused`` for overrides that mean nothing, unless they are no news.

    It names the parameter: ``overrides.temperature``.
    """
    if found == before:
        return
    try:
        overrides.check(found, "overrides")
    except overrides.OverrideError as error:
        raise Refused(f"{error}.", error.path[:128]) from None


def check_model(entry: ModelEntry, before: Before = None) -> None:
    """Raise ``Refused`` for what cannot be set for a model."""
    check_name(entry.name)
    check_text(entry.description, "description")
    check_overrides(entry.overrides, before)
    if (template := entry.code.template) is not UNSET:
        said_of(partial(Template, template), "code.template")


def check_alias(
    entry: AliasEntry, models: Container[str], before: Before = None
) -> None:
    """Raise ``Refused`` for an alias that means nothing, or hides one of ``models``.

    ``models`` are as ``app.wire.names.key`` has their names.
    """
    check_overrides(entry.overrides, before)
    check_name(entry.name)
    check_name(entry.target, "target")
    if entry.display and is_pattern(entry.name):
        raise Refused("A pattern cannot be shown as a model's name.", "display")
    if entry.name.lower() == entry.target.lower():
        raise Refused(f"{entry.name!r} cannot stand for itself.", "target")
    own, target = key_of(entry.name), key_of(entry.target)
    if entry.shadow or is_pattern(entry.name) or own == target:
        return
    if own in models:
        raise Refused(
            f"There is a model called {entry.name!r}, which this alias would hide; if"
            ' it shall, say --shadow, or over HTTP "shadow": true.',
            "name",
        )


def check_once(
    known: dict[str, str], identity: str, name: str, field: str = "name"
) -> None:
    """Note a name of a file; raise ``Refused`` where that is another's already.

    ``known`` are the names before it by their ``identity``, which spellings share.
    """
    if identity in known:
        raise Refused(
            f"{known[identity]!r} is in the file already, which is the same.", field
        )
    known[identity] = name


def check_new_alias(name: str) -> None:
    """Raise ``Refused`` for a name that no operator can give to an alias."""
    if not _ALIAS.fullmatch(name):
        raise Refused(
            "The name of an alias has 1 to 128 of A-Z a-z 0-9 . _ : / @ + - and, as a"
            " pattern, * ?.",
            "name",
        )


def said_of(check: Callable[[], object], param: str) -> None:
    """Run a check; what it says against something becomes ``Refused``."""
    try:
        check()
    except ValueError as error:
        text = str(error)
        where = "" if text.startswith(param) else f"{param}: "
        end = "" if text.endswith(".") else "."
        raise Refused(f"{where}{text}{end}", param) from None
