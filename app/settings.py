"""Settings: every option of Pannier with its type, default and help.

One frozen struct, read once at the start from the environment and ``.env`` (the
environment wins).  A name that is not an option, or a value that does not fit, stops
the start with one sentence (``SettingsError``).  Nothing here knows WSGI.  It is long
because it is one table: an option is looked up, and documented, in one place.
"""

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from . import addresses, ollama_host
from .given import given
from .option import Given, Option, SettingsError, meaning

__all__ = ["Option", "Settings", "SettingsError", "options"]

_YEAR = 31_536_000  # more is a mistake, and some clocks overflow

Seconds = Annotated[float, Meta(ge=0, le=_YEAR)]
Positive = Annotated[float, Meta(gt=0, le=_YEAR)]
WholeSeconds = Annotated[int, Meta(ge=1, le=_YEAR)]


#: May hold a password: shown nowhere.
_SECRETS = {
    "admin_password",
    "database_url",
    "limits_url",
    "session_secret",
    "upstream_api_key",
}


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
    pin_upstream: Annotated[
        bool,
        _option(
            "PANNIER_PIN_UPSTREAM",
            "OLLAMA_URL counts, whatever address of Ollama was set in the database",
        ),
    ] = False
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
            "directory for what must survive a restart: the database and a secret",
        ),
    ] = ""
    database_url: Annotated[
        str,
        _option(
            "PANNIER_DATABASE_URL",
            "a PostgreSQL database for several machines to share; none: a file in the"
            " state directory; never shown",
        ),
    ] = ""
    secret_file: Annotated[
        str,
        _option(
            "PANNIER_SECRET_FILE",
            "the secret that keys are hashed with, the same on every machine that"
            " shares a database; none: a file in the state directory",
        ),
    ] = ""
    limits_url: Annotated[
        str,
        _option(
            "PANNIER_LIMITS_URL",
            "a Redis in which machines count together what keys use"
            " (redis://host:6379/0); none: each machine counts for itself; never shown",
        ),
    ] = ""
    auth: Annotated[
        Literal["auto", "on", "off"],
        _option(
            "PANNIER_AUTH",
            "whether requests need a key; auto: as soon as there is one",
        ),
    ] = "auto"
    admin_username: Annotated[
        str,
        Meta(min_length=1, max_length=64),
        _option("ADMIN_USERNAME", "who signs in first to administer Pannier over HTTP"),
    ] = "admin"
    admin_password: Annotated[
        str,
        _option(
            "ADMIN_PASSWORD",
            "the password for that, until it is changed; none: one is made, and said"
            " at the start; never shown",
        ),
    ] = ""
    session_secret: Annotated[
        str,
        _option(
            "SESSION_SECRET",
            "whoever is signed in has to sign in again when this is another one; never"
            " shown",
        ),
    ] = ""
    usage: Annotated[
        Literal["auto", "on", "off"],
        _option(
            "PANNIER_USAGE",
            "keep a row of what each request has used; auto: as soon as there is a key",
        ),
    ] = "auto"
    usage_days: Annotated[
        int,
        Meta(ge=1, le=3650),
        _option(
            "PANNIER_USAGE_DAYS",
            "days for which these rows are kept; their sums are kept for ever",
        ),
    ] = 30
    usage_client_ip: Annotated[
        Literal["full", "truncated", "none"],
        _option(
            "PANNIER_USAGE_CLIENT_IP",
            "what these rows, and the last use of a key, say of a client's address;"
            " truncated: its network, /24 or /48",
        ),
    ] = "full"
    new_models: Annotated[
        Literal["enabled", "disabled"],
        _option(
            "PANNIER_NEW_MODELS",
            "whether models for which nothing was set may be used",
        ),
    ] = "enabled"
    unknown_options: Annotated[
        Literal["allow", "drop", "reject"],
        _option(
            "PANNIER_UNKNOWN_OPTIONS",
            "what becomes of options that Ollama is not known to have",
        ),
    ] = "allow"
    responses_ttl: Annotated[
        int,
        Meta(ge=0, le=_YEAR),
        _option(
            "PANNIER_RESPONSES_TTL",
            "how long conversations of /v1/responses are kept after their last"
            " response; 0: not at all",
        ),
    ] = 30 * 86_400
    responses_max_bytes: Annotated[
        int,
        Meta(ge=1024 * 1024),
        _option(
            "PANNIER_RESPONSES_MAX_BYTES",
            "how much of them is kept; above it those go that would expire first",
        ),
    ] = 1024 * 1024 * 1024
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
    heartbeat: Annotated[
        Seconds,
        _option(
            "PANNIER_HEARTBEAT",
            "silence after which a stream says `: keep-alive` (one of messages: a"
            " ping), and how often it does; 0: never",
        ),
    ] = 10.0
    write_timeout: Annotated[
        Positive,
        _option(
            "PANNIER_WRITE_TIMEOUT", "a client that takes nothing more of its answer"
        ),
    ] = 120.0
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
    max_inflight: Annotated[
        int,
        Meta(ge=1),
        _option(
            "PANNIER_MAX_INFLIGHT",
            "requests that one worker answers at a time; more get a 503",
        ),
    ] = 2000
    relay: Annotated[
        Literal["auto", "all", "inference"],
        _option(
            "PANNIER_RELAY",
            "Ollama's own routes that Pannier has too: all, or only those that use"
            " models and do not change them; auto: all while it listens on loopback",
        ),
    ] = "auto"
    origins: Annotated[
        str,
        _option(
            "PANNIER_ORIGINS",
            "web pages that may use Pannier beside those of this machine, separated by"
            " commas; * stands for any text",
        ),
    ] = ""
    allowed_hosts: Annotated[
        str,
        _option(
            "PANNIER_ALLOWED_HOSTS",
            "names under which Pannier may be called beside this machine's, separated"
            " by commas; * stands for any text",
        ),
    ] = ""
    trusted_proxies: Annotated[
        str,
        _option(
            "PANNIER_TRUSTED_PROXIES",
            "addresses or networks whose X-Forwarded-For is believed, separated by"
            " commas; `unix` for those that come over a unix socket",
        ),
    ] = ""
    access_log: Annotated[
        bool, _option("PANNIER_ACCESS_LOG", "one line on stdout for each request")
    ] = True
    openai_defaults: Annotated[
        bool,
        _option(
            "PANNIER_OPENAI_DEFAULTS",
            "send temperature 1 and top_p 1 when a request names none (for responses"
            " temperature alone, for messages neither), as Ollama's own layer does;"
            " off: the model's own parameters count",
        ),
    ] = True
    think: Annotated[
        Literal["auto", "off"],
        _option(
            "PANNIER_THINK",
            "when a request does not say: auto leaves it to the model, off forbids it",
        ),
    ] = "auto"
    think_minimal: Annotated[
        Literal["off", "low"],
        _option(
            "PANNIER_THINK_MINIMAL",
            "what the effort `minimal` means to models that think or do not",
        ),
    ] = "off"
    think_unsupported: Annotated[
        Literal["drop", "error"],
        _option(
            "PANNIER_THINK_UNSUPPORTED",
            "what a wish to think becomes on a model that cannot",
        ),
    ] = "drop"
    reasoning_field: Annotated[
        Literal["both", "reasoning", "reasoning_content", "think_tags", "none"],
        _option("PANNIER_REASONING_FIELD", "where answers carry a model's reasoning"),
    ] = "both"
    exclude_reasoning: Annotated[
        bool,
        _option(
            "PANNIER_EXCLUDE_REASONING",
            "hide a model's reasoning where a request does not say",
        ),
    ] = False
    context: Annotated[
        Literal["ollama", "strict", "auto"],
        _option(
            "PANNIER_CONTEXT",
            "prompts longer than the context: ollama cuts them, strict refuses them,"
            " auto makes the context large enough",
        ),
    ] = "ollama"
    max_num_ctx: Annotated[
        int,
        Meta(ge=0),
        _option(
            "PANNIER_MAX_NUM_CTX",
            "the largest context that `auto` chooses; 0: the model's own",
        ),
    ] = 0
    strict: Annotated[
        bool,
        _option(
            "PANNIER_STRICT",
            "refuse with a 400 fields that would otherwise be ignored",
        ),
    ] = False
    legacy: Annotated[
        bool,
        _option(
            "PANNIER_LEGACY",
            "answer as Ollama's OpenAI layer did in 2024 (docs/legacy.md)",
        ),
    ] = False
    max_choices: Annotated[
        int,
        Meta(ge=1, le=128),
        _option("PANNIER_MAX_CHOICES", "the largest `n` and `best_of`"),
    ] = 8
    counting: Annotated[
        Literal["estimate", "exact"],
        _option(
            "PANNIER_TOKEN_COUNT",
            "how the tokens of a request are counted when a client asks: by a guess, or"
            " by Ollama, which reads the prompt for it",
        ),
    ] = "estimate"
    tool_choice: Annotated[
        Literal["emulate", "hint", "reject"],
        _option(
            "PANNIER_TOOL_CHOICE",
            "a forced `tool_choice`: hold the model to it, only ask it, or refuse",
        ),
    ] = "emulate"
    completions_raw: Annotated[
        Literal["never", "auto", "always"],
        _option(
            "PANNIER_COMPLETIONS_RAW",
            "continue a prompt of /v1/completions as plain text, without the model's"
            " template: auto for models without one, and with `echo`",
        ),
    ] = "never"
    max_embedding_inputs: Annotated[
        int,
        Meta(ge=1),
        _option("PANNIER_MAX_EMBEDDING_INPUTS", "inputs of one embeddings request"),
    ] = 2048
    embedding_batch: Annotated[
        int,
        Meta(ge=1),
        _option("PANNIER_EMBEDDING_BATCH", "inputs of one call to Ollama"),
    ] = 256
    image_fetch: Annotated[
        Literal["off", "public", "allowlist", "any"],
        _option(
            "PANNIER_IMAGE_FETCH",
            "which images Pannier fetches by URL: none, those of public addresses,"
            " those of PANNIER_IMAGE_HOSTS, or all",
        ),
    ] = "public"
    image_hosts: Annotated[
        str,
        _option(
            "PANNIER_IMAGE_HOSTS",
            "hosts (or host:port) that images may come from, separated by commas",
        ),
    ] = ""
    image_timeout: Annotated[
        Positive,
        _option(
            "PANNIER_IMAGE_TIMEOUT",
            "to fetch one image; all of a request have twice as long",
        ),
    ] = 10.0
    aliases: Annotated[
        str,
        _option(
            "PANNIER_ALIASES",
            "other names of models: name=model, separated by commas; * and ? stand for"
            " any text",
        ),
    ] = ""
    default_model: Annotated[
        str,
        _option(
            "PANNIER_DEFAULT_MODEL",
            "the model called `default`; none: the first installed one that chats",
        ),
    ] = ""
    code_model: Annotated[
        str,
        _option(
            "PANNIER_CODE_MODEL",
            "the model that completes code where a request names none, or `default`;"
            " none: the first installed one that can fill in",
        ),
    ] = ""
    code_families: Annotated[
        str,
        _option(
            "PANNIER_CODE_FAMILIES",
            "a TOML file of more families of models, their templates and stop strings"
            " (docs/editors.md); they come before the built-in ones",
        ),
    ] = ""
    code_rewrite: Annotated[
        bool,
        _option(
            "PANNIER_CODE_REWRITE",
            "put prompts to fill in to a model as its family has it; off:"
            " `/api/generate` with a model's name and `/v1/completions` leave that to"
            " Ollama, the routes that are for code do not",
        ),
    ] = True
    code_parser: Annotated[
        Literal["lenient", "strict"],
        _option(
            "PANNIER_CODE_PARSER",
            "which headers and markers of a prompt are understood: those of all known"
            " editors, or `# Language: `, `# Path: `, ` <SUF> ` and ` <MID>` alone",
        ),
    ] = "lenient"
    code_strategy: Annotated[
        Literal["auto", "raw", "suffix", "chat", "prefix"],
        _option(
            "PANNIER_CODE_STRATEGY",
            "how a model is asked to fill in: by its family's template, by Ollama's, by"
            " a conversation, by the text before alone; auto: as it can",
        ),
    ] = "auto"
    code_neutralize_markers: Annotated[
        bool,
        _option(
            "PANNIER_CODE_NEUTRALIZE_MARKERS",
            "keep a model's own markers in a file from being taken for markers",
        ),
    ] = True
    code_extended: Annotated[
        bool,
        _option(
            "PANNIER_CODE_EXTENDED",
            "answers of the model `default` also say `done_reason`, `resolved_model`"
            " and `template`",
        ),
    ] = False
    code_supersede: Annotated[
        bool,
        _option(
            "PANNIER_CODE_SUPERSEDE",
            "end a completion of code that has not begun when the same client asks for"
            " a newer one, unless it is a script (docs/editors.md)",
        ),
    ] = True
    code_cache: Annotated[
        Seconds,
        _option(
            "PANNIER_CODE_CACHE",
            "how long completions of code with temperature 0 are remembered; 0: not at"
            " all",
        ),
    ] = 60.0
    code_first_token_timeout: Annotated[
        Positive,
        _option(
            "PANNIER_CODE_FIRST_TOKEN_TIMEOUT",
            "until the first token of a completion of code, once the model is loaded",
        ),
    ] = 10.0
    code_load_timeout: Annotated[
        Positive,
        _option(
            "PANNIER_CODE_LOAD_TIMEOUT",
            "until the first token of a completion of code while the model is loaded",
        ),
    ] = 120.0
    code_timeout: Annotated[
        Positive,
        _option("PANNIER_CODE_TIMEOUT", "a completion of code, from its first token"),
    ] = 30.0
    model_facts: Annotated[
        bool,
        _option(
            "PANNIER_MODEL_FACTS",
            "/v1/models tells what models can do: capabilities, context length, ...",
        ),
    ] = False
    model_delete: Annotated[
        bool, _option("PANNIER_MODEL_DELETE", "let DELETE /v1/models/{model} delete")
    ] = False

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that no log may have, wherever they come from."""
        return (self.upstream_api_key, self.admin_password, self.session_secret)

    @classmethod
    def from_environ(
        cls, environ: Mapping[str, str] | None = None, env_file: Path | None = None
    ) -> "Settings":
        """Read the settings in force.

        ``env_file`` is a file of ``NAME=value`` lines that ``environ`` overrides; the
        defaults are ``.env`` in the current directory and ``os.environ``.  Raises
        ``SettingsError``.
        """
        return cls.meant(given(options(), environ, env_file))

    @classmethod
    def meant(cls, found: Mapping[str, Given]) -> "Settings":
        """The settings that texts mean, by field; raises ``SettingsError``."""
        return _settings(found)


@functools.cache  # annotations of so many fields take a millisecond
def options() -> tuple[Option, ...]:
    """All options in the order of the struct."""
    return tuple(
        Option(
            field.name,
            _meta(field.type).extra["variable"],  # type: ignore[index]
            field.type,
            field.default,
            str(_meta(field.type).description),
            secret=field.name in _SECRETS,
        )
        for field in msgspec.structs.fields(Settings)
    )


def _meta(annotation: Any) -> Meta:
    metas: tuple[Meta, ...] = annotation.__metadata__
    return next(m for m in metas if m.extra)


def _settings(found: Mapping[str, Given]) -> Settings:
    values = {
        o.field: meaning(o, found[o.field]) for o in options() if o.field in found
    }
    state_dir = values.get("state_dir") or _default_state_dir()
    settings = Settings(**{**values, "state_dir": os.path.expanduser(state_dir)})
    if "upstream_url" in found and _is_own_address(settings):
        raise SettingsError(
            f"{found['upstream_url'].named} is the address that Pannier itself listens"
            " on; Ollama's is wanted (OLLAMA_URL counts before OLLAMA_HOST)."
        )
    return settings


def _is_own_address(settings: Settings) -> bool:
    """Whether requests to the upstream would come back here, without end."""
    parts = urlsplit(settings.upstream_url)
    if (parts.port or {"http": 80}.get(parts.scheme, 443)) != settings.port:
        return False
    return addresses.leads_to(parts.hostname or "", settings.host)


def _default_state_dir() -> str:
    base = os.environ.get("XDG_STATE_HOME", "")
    return f"{base if os.path.isabs(base) else '~/.local/state'}/pannier"
