"""Numbers, sizes and times, as pages write them."""

import pytest
from markupsafe import Markup

from app.admin.pages import filters
from app.admin.pages.filters import NONE


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, NONE),
        (0, "0"),
        (7, "7"),
        (999, "999"),
        (999.6, "1.0 k"),
        (1234, "1.2 k"),
        (12_345, "12.3 k"),
        (123_456, "123 k"),
        (9.75e9, "9.8 G"),
        (2.0**63, "9223372 T"),
        (-1500, "-1.5 k"),
    ],
)
def test_short(value: float | None, text: str) -> None:
    """About three digits, whatever the size."""
    assert filters.short(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, NONE), (0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (2**40, "1 TiB")],
)
def test_size(value: float | None, text: str) -> None:
    """Bytes, in powers of two."""
    assert filters.size(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, NONE),
        (0, "0 ms"),
        (83.4, "83 ms"),
        (999.6, "1.00 s"),
        (1250, "1.25 s"),
        (12_340, "12.3 s"),
        (59_960, "1 min"),
        (200_000, "3 min 20 s"),
        (7_500_000, "2 h 5 min"),
        (349_200_000, "4 d 1 h"),
    ],
)
def test_span(value: float | None, text: str) -> None:
    """Durations in the units in which people say them."""
    assert filters.span(value) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(None, 5, NONE), (1, 0, NONE), (1, None, NONE), (0, 5, "0 %"), (1, 3, "33.3 %")],
)
def test_percent(part: float | None, whole: float | None, text: str) -> None:
    """A share, where there is a whole."""
    assert filters.percent(part, whole) == text


def test_when() -> None:
    """A time says when it is to programs, in which form to the script, and UTC else."""
    assert filters.when(0, "ago") == Markup(
        '<time datetime="1970-01-01T00:00:00.000+00:00" data-form="ago">'
        "1970-01-01 00:00 UTC</time>"
    )


@pytest.mark.parametrize("moment", [None, 10**18, -(10**18)])
def test_when_there_is_no_such_time(moment: int | None) -> None:
    """What is no time is a dash."""
    assert filters.when(moment) == NONE


def test_json_escapes_nothing_by_itself() -> None:
    """What stands in an attribute is escaped by the template, once."""
    assert filters.json({"a": "<\"'&"}) == '{"a":"<\\"\'&"}'
