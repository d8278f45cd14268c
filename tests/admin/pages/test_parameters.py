"""What the form of overrides knows agrees with the rules."""

from typing import Any

import pytest

from app.admin.pages.parameters import FORM, HINTS, Parameter, parameters
from app.gateway.parameters import KNOWN, RUNNER
from app.gateway.rules import SPECIAL, OverrideError, check

#: A value that each kind of field can give.
VALUES: dict[str, Any] = {
    "boolean": True,
    "duration": "5m",
    "format": "json",
    "integer": 1,
    "milliseconds": 5000,
    "number": 0.5,
    "text": "a text",
    "texts": ["END"],
}


def test_all_of_them() -> None:
    """Each that can be set is offered once, and hints are for nothing else."""
    names = [one.name for one in parameters()]
    assert sorted(names) == sorted(KNOWN | SPECIAL.keys())
    assert set(names) - RUNNER <= HINTS.keys() <= set(names)
    assert list(FORM["parameters"]) == list(parameters())


@pytest.mark.parametrize("one", list(parameters()), ids=lambda one: one.name)
def test_what_a_field_gives_can_be_set(one: Parameter) -> None:
    """The rules take its choices and ends, and nothing beyond these."""
    for value in one.choices or (VALUES[one.kind],):
        check({one.name: value})
    for end, beyond in ((one.least, -1), (one.most, 1)):
        if end is None:
            continue
        check({one.name: end})
        with pytest.raises(OverrideError):
            check({one.name: end + beyond})
