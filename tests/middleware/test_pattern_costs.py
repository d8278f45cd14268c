"""What expressions cost: a bound on what the engine would take."""

from itertools import count

import pytest

from middleware.pattern_costs import PATTERN, PROPERTY, cost, patterns_in


@pytest.mark.parametrize(
    ("pattern", "least", "most"),
    [
        pytest.param("^ab$", 4, 20, id="plain"),
        pytest.param("^[a-z0-9]{1,64}$", 64, 2000, id="class"),
        pytest.param("^(a{150}){150}$", 22_500, 50_000, id="nested"),
        pytest.param("(a{ 150 }){150}", 22_500, 50_000, id="blanks"),
        pytest.param("a{30}{30}", 900, 5000, id="twice"),
        pytest.param("a{30}?{30}", 900, 5000, id="lazy"),
        pytest.param("(?:(?P<n>a{9}){9}){9}", 729, 5000, id="kinds of groups"),
        pytest.param("a{99}|b{99}", 198, 1000, id="one or the other"),
        pytest.param("(a{9})b{9}", 18, 100, id="one after the other"),
        pytest.param("[(]a{9}[)]b{9}", 18, 200, id="signs in classes"),
        pytest.param("(a\\))b{9}", 10, 100, id="an escaped sign"),
        pytest.param("([[)(]]aaaa){900}", 3600, 10**9, id="a class in a class"),
        pytest.param("([])(]aaaa){900}", 3600, 10**9, id="an odd class"),
        pytest.param("(?x)(aaaa #)(\n){900}", 3600, 10**9, id="remarks"),
        pytest.param("aaaa){900}", 3600, 10**9, id="not even a pattern"),
        pytest.param("\\pL{60}", 60 * PROPERTY, 200_000, id="property"),
        pytest.param("[\\p{L}\\d_-]{1,64}", 64 * PROPERTY, 200_000, id="in a class"),
        pytest.param("\\x{100}", 1, 100, id="a number is no repetition"),
        pytest.param(".{64}", 1600, 5000, id="anything"),
        pytest.param("(?i)[^a]{50}", 5000, 100_000, id="folded"),
        pytest.param("a{" + "9" * 5000 + "}", 10**9, 10**9, id="no end"),
        pytest.param("(" * 99 + "){999999}" * 99, 0, 10**9, id="of nothing"),
    ],
)
def test_costs(pattern: str, least: int, most: int) -> None:
    """An expression costs what is repeated as often as it is repeated."""
    assert least <= cost(pattern) - PATTERN <= most


def test_patterns_in() -> None:
    """Wherever a schema has expressions they are found, each once."""
    texts = (f"p{number}" for number in count())
    schema = {
        "pattern": next(texts),
        "patternProperties": {next(texts): {"items": [{"pattern": next(texts)}]}},
        "$defs": {"pattern": {"pattern": "p0"}},
        "properties": {"patternProperties": {"not": {"pattern": next(texts)}}},
        "allOf": [{"pattern": 5, "patternProperties": []}],
    }
    assert {"p0", "p1", "p2"} <= patterns_in(schema) <= {"p0", "p1", "p2", "p3", "not"}
    assert "p3" in patterns_in(schema)
