"""Failure: why the database cannot be used."""


class Failure(Exception):
    """The database cannot be used; the text says why, for the log."""
