"""How our own programs are started: which Python, which path, which directory.

Whatever lies in the current directory, the code that runs is this application
directory's; relative paths still mean the user's directory.
"""

import os
import sys
from pathlib import Path
from shlex import quote

#: The application directory: where ``wsgi.py`` and ``gunicorn.conf.py`` lie.
HOME = Path(__file__).resolve().parent.parent

#: A command line, and variables to set for it.
Command = tuple[list[str], dict[str, str]]


def gunicorn(arguments: list[str]) -> Command:
    """Gunicorn with our configuration; ``arguments`` go to it and win."""
    ours = ["--config", str(HOME / "gunicorn.conf.py"), "--pythonpath", str(HOME)]
    command = [sys.executable, "-P", "-m", "gunicorn", *ours, *arguments]
    # The variable is -P for the successor that gunicorn starts on SIGUSR2.
    return [*command, "wsgi:application"], {"PYTHONSAFEPATH": "1"}


def called() -> str:
    """What a user types for the command that runs now, in this very directory."""
    if Path(sys.argv[0]).name != "cli.py":
        return "pannier"
    return f"{quote(sys.executable.removeprefix(f'{os.getcwd()}/'))} -m app.cli"


def module(name: str, arguments: list[str]) -> Command:
    """A module of ours as a program."""
    path = os.pathsep.join(filter(None, [str(HOME), os.environ.get("PYTHONPATH")]))
    return [sys.executable, "-P", "-m", name, *arguments], {"PYTHONPATH": path}
