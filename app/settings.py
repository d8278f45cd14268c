"""Settings: every option of Pannier with its type, default and help.

One frozen struct, read once at the start from the environment and ``.env`` (the
environment wins).  A name that is not an option, or a value that does not fit, stops
the start with one sentence (``SettingsError``).  Nothing here knows WSGI.
"""

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from . import dotenv, ollama_host
from .option import Given, Option, SettingsError, is_listen_address, meaning

__all__ = ["InForce", "Option", "Settings", "SettingsError", "in_force", "options"]

_YEAR = 31_536_000  # more is a mistake, and some clocks overflow

Seconds = Annotated[float, Meta(ge=0, le=_YEAR)]
Positive = Annotated[float, Meta(gt=0, le=_YEAR)]
WholeSeconds = Annotated[int, Meta(ge=1, le=_YEAR)]


def _option(variable: str, help: str) -> Meta:
    return Meta(description=help, extra={"variable": variable})


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force.  Times are in seconds, sizes in bytes."""

    upstream_url: Annotated[
        str,
        _option("OLLAMA_URL", "where Ollama listens (OLLAMA_HOST is read as well)"),
    ] = ollama_host.DEFAULT_URL
    upstream_api_key: Annotated[
        str, _option("OLLAMA_API_KEY", "sent to Ollama as a bearer token; never shown")
    ] = ""
    upstream_client: Annotated[
        Literal["builtin", "requests"],
        _option("PANNIER_UPSTREAM_CLIENT", "HTTP client for a plain http Ollama"),
    ] = "builtin"
    host: Annotated[str, _option("PANNIER_HOST", "address to listen on (or HOST)")] = (
        "127.0.0.1"
    )
    port: Annotated[
        int, Meta(ge=0, le=65535), _option("PANNIER_PORT", "port (or PORT)")
    ] = 8080
    workers: Annotated[
        int, Meta(ge=1, le=256), _option("WEB_CONCURRENCY", "worker processes")
    ] = 1
    state_dir: Annotated[
        str,
        _option(
            "PANNIER_STATE_DIR",
            "directory for files that must survive; nothing is kept there yet",
        ),
    ] = ""
    max_body_bytes: Annotated[
        int,
        Meta(ge=1024),
        _option(
            "PANNIER_MAX_BODY_BYTES",
            "largest body of a request, native ones too; uploads (blobs, create, pull,"
            " push) have no limit",
        ),
    ] = 64 * 1024 * 1024
    connect_timeout: Annotated[
        Positive, _option("PANNIER_CONNECT_TIMEOUT", "to connect to Ollama")
    ] = 5.0
    first_byte_timeout: Annotated[
        Positive,
        _option("PANNIER_FIRST_BYTE_TIMEOUT", "until Ollama's first byte (streams)"),
    ] = 600.0
    idle_timeout: Annotated[
        Positive,
        _option("PANNIER_IDLE_TIMEOUT", "silence of Ollama inside a stream"),
    ] = 120.0
    total_timeout: Annotated[
        Seconds,
        _option("PANNIER_TOTAL_TIMEOUT", "a whole exchange; 0 means no limit"),
    ] = 3600.0
    body_timeout: Annotated[
        Positive, _option("PANNIER_BODY_TIMEOUT", "to receive a request's body")
    ] = 60.0
    header_timeout: Annotated[
        WholeSeconds,
        _option(
            "PANNIER_HEADER_TIMEOUT",
            "to receive a request's head, and how long an idle connection is kept",
        ),
    ] = 5
    graceful_timeout: Annotated[
        WholeSeconds,
        _option("PANNIER_GRACEFUL_TIMEOUT", "for running answers when stopping"),
    ] = 60
    access_log: Annotated[
        bool, _option("PANNIER_ACCESS_LOG", "one line on stdout for each request")
    ] = True
    openai_defaults: Annotated[
        bool,
        _option(
            "PANNIER_OPENAI_DEFAULTS",
            "send temperature 1 and top_p 1 when a request names none, as OpenAI and "
            "Ollama's own layer do; off: the model's own parameters count",
        ),
    ] = True
    think: Annotated[
        Literal["auto", "off"],
        _option(
            "PANNIER_THINK",
            "when a request does not say: auto leaves it to the model, off forbids it",
        ),
    ] = "auto"
    reasoning_field: Annotated[
        Literal["both", "reasoning", "reasoning_content", "off"],
        _option("PANNIER_REASONING_FIELD", "where answers carry a model's reasoning"),
    ] = "both"
    max_embedding_inputs: Annotated[
        int,
        Meta(ge=1),
        _option("PANNIER_MAX_EMBEDDING_INPUTS", "inputs of one embeddings request"),
    ] = 2048

    @classmethod
    def from_environ(
        cls, environ: Mapping[str, str] | None = None, env_file: Path | None = None
    ) -> "Settings":
        """Read the settings in force.

        ``env_file`` is a file of ``NAME=value`` lines that ``environ`` overrides; the
        defaults are ``.env`` in the current directory and ``os.environ``.  Raises
        ``SettingsError``.
        """
        return _settings(_given(environ, env_file))


class InForce(msgspec.Struct, frozen=True):
    """One option's value as ``pannier config`` shows it, secrets masked."""

    option: Option
    shown: str
    source: str


def options() -> list[Option]:
    """All options in the order of the struct."""
    return [
        Option(
            field.name,
            _meta(field.type).extra["variable"],  # type: ignore[index]
            field.type,
            field.default,
            str(_meta(field.type).description),
            secret=field.name == "upstream_api_key",
        )
        for field in msgspec.structs.fields(Settings)
    ]


def in_force(
    environ: Mapping[str, str] | None = None, env_file: Path | None = None
) -> list[InForce]:
    """Each option with its value and where that is from; raises ``SettingsError``."""
    given = _given(environ, env_file)
    settings = _settings(given)
    return [
        InForce(option, _shown(option, settings), _source(given.get(option.field)))
        for option in options()
    ]


def _shown(option: Option, settings: Settings) -> str:
    value = getattr(settings, option.field)
    if option.secret and value:
        return "********"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _source(given: Given | None) -> str:
    return f"{given.variable} in {given.where}" if given else "default"


def _meta(annotation: Any) -> Meta:
    metas: tuple[Meta, ...] = annotation.__metadata__
    return next(m for m in metas if m.extra)


#: Other names of the same option, lower in rank than its own in the same place.
_SYNONYMS = {"host": "HOST", "port": "PORT", "upstream_url": "OLLAMA_HOST"}


def _given(
    environ: Mapping[str, str] | None, env_file: Path | None
) -> dict[str, Given]:
    """What somebody set, by field; a name that is no option is refused."""
    path = Path(".env") if env_file is None else env_file
    try:
        from_file = dotenv.read(path)
    except ValueError as exc:
        raise SettingsError(str(exc)) from exc
    chosen: dict[str, Given] = {}
    for where, values in (
        (path.name, from_file),
        ("the environment", os.environ if environ is None else environ),
    ):
        place = {k: Given(text.strip(), k, where) for k, text in values.items()}
        _refuse_unknown(place)
        chosen |= _chosen(place)
    return chosen


def _chosen(given: Mapping[str, Given]) -> Iterator[tuple[str, Given]]:
    """By field what counts of one place; an empty text is as good as none."""
    for option in options():
        for variable in (option.variable, _SYNONYMS.get(option.field, "")):
            found = given.get(variable)
            if found is None or not found.text:
                continue
            if variable == "HOST" and not is_listen_address(found.text):
                continue  # shells export HOST as the machine's name
            yield option.field, found
            break


_SEE_LIST = "'pannier config' lists the names that are."


def _refuse_unknown(given: Mapping[str, Given]) -> None:
    known = {option.variable: option.variable for option in options()}
    guesses = {f"PANNIER_{o.field.upper()}": o.variable for o in options()}
    guesses |= {f"PANNIER_{variable}": variable for variable in known} | known
    for name in sorted(given):
        if name.startswith("PANNIER_") and name not in known:
            close = difflib.get_close_matches(name, guesses, n=1, cutoff=0.8)
            hint = f"did you mean {guesses[close[0]]}?" if close else _SEE_LIST
            raise SettingsError(
                f"{given[name].named} is not a setting of Pannier; {hint}"
            )


def _settings(given: Mapping[str, Given]) -> Settings:
    values = {
        o.field: meaning(o, given[o.field]) for o in options() if o.field in given
    }
    state_dir = values.get("state_dir") or _default_state_dir()
    settings = Settings(**{**values, "state_dir": os.path.expanduser(state_dir)})
    if "upstream_url" in given and _is_own_address(settings):
        raise SettingsError(
            f"{given['upstream_url'].named} is the address that Pannier itself listens"
            " on; Ollama's is wanted (OLLAMA_URL counts before OLLAMA_HOST)."
        )
    return settings


_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound


def _is_own_address(settings: Settings) -> bool:
    """Whether requests to the upstream would come back here, without end."""
    parts = urlsplit(settings.upstream_url)
    if (parts.port or {"http": 80}.get(parts.scheme, 443)) != settings.port:
        return False
    if settings.host in _LOOPBACK | _EVERYWHERE and parts.hostname in _LOOPBACK:
        return True
    return parts.hostname == settings.host


def _default_state_dir() -> str:
    base = os.environ.get("XDG_STATE_HOME", "")
    return f"{base if os.path.isabs(base) else '~/.local/state'}/pannier"
