"""A pytest plugin: with ``TEST_NO_SKIP=1`` a test that skips has failed.

A developer may lack nginx or Node; the machine that decides may not.
"""

import os
from collections.abc import Generator
from typing import Any

import pytest

_ACTIVE = os.environ.get("TEST_NO_SKIP", "") not in ("", "0")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """Turn the report of a skipped test into a failure."""
    return _refuse((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    """The same for a module that skips as a whole."""
    return _refuse((yield))


def _refuse(report: Any) -> Any:
    if _ACTIVE and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr
        reason = reason[2] if isinstance(reason, tuple) else reason
        report.outcome = "failed"
        report.longrepr = f"TEST_NO_SKIP=1, but: {reason}"
    return report
