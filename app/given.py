"""What somebody set: values of options from the environment and ``.env``.

The environment wins.  A name that looks like an option and is none is refused with one
sentence (``SettingsError``).
"""

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from . import dotenv
from .option import Given, Option, SettingsError, is_listen_address

#: Other names of the same option, lower in rank than its own in the same place.
_SYNONYMS = {"host": "HOST", "port": "PORT", "upstream_url": "OLLAMA_HOST"}


def given(
    options: Sequence[Option],
    environ: Mapping[str, str] | None,
    env_file: Path | None,
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
        _refuse_unknown(options, place)
        chosen |= _chosen(options, place)
    return chosen


def _chosen(
    options: Sequence[Option], given: Mapping[str, Given]
) -> Iterator[tuple[str, Given]]:
    """By field what counts of one place; an empty text is as good as none."""
    for option in options:
        for variable in (option.variable, _SYNONYMS.get(option.field, "")):
            found = given.get(variable)
            if found is None or not found.text:
                continue
            if variable == "HOST" and not is_listen_address(found.text):
                continue  # shells export HOST as the machine's name
            yield option.field, found
            break


_SEE_LIST = "'pannier config' lists the names that are."


def _refuse_unknown(options: Sequence[Option], given: Mapping[str, Given]) -> None:
    known = {option.variable: option.variable for option in options}
    guesses = {f"PANNIER_{o.field.upper()}": o.variable for o in options}
    guesses |= {f"PANNIER_{variable}": variable for variable in known} | known
    for name in sorted(given):
        if name.startswith("PANNIER_") and name not in known:
            close = difflib.get_close_matches(name, guesses, n=1, cutoff=0.8)
            hint = f"did you mean {guesses[close[0]]}?" if close else _SEE_LIST
            raise SettingsError(
                f"{given[name].named} is not a setting of Pannier; {hint}"
            )
