"""Records of usage as the lines of a file: CSV, or a JSON object on each line."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from .usage import Row

#: The columns, in their order.
COLUMNS = (*Row.__struct_fields__, "tokens_per_s")
#: What a spreadsheet takes for a formula, if a cell begins with it
#: (specification: reliability, W7).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

_encode = msgspec.json.Encoder().encode


def csv_lines(records: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """A line with the names of the columns, and one for each record."""
    yield _line(COLUMNS)
    for record in records:
        yield _line([_cell(record[name]) for name in COLUMNS])


def ndjson_lines(records: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """A line for each record."""
    for record in records:
        yield _encode({name: record[name] for name in COLUMNS}) + b"\n"


def _cell(value: Any) -> Any:
    """A value as a cell.

    Spreadsheets run none: an apostrophe makes a text of it.  Yes and no are as in JSON.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return value


def _line(cells: Iterable[Any]) -> bytes:
    written = io.StringIO()
    csv.writer(written).writerow(cells)  # with the line's end of RFC 4180
    return written.getvalue().encode()
