"""The command ``pannier``: serve, run, simulate, config, database, keys and others.

It starts other programs and prints; it knows nothing of requests.  Everything is
imported relatively, so that it works the same as ``pannier.app.cli`` (installed) and
as ``python -m app.cli`` (in a checkout).
"""

import errno
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import NoReturn

from .in_force import in_force
from .launch import gunicorn
from .settings import Settings, SettingsError
from .version import own_version

#: Whoever sets these may have another address in mind.
_ELSEWHERE = {"GUNICORN_CMD_ARGS", "LISTEN_FDS"}
#: Seconds for which whoever has our port may still be about to end.
_PATIENCE = 5.0

USAGE = """\
usage: pannier COMMAND [arguments]

  serve [GUNICORN OPTIONS]  serve with gunicorn and Pannier's own configuration;
                            whatever follows goes to gunicorn, for example
                            --bind unix:/run/pannier/pannier.sock
  config                    print every setting: value, where it is from, what it does
  simulate [OPTIONS]        a stand-in for Ollama to try and test with (--help)
  database status|upgrade   what is kept, and where; bring its tables up to date,
                            which otherwise happens when they are first needed
  run                       serve, in front of the simulator if no Ollama answers

What is set in the database; a running Pannier has it within a second (--help):

  keys create|list|show|set|enable|disable|revoke|rotate|delete|import
                            who may ask, and for what
  models list|set|reset     which models may be used, and with which parameters
  alias add|remove|list     other names of models
  overrides show|set|clear  parameters for all models
  settings list|set|unset   settings that can change while Pannier runs
  password [--username N]   to administer Pannier with over HTTP
  audit                     who changed what
  live [cancel ID]          what runs now; end one of it
  usage [--days N] [--by key|model|endpoint]
                            what was used, and who used most
  export [FILE], import FILE
                            all of it, as a file
  migrate-ollama2openai DIR take over keys and models from Ollama2OpenAI
  doctor                    look at what is in the way, and say what to do

  --version, --help

Settings come from the environment and from .env in the current directory."""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    2 means a wrong setting or usage, 130 that Ctrl-C ended it.
    """
    arguments = sys.argv[1:] if argv is None else argv
    name, rest = (arguments or [""])[0], arguments[1:]
    command = COMMANDS.get(name)
    if command is None:
        reason = f"pannier: there is no command {name!r}.\n\n" if name else ""
        print(reason + USAGE, file=sys.stderr)
        return 2
    try:
        code = command(rest)
        sys.stdout.flush()
        return code
    except SettingsError as exc:
        return _failed(str(exc), 2)
    except BrokenPipeError:  # `| head` has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    # Who is asked for something leaves the line where it stands.
    except EOFError:
        return _failed("nothing was typed in.", 2, "\n")
    except KeyboardInterrupt:
        return _failed("stopped.", 130, "\n")


def serve(arguments: list[str]) -> NoReturn:
    """Become gunicorn.  Raises ``SettingsError`` first if a setting is wrong."""
    settings = Settings.from_environ()
    if not (arguments or _ELSEWHERE & os.environ.keys()):
        _wait_for_port(settings)
    command, extra = gunicorn(arguments)
    os.execve(command[0], command, {**os.environ, **extra})  # noqa: S606 - our own words, no shell


def _wait_for_port(settings: Settings) -> None:
    """Say in one line that a port is taken; who has it may just be about to end."""
    from .trial import busy

    end, taken = time.monotonic() + _PATIENCE, os.strerror(errno.EADDRINUSE)
    while taken in (reason := busy(settings, "pannier serve")):
        if time.monotonic() >= end:
            print(f"pannier: {reason}", file=sys.stderr)
            raise SystemExit(1)
        time.sleep(0.25)


def simulate(arguments: list[str]) -> int:
    """Be the simulator."""
    from .simulator import main as simulator

    return simulator(arguments)


def run(arguments: list[str]) -> int:
    """What ``make run`` does."""
    from .trial import run as trial

    _no_arguments("run", arguments)
    return trial(Settings.from_environ(), partial(print, flush=True))


def config(arguments: list[str]) -> int:
    """Print the settings in force."""
    _no_arguments("config", arguments)
    for row in in_force():
        choices = " | ".join(row.option.choices)
        print(f"# {row.option.help}{choices and f' ({choices})'} [{row.source}]")
        print(f"{row.option.variable}={row.shown}")
    return 0


def database(arguments: list[str]) -> int:
    """Look at the database, or bring its tables up to date."""
    from .commands.database import run as command  # loads SQLAlchemy and Alembic

    return command(Settings.from_environ(), arguments, print)


def administer(name: str, arguments: list[str]) -> int:
    """One of the commands about what is set in the database."""
    from .commands import run as command  # loads SQLAlchemy and Alembic

    return command(name, arguments, print, partial(print, file=sys.stderr))


def _no_arguments(command: str, arguments: list[str]) -> None:
    if arguments:
        raise SettingsError(f"'{command}' takes no arguments: {arguments[0]!r}.")


def _failed(why: str, code: int, before: str = "") -> int:
    print(f"{before}pannier: {why}", file=sys.stderr)
    return code


def _say(text: str) -> int:
    print(text)
    return 0


#: What is in ``app.commands``.
_ADMINISTRATION = (
    "keys",
    "models",
    "alias",
    "overrides",
    "settings",
    "password",
    "audit",
    "live",
    "usage",
    "export",
    "import",
    "migrate-ollama2openai",
    "doctor",
)

COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "serve": serve,
    "run": run,
    "config": config,
    "database": database,
    "simulate": simulate,
    **{name: partial(administer, name) for name in _ADMINISTRATION},
    "--version": lambda _: _say(f"pannier {own_version()}"),
    "--help": lambda _: _say(USAGE),
    "-h": lambda _: _say(USAGE),
}

if __name__ == "__main__":
    sys.exit(main())
