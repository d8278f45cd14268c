"""The health of Ollama, and whether one of its models can be called."""

import json
from collections.abc import Iterator

import msgspec

from ..administration.views import state
from ..aliases import aliases
from ..errors import UpstreamError
from ..gateway.globs import alias_names, matcher
from ..gateway.globs import names as names_of
from ..gateway.names import Names
from ..moment import now_ms
from ..settings import Settings
from ..stand_in import is_simulator
from ..upstream import Upstream
from ..wire import ollama as wire
from ..wire.names import key as key_of
from .finding import Finding, bad, note, ok
from .health_here import Here
from .health_pannier import MADE_UP, beside
from .installed import installed, of_ollama, shows

_PATIENCE = 5.0

CANNOT_CONNECT = (
    "Cannot connect to Ollama at {url}: start it ('ollama serve'), or say where it is"
    " ('pannier settings set OLLAMA_URL URL')."
)
#: The same where the database, which may name another address, cannot be read.
CANNOT_CONNECT_YET = (
    "Cannot connect to Ollama at {url}: start it ('ollama serve'), or mend the database"
    " first: the address in it, if one is set there, could not be read."
)
NOT_FOUND = "Model not found: {why}."


def ollama(settings: Settings, known: bool = True) -> Iterator[Finding]:
    """Look whether it answers, and what it has.

    Not ``known``: there may be another address, in a database that cannot be read.
    """
    upstream = Upstream.of(settings)
    url, version = settings.upstream_url, ""
    cannot = (CANNOT_CONNECT if known else CANNOT_CONNECT_YET).format(url=url)
    try:
        found = json.loads(upstream.control("GET", "/api/version", timeout=_PATIENCE))
        version = str(found["version"])
        yield ok(f"Ollama {version} answers at {url}")
        if not known:
            yield note("The database may name another address, which cannot be read.")
        if is_simulator(version):
            yield note(f"That is Pannier's own simulator: {MADE_UP}.")
        yield from _loaded(upstream)
    except UpstreamError as error:
        yield bad(cannot)
        yield note(f"What it said: {error.detail or error.message}")
    except (ValueError, LookupError, TypeError):
        yield bad(cannot)
        yield note("What answers there is not Ollama.")
    finally:
        upstream.close()
    if not is_simulator(version):
        yield from beside(settings, bool(version))
    there = of_ollama(settings)
    if there == []:
        yield bad(NOT_FOUND.format(why="Ollama has none; 'ollama pull llama3.2'"))
    elif there:
        yield ok(f"It has {len(there)} models")


def _loaded(upstream: Upstream) -> Iterator[Finding]:
    answer = upstream.control("GET", "/api/ps", timeout=_PATIENCE)
    for raw in msgspec.json.decode(answer, type=wire.ListResponse).models or ():
        loaded = msgspec.json.decode(raw, type=wire.LoadedModel)
        length = loaded.context_length or "an unknown number of"
        yield ok(f"{loaded.called} is in memory, with a context of {length} tokens")


def model(asked: str, here: Here) -> Iterator[Finding]:
    """Whether a model of this name can be called, and by which keys."""
    there = installed(here.settings)
    if there is None:
        return
    has = set(map(key_of, there))
    names = Names(aliases(here.settings.aliases), here.kept.aliases or [])
    target, alias = names.meant(asked.strip(), lambda one: key_of(one) in has)
    listed = key_of(target) in has
    known = listed or shows(here.settings, target)
    stands = f"{asked!r}" if target == asked else f"{asked!r}, which is {target!r},"
    if not known:
        some = ", ".join(sorted(there)[:10])
        why = f"Ollama has no {target!r}; 'ollama pull {target}' gets it"
        yield bad(NOT_FOUND.format(why=f"{why} (it has {some or 'none'})"))
    elif not _enabled(target, here):
        why = f"{stands} is disabled; 'pannier models set {target} --enable'"
        yield bad(NOT_FOUND.format(why=why))
    else:
        yield ok(f"{stands} can be called")
        yield from _refused(asked, target, alias, here)


def _refused(asked: str, target: str, alias: str, here: Here) -> Iterator[Finding]:
    """The keys that may not use it, or the one that is asked about."""
    known, said = (*names_of(target), *alias_names(alias)), alias_names(asked)
    for key in [here.key] if here.key else here.kept.keys or []:
        if state(key, now_ms()) in ("revoked", "expired"):
            continue
        globs = matcher(key.terms.allow_models, key.terms.deny_models)
        if not globs.admits(known) or (alias and globs.denies(said)):
            why = (
                f"the key {key.name!r} may not use {asked!r};"
                f" 'pannier keys set {key.name} --allow GLOB' changes that"
            )
            yield (bad if here.key else note)(NOT_FOUND.format(why=why))


def _enabled(target: str, here: Here) -> bool:
    for entry in here.kept.models or []:
        if key_of(entry.name) == key_of(target):
            return entry.enabled
    return here.settings.new_models == "enabled"
