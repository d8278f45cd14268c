"""Administration: all that an operator does, for one database and one actor."""

from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from ..addresses import KEPT
from ..moment import now_ms
from ..option import Given
from ..settings import Settings
from ..storage import configuration as kept
from ..storage.configuration import AuditEntry
from ..storage.usage import Ledger
from ..storage.usage_known import new
from ..storage.usage_tables import DAY
from ..storage.writing import Run
from . import ollama2openai
from .accounts import Accounts
from .choices import Choices
from .desk import Begin, Desk
from .document import Document
from .foreign import File
from .keys import Keys
from .models import Aliases, Models
from .ollama2openai import Migration
from .transfer import Transfer


class Administration:
    """``run`` runs a job with the database, ``actor`` is who the audit log names.

    ``found`` is what the environment and ``.env`` say, ``settings`` what that means.
    ``begin`` comes first in every transaction that writes, and may refuse it.
    Every call waits for the database, and raises ``Refused`` for what cannot be done.
    """

    def __init__(
        self,
        run: Run,
        settings: Settings,
        actor: str,
        found: Mapping[str, Given] | None = None,
        begin: Begin | None = None,
    ) -> None:
        self._desk = desk = Desk(run, settings, actor, found or {}, begin)
        self.accounts = Accounts(desk)
        self.keys = Keys(desk)
        self.models = Models(desk)
        self.aliases = Aliases(desk)
        self.choices = Choices(desk)
        self.transfer = Transfer(desk)
        self.usage = Ledger(desk)

    def migration(self, directory: File) -> Migration:
        """What the data directory of Ollama2OpenAI has that is new; changes nothing."""
        found = ollama2openai.read(directory, self._desk.hash(), self.keys.list())
        now = self.choices.in_force()
        remarks = found.remarks.copy()
        for step in self.transfer.plan(found.document, "merge"):
            if step.action == "change":
                fields = ", ".join(step.fields) or "its value"
                what = f"{step.section} {step.called}: what is set here stays"
                remarks.append(f"{what} ({fields}).")
            elif (step.section, step.name) == ("setting", "upstream_url"):
                remarks += self._of_address(found.document, now)
        before = now_ms() - now.usage_days * DAY
        rows = self._desk.read(lambda connection: new(connection, found.rows, before))
        of = KEPT[now.usage_client_ip]
        rows = [replace(row, client_ip=of(row.client_ip)) for row in rows]
        return Migration(found.document, remarks, rows)

    def _of_address(self, document: Document, now: Settings) -> Iterator[str]:
        """What is said where another address of Ollama is given here already.

        What comes into the database counts more (specification: decisions, 27).
        """
        given = self._desk.found.get("upstream_url")
        new_url = (document.settings or {}).get("upstream_url")
        if given and new_url != now.upstream_url and not now.pin_upstream:
            yield (
                f"{ollama2openai.CONFIG}: its ollamaUrl counts from then on, and"
                f" {given.named} no more; `pannier settings unset OLLAMA_URL` brings"
                " that back."
            )

    def note(self, action: str, object: str) -> None:
        """Leave an entry in the audit log, of what is done elsewhere."""
        actor = self._desk.actor
        self._desk.write(
            lambda connection: kept.note(connection, actor, action, object, {})
        )

    def audit(
        self, limit: int = 50, before: int | None = None, words: Iterable[str] = ()
    ) -> list[AuditEntry]:
        """What was done, newest first; of those with ``words`` what has all of them."""
        return self._desk.read(
            lambda connection: kept.audit(connection, limit, before, words)
        )


__all__ = ["Administration", "AuditEntry"]
