"""Pannier's version, as installed or as the checkout says."""

import configparser
from importlib.metadata import PackageNotFoundError, version

from .launch import HOME


def own_version() -> str:
    """For example ``0.1.0``; never an error."""
    try:
        return version("pannier")
    except PackageNotFoundError:
        setup = configparser.ConfigParser()
        setup.read(HOME / "setup.cfg")
        return setup.get("metadata", "version", fallback="unknown")
