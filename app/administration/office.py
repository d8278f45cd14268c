"""Administration: all that an operator does, for one database and one actor."""

from collections.abc import Mapping

from ..option import Given
from ..settings import Settings
from ..storage import configuration as kept
from ..storage.configuration import Entry
from ..storage.writing import Run
from . import ollama2openai
from .accounts import Accounts
from .choices import Choices
from .desk import Desk, First
from .foreign import File
from .keys import Keys
from .models import Aliases, Models
from .ollama2openai import Migration
from .transfer import Transfer


class Administration:
    """``run`` runs a job with the database, ``actor`` is who the audit log names.

    ``found`` is what the environment and ``.env`` say, ``settings`` what that means.
    ``first`` begins every transaction that writes, and may refuse it.
    Every call waits for the database, and raises ``Refused`` for what cannot be done.
    """

    def __init__(
        self,
        run: Run,
        settings: Settings,
        actor: str,
        found: Mapping[str, Given] | None = None,
        first: First | None = None,
    ) -> None:
        self._desk = desk = Desk(run, settings, actor, found or {}, first)
        self.accounts = Accounts(desk)
        self.keys = Keys(desk)
        self.models = Models(desk)
        self.aliases = Aliases(desk)
        self.choices = Choices(desk)
        self.transfer = Transfer(desk)

    def migration(self, directory: File) -> Migration:
        """What the data directory of Ollama2OpenAI has; nothing is changed."""
        return ollama2openai.read(directory, self._desk.hash(), self.keys.list())

    def audit(self, limit: int = 50, before: int | None = None) -> list[Entry]:
        """What was done, newest first."""
        return self._desk.read(lambda connection: kept.audit(connection, limit, before))


__all__ = ["Administration", "Entry"]
