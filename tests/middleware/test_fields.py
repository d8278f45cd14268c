from typing import Any

import msgspec
import pytest

from middleware.fields import Fields


class Many(msgspec.Struct):
    """A type with all of the fields."""

    a: Any = None
    b: Any = None
    c: Any = None


class One(msgspec.Struct):
    """A type with one of them."""

    b: Any = None


class Other(msgspec.Struct):
    """A type with none."""

    z: Any = 1


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        (Many(), []),
        (Many(c=1, a=2), [("a", 2), ("c", 1)]),
        (Many(a=0, b=False, c=""), [("a", 0), ("b", False), ("c", "")]),
        (One(), []),
        (One(b=[None]), [("b", [None])]),
        (Other(), []),
    ],
    ids=repr,
)
def test_fields(request_: Any, found: list[tuple[str, Any]]) -> None:
    """Those that are set, null alone not being so, whatever fields a type has."""
    fields = Fields("a", "b", "c")
    assert fields.of(Many(b=5)) == [("b", 5)]  # another type may have been before
    assert [fields.of(request_) for _ in range(2)] == [found] * 2
