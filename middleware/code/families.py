"""Families: how each kind of model is asked to fill a hole.

What is known of them is data (``families.toml``, which explains its fields); a file of
the user's comes before it.  Specification: code completion, sections 4 and 5.
"""

import re
import tomllib
from collections.abc import Iterator, Sequence
from fnmatch import translate
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec

from app.gateway.entries import CodeMode, CodeStrategy
from app.gateway.template import FILE_HOLES, Template, TemplateError
from writers.trim import JOINER

from .hole import File, Hole
from .languages import comment_sign

BUILT_IN = Path(__file__).with_name("families.toml")
#: A longer name is no model's, and is not looked at.
_LONGEST_NAME = 400
_CACHED_NAMES = 1024
#: The fields that hold a template.
_TEMPLATES = ("template", "repo", "file", "current")

_Text = Annotated[str, msgspec.Meta(min_length=1)]
#: A joiner has to have a place in it.
_Token = Annotated[str, msgspec.Meta(min_length=2)]


class FamiliesError(ValueError):
    """A file of families cannot be used; the text is one sentence that says why."""


class Family(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True
):
    """One entry; ``families.toml`` explains the fields."""

    name: _Text
    match: tuple[_Text, ...] = ()
    except_: tuple[_Text, ...] = msgspec.field(default=(), name="except")
    families: tuple[_Text, ...] = ()
    strategy: CodeStrategy = "raw"
    template: str = ""
    repo: str = ""
    file: str = ""
    current: str = ""
    comments: bool = False
    stop: tuple[_Text, ...] = ()
    stop_with_files: tuple[_Text, ...] = ()
    tokens: tuple[_Token, ...] = ()
    markers: str = ""
    better: bool = False
    mode: CodeMode = ""
    shape: Literal["", "seed"] = ""
    rewrite: bool = True

    def prompt(self, hole: Hole) -> str:
        """The raw prompt for a hole, with its files."""
        return self.compiled("template").filled(hole.values(self._extra(hole)))

    def stops(self, hole: Hole) -> list[str]:
        """Where the model's text ends."""
        return [*self.stop, *(self.stop_with_files if self._files(hole) else ())]

    def neutral(self, text: str) -> str:
        """The text with a joiner inside each of the family's markers."""
        if not self.tokens or not self._tokens.search(text):
            return text
        for token in self.tokens:
            text = text.replace(token, f"{token[0]}{JOINER}{token[1:]}")
        return text

    def ollama_template(self, original: str) -> str:
        """A model's template in Go's language, as if it knew the family's form.

        Only what goes in raw has such a form; a template that uses a suffix stays.
        """
        if self.strategy != "raw" or ".Suffix" in original:
            return original
        form = self.prompt(Hole("{{ .Prompt }}", "{{ .Suffix }}"))
        # A dash takes away the white space before it.
        otherwise = "{{ else }}" if form[-1].isspace() else "{{- else }}"
        return f"{{{{- if .Suffix }}}}{form}{otherwise}{original}{{{{- end }}}}"

    def compiled(self, field: str) -> Template:
        """The template in one of the fields.  Raises ``TemplateError``."""
        if field not in self._compiled:
            self._compiled[field] = self._compile(field)
        return self._compiled[field]

    @cached_property
    def _compiled(self) -> dict[str, Template]:
        return {}

    def _compile(self, field: str) -> Template:
        if field == "template":
            return Template(self.template or "{code_prefix}")
        if field == "file":
            return Template(self.file, FILE_HOLES, needed="")
        return Template(getattr(self, field), needed="")

    @cached_property
    def _tokens(self) -> re.Pattern[str]:
        return re.compile("|".join(map(re.escape, self.tokens)))

    def _files(self, hole: Hole) -> tuple[File, ...]:
        return hole.files if self.file else ()

    def _extra(self, hole: Hole) -> str:
        """The context that stands before the hole."""
        files = self._files(hole)
        if not files:
            return ""
        known = hole.values()
        pieces = [self.compiled("repo").filled(known)] if hole.repo else []
        file = self.compiled("file")
        pieces += [
            file.filled(dict(zip(FILE_HOLES, each, strict=True))) for each in files
        ]
        pieces.append(self.compiled("current").filled(known))
        if not self.comments:
            return "".join(pieces)
        return _commented(pieces, comment_sign(hole.language, hole.path))


class Families:
    """The families that are known, in the order in which they count."""

    def __init__(self, known: Sequence[Family]) -> None:
        self.known = known
        self._patterns = [(_any(f.match), _any(f.except_), f) for f in known]
        self._cached = lru_cache(_CACHED_NAMES)(self._found)

    @classmethod
    def load(cls, path: str | None = None) -> "Families":
        """Those of the user's file, if there is one, then our own.

        Raises ``FamiliesError``.
        """
        own = _read(Path(path)) if path else []
        return cls([*own, *_built_in()])

    def of(self, model: str, family: str = "") -> Family | None:
        """The family of a model; ``family`` is Ollama's ``details.family``."""
        if len(model) > _LONGEST_NAME:
            return None
        return self._cached(model, family)

    def _found(self, model: str, family: str) -> Family | None:
        name = library_name(model)
        for match, exception, known in self._patterns:
            if match.match(name) and not exception.match(name):
                return known
        return next((known for known in self.known if family in known.families), None)


@lru_cache
def _built_in() -> list[Family]:
    return _read(BUILT_IN)


def library_name(model: str) -> str:
    """The last part of a model's name, in lower case, with its tag."""
    name = model.strip().rpartition("/")[2].lower()
    return name if ":" in name else f"{name}:latest"


def _any(globs: Sequence[str]) -> re.Pattern[str]:
    """What matches one of the patterns; nothing when there is none."""
    return re.compile("|".join(translate(glob.lower()) for glob in globs) or r"(?!)")


def _commented(pieces: Sequence[str], sign: str) -> str:
    """Texts as lines of comments."""
    lines = [line for piece in pieces for line in piece.splitlines()]
    return "".join([f"{sign} {line}".rstrip() + "\n" for line in lines])


def _read(path: Path) -> list[Family]:
    """The entries of a file.  Raises ``FamiliesError``."""
    try:
        with path.open("rb") as file:
            data = tomllib.load(file)
    except OSError as error:
        raise FamiliesError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise FamiliesError(f"{path} is not TOML: {error}") from None
    entries = data.pop("family", [])
    if data:
        raise FamiliesError(f"{path}: {next(iter(data))} is not known here")
    if not isinstance(entries, list):
        raise FamiliesError(f"{path}: an entry begins with [[family]]")
    return [_entry(path, number, entry) for number, entry in enumerate(entries, 1)]


def _entry(path: Path, number: int, entry: Any) -> Family:
    """One entry, checked."""
    name = entry.get("name", "") if isinstance(entry, dict) else ""
    place = f"{path}: family {number}" + (f" ({name})" if name else "")
    try:
        family = msgspec.convert(entry, Family)
    except msgspec.ValidationError as error:
        message, _, field = str(error).partition(" - at `$.")
        if message.startswith("Invalid enum value"):
            message += f", which is none of {', '.join(_choices(field.rstrip('`')))}"
        where = f", {field.rstrip('`')}" if field else ""
        raise FamiliesError(f"{place}{where}: {message}") from None
    for problem in _problems(family):
        raise FamiliesError(f"{place}, {problem}")
    return family


def _choices(field: str) -> list[str]:
    """The values that a field can have, of those that have few."""
    kinds = {one.encode_name: one.type for one in msgspec.structs.fields(Family)}
    return [repr(value) for value in get_args(kinds[field]) if value]


def _problems(family: Family) -> Iterator[str]:
    """What is wrong with an entry whose fields have the right types."""
    if not family.match and not family.families:
        yield "match: there is no pattern, so no model is meant"
    if family.strategy == "raw" and not family.template:
        yield "template: the strategy raw needs one"
    if family.file and "{extra}" not in family.template:
        yield "file: it would be nowhere, for the template has no {extra}"
    for field in _TEMPLATES:
        try:
            family.compiled(field)
        except TemplateError as error:
            yield f"{field}: {error}"
