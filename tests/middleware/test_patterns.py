import re

import pytest

from middleware.patterns import MAX_PATTERN, said


@pytest.mark.parametrize(
    ("pattern", "want"),
    [
        ("^ab$", "^[a][b]$"),
        ("^\\d{3}-[A-Z]+$", "^[0-9]{3}[\\x2D][A-Z]+$"),
        ("^\\w+@\\w+\\.com$", "^[A-Za-z0-9_]+[@][A-Za-z0-9_]+[.][c][o][m]$"),
        ("^(?:a|bc)?$", "^([a]|[b][c])?$"),
        ("^a|b$", "^[a]|[b]$"),
        ("^.*$", '^[^"\\\\\\x00-\\x1F]*$'),
        ("^[^a-c]{2,}$", '^[^"\\\\\\x00-\\x1Fa-c]{2,}$'),
        ("^[-a\\]]\\s$", "^[\\x2Da\\x5D][ ]$"),
        ("^[\\d_]$", "^[0-9_]$"),
        ("^é$", "^[é]$"),
    ],
)
def test_what_can_be_said(pattern: str, want: str) -> None:
    """Classes and quantifiers stay; all else becomes a class of its own."""
    assert said(pattern) == want
    re.compile(want)


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param("abc", id="no anchors"),
        pytest.param("^abc", id="no end"),
        pytest.param("abc$", id="no begin"),
        pytest.param("", id="nothing"),
        pytest.param("^", id="one sign for both"),
        pytest.param("^$", id="nothing between"),
        pytest.param("^a\\$", id="an escaped end"),
        pytest.param('^"$', id="quote"),
        pytest.param("^\\\\$", id="backslash"),
        pytest.param("^\n$", id="control character"),
        pytest.param('^["]$', id="quote in a class"),
        pytest.param("^(?=a)b$", id="look-ahead"),
        pytest.param("^(?<!a)b$", id="look-behind"),
        pytest.param("^(?P<n>a)$", id="named group"),
        pytest.param("^(a)\\1$", id="back reference"),
        pytest.param("^\\bword\\b$", id="word boundary"),
        pytest.param("^\\p{L}$", id="property"),
        pytest.param("^\\D$", id="negated class"),
        pytest.param("^a+?$", id="lazy"),
        pytest.param("^a++$", id="possessive"),
        pytest.param("^*a$", id="nothing to repeat"),
        pytest.param("^(*a)$", id="nothing to repeat in a group"),
        pytest.param("^(a$", id="open group"),
        pytest.param("^a)$", id="closed group"),
        pytest.param("^[a$", id="open class"),
        pytest.param("^()$", id="empty group"),
        pytest.param("^a||b$", id="empty alternative"),
        pytest.param("^|a$", id="empty first alternative"),
        pytest.param("^a|$", id="empty last alternative"),
        pytest.param("^a{2000}$", id="too many"),
        pytest.param("^" + "a{600}" * 2 + "$", id="too many in all"),
        pytest.param("^a{,3}$", id="no least"),
        pytest.param("^a^b$", id="anchor inside"),
        pytest.param("^" + "a" * MAX_PATTERN + "$", id="too long"),
    ],
)
def test_what_cannot(pattern: str) -> None:
    """What the grammar would read otherwise, or not at all, is not sent."""
    assert said(pattern) is None
