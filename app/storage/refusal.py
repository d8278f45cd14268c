"""Refused: what somebody wants to set cannot be set."""


class Refused(Exception):
    """The text says why, for people; ``param`` is the field that is wrong.

    ``unknown`` says that what was to be changed is not there.
    """

    def __init__(self, message: str, param: str, *, unknown: bool = False) -> None:
        super().__init__(message)
        self.param = param
        self.unknown = unknown
