"""A keeper of responses that has them in memory, and fails when it is told to."""

from collections.abc import Collection

from app.errors import GatewayError
from app.storage import Item, Kept, TooMuch


class FakeKeeper:
    """Keeps responses as the storage does; ``failing`` raises its error instead.

    Without ``room`` they are too large.
    """

    def __init__(self, *, room: bool = True) -> None:
        self.kept: dict[str, Kept] = {}
        self.items_of: dict[str, list[Item]] = {}
        self.owners: dict[str, str] = {}
        self.room = room
        self.failing = False
        self.asked = 0

    def keep(
        self,
        id: str,
        previous_id: str | None,
        body: bytes,
        items: list[Item],
        created_at: int,
        owner: str = "",
    ) -> bool:
        """Keep one."""
        self._ask()
        if self.room:
            self.kept[id] = Kept(id, previous_id, created_at, body)
            self.items_of[id] = items
            self.owners[id] = owner
        return self.room

    def get(self, id: str, owner: str = "") -> Kept | None:
        """One of them."""
        self._ask()
        return self.kept[id] if self._is_there(id, owner) else None

    def items(self, id: str, owner: str = "", *, output: bool = True) -> list[Item]:
        """Its own items."""
        self._ask()
        found = self.items_of[id] if self._is_there(id, owner) else []
        return [item for item in found if output or not item.output]

    def conversation(
        self, id: str, most: int, most_bytes: int, owner: str = ""
    ) -> list[Item] | None:
        """All items up to its last."""
        self._ask()
        found: list[Item] = []
        last: str | None = id
        while last is not None:
            if not self._is_there(last, owner):
                return None
            found = self.items_of[last] + found
            last = self.kept[last].previous_id
        if len(found) > most or sum(len(item.body) for item in found) > most_bytes:
            raise TooMuch
        return found

    def found(
        self, ids: Collection[str], most_bytes: int, owner: str = ""
    ) -> dict[str, bytes]:
        """The items of these ids."""
        self._ask()
        own = [id for id in self.items_of if self._is_there(id, owner)]
        every = [item for id in own for item in self.items_of[id]]
        found = {item.id: item.body for item in every if item.id in ids}
        if sum(map(len, found.values())) > most_bytes:
            raise TooMuch
        return found

    def delete(self, id: str, owner: str = "") -> bool:
        """Forget one."""
        self._ask()
        if not self._is_there(id, owner):
            return False
        self.items_of.pop(id, None)
        return self.kept.pop(id, None) is not None

    def _is_there(self, id: str, owner: str) -> bool:
        return id in self.kept and self.owners[id] == owner

    def _ask(self) -> None:
        self.asked += 1
        if self.failing:
            raise GatewayError(
                "What Pannier keeps cannot be reached at the moment. Please try again.",
                status=503,
                code="storage_unavailable",
                detail="the disk is full",
            )
