"""Settings as the page shows them: all of them, in groups."""

from app.admin.pages.settings import GROUPS, grouped
from app.settings import options


def test_every_setting_is_in_a_group() -> None:
    """The first begins one, and so does each that begins one."""
    fields = [option.field for option in options()]
    groups = grouped([{"field": field} for field in fields])
    assert [one["field"] for group in groups.values() for one in group] == fields
    assert list(groups) == list(GROUPS.values())
    assert [group[0]["field"] for group in groups.values()] == list(GROUPS)
