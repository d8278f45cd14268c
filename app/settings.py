"""Settings: every option of Pannier with its type, default and help.

One frozen struct, read once at the start from the environment and ``.env`` (the
environment wins).  A name that is not an option, or a value that does not fit, stops
the start with one sentence (``SettingsError``).  Nothing here knows WSGI.
"""

import ipaddress
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

Seconds = Annotated[float, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]

DEFAULT_UPSTREAM = "http://127.0.0.1:11434"


class SettingsError(ValueError):
    """A setting is wrong; the text is one sentence that names it."""


def _option(variable: str, help: str) -> Meta:
    return Meta(description=help, extra={"variable": variable})


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force.  Times are in seconds, sizes in bytes."""

    upstream_url: Annotated[
        str,
        _option("OLLAMA_URL", "where Ollama listens (OLLAMA_HOST is read as well)"),
    ] = DEFAULT_UPSTREAM
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
        str, _option("PANNIER_STATE_DIR", "directory for files that must survive")
    ] = ""
    max_body_bytes: Annotated[
        int,
        Meta(ge=1024),
        _option("PANNIER_MAX_BODY_BYTES", "largest body of a translated request"),
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
        Annotated[int, Meta(ge=1)],
        _option(
            "PANNIER_HEADER_TIMEOUT",
            "to receive a request's head, and how long an idle connection is kept",
        ),
    ] = 5
    graceful_timeout: Annotated[
        Annotated[int, Meta(ge=1)],
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
        Annotated[int, Meta(ge=1)],
        _option("PANNIER_MAX_EMBEDDING_INPUTS", "inputs of one embeddings request"),
    ] = 2048

    @classmethod
    def from_environ(
        cls, environ: Mapping[str, str] | None = None, dotenv: Path | None = None
    ) -> "Settings":
        """Read the settings in force.

        ``dotenv`` is a file of ``NAME=value`` lines that the environment overrides
        (default: ``.env`` in the current directory when it exists).  Raises
        ``SettingsError``.
        """
        chosen = os.environ if environ is None else environ
        path = Path(".env") if dotenv is None else dotenv
        values = {**read_dotenv(path), **chosen}
        _refuse_unknown(values)
        fields = dict(_chosen(values))
        settings: Settings = _convert(fields)
        return msgspec.structs.replace(
            settings,
            upstream_url=_upstream_url(values),
            state_dir=settings.state_dir or _default_state_dir(values),
        )


class Option(msgspec.Struct, frozen=True):
    """One option as documentation and ``pannier config`` show it."""

    field: str
    variable: str
    default: Any
    help: str
    secret: bool = False


def options() -> list[Option]:
    """All options in the order of the struct."""
    return [
        Option(
            field.name,
            _variable(field.type),
            field.default,
            _description(field.type),
            secret=field.name == "upstream_api_key",
        )
        for field in msgspec.structs.fields(Settings)
    ]


def read_dotenv(path: Path) -> dict[str, str]:
    """The ``NAME=value`` lines of a ``.env`` file; no file means none.

    Blank lines and ``#`` comments are skipped, ``export`` is allowed, one pair of
    surrounding quotes is taken off.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsError(f"The file {path} cannot be read: {exc}.") from exc
    return dict(_dotenv_lines(path, text))


def _dotenv_lines(path: Path, text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip().removeprefix("export ")
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip().isidentifier():
            raise SettingsError(
                f"Line {number} of {path} is not of the form NAME=value."
            )
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        yield name.strip(), value


def _variable(annotation: Any) -> str:
    return str(_meta(annotation)["variable"])


def _description(annotation: Any) -> str:
    return next(m.description for m in _metas(annotation) if m.description)


def _meta(annotation: Any) -> dict[str, Any]:
    return next(m.extra for m in _metas(annotation) if m.extra)


def _metas(annotation: Any) -> list[Meta]:
    return [m for m in annotation.__metadata__ if isinstance(m, Meta)]


#: Other names of the same option, lower in rank than its own.
_SYNONYMS = {"host": "HOST", "port": "PORT"}


def _chosen(values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for option in options():
        value = values.get(option.variable, "")
        if not value and option.field in _SYNONYMS:
            value = values.get(_SYNONYMS[option.field], "")
            if option.field == "host" and not _is_listen_address(value):
                value = ""  # shells export HOST as the machine's name
        if value.strip():
            yield option.field, value.strip()


def _is_listen_address(value: str) -> bool:
    if value == "localhost":
        return True
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _refuse_unknown(values: Mapping[str, str]) -> None:
    known = {option.variable for option in options()}
    for name in sorted(values):
        if name.startswith("PANNIER_") and name not in known:
            raise SettingsError(
                f"{name} is not a setting of Pannier;"
                " 'pannier config' lists the names that are."
            )


def _convert(fields: dict[str, str]) -> Settings:
    for name, text in fields.items():
        _one(name, text)
    return msgspec.convert(fields, Settings, strict=False)


def _one(name: str, text: str) -> None:
    """Check one value by itself, so that the sentence can name its variable."""
    try:
        msgspec.convert({name: text}, Settings, strict=False)
    except msgspec.ValidationError as exc:
        option = next(o for o in options() if o.field == name)
        shown = "" if option.secret else f" {text!r}"
        reason = str(exc).split(" - at ")[0].replace("`", "'")
        raise SettingsError(
            f"{option.variable}{shown} cannot be used: {reason[0].lower()}{reason[1:]}."
        ) from None


def _default_state_dir(values: Mapping[str, str]) -> str:
    base = values.get("XDG_STATE_HOME") or f"{values.get('HOME', '')}/.local/state"
    return f"{base}/pannier"


def _upstream_url(values: Mapping[str, str]) -> str:
    """``OLLAMA_URL`` as it is, or ``OLLAMA_HOST`` as Ollama reads it."""
    url = values.get("OLLAMA_URL", "").strip()
    if url:
        return _checked_url("OLLAMA_URL", url)
    host = values.get("OLLAMA_HOST", "").strip().strip("'\"")
    if not host:
        return DEFAULT_UPSTREAM
    return _checked_url("OLLAMA_HOST", _from_ollama_host(host))


def _from_ollama_host(host: str) -> str:
    """Ollama's rule (``envconfig/config.go``): scheme and port are optional.

    Without a scheme the port is 11434, with one it is the scheme's own; an address
    that means "all interfaces" is reached by loopback.
    """
    scheme, found, rest = host.partition("://")
    if not found:
        scheme, rest = "http", host
    rest, slash, path = rest.partition("/")
    name, port = _split_port(rest)
    if not port:
        port = {"http": "80", "https": "443"}.get(scheme, "") if found else "11434"
    name = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(name, name)  # noqa: S104 - read, not bound
    name = f"[{name}]" if ":" in name else name
    return f"{scheme}://{name}:{port}{slash}{path}"


def _split_port(rest: str) -> tuple[str, str]:
    if rest.startswith("["):
        name, _, port = rest[1:].partition("]")
        return name, port.removeprefix(":")
    if rest.count(":") == 1:
        name, _, port = rest.partition(":")
        return name, port
    return rest, ""


def _checked_url(variable: str, url: str) -> str:
    # The URL itself may hold a password: the sentence does not repeat it.
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise SettingsError(f"{variable} is not a valid URL.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise SettingsError(
            f"{variable} must look like http://127.0.0.1:11434 or https://host."
        )
    if parts.query or parts.fragment or parts.username is not None:
        raise SettingsError(
            f"{variable} may hold a host, a port and a path, and nothing else."
        )
    return url.rstrip("/")
