"""RetrieveWriter: ``/api/show`` as one model of OpenAI's."""

from wsgiref.types import StartResponse

import msgspec

from app.catalog import Catalog
from app.exchange import Exchange
from app.wire import ollama

from .base import ResponseWriter, encode
from .model import described


class RetrieveWriter(ResponseWriter[ollama.ShowResponse]):
    """Writes the model ``name`` under the ``id`` that the client used.

    A ``catalog`` adds facts.
    """

    decoder = msgspec.json.Decoder(ollama.ShowResponse)

    def __init__(
        self,
        exchange: Exchange,
        start_response: StartResponse,
        *,
        id: str,
        name: str,
        catalog: Catalog | None = None,
    ) -> None:
        super().__init__(exchange, start_response)
        self.id = id
        self.name = name
        self.catalog = catalog

    def whole(self, replies: list[ollama.ShowResponse]) -> bytes:
        """The model object."""
        modified_at = replies[0].modified_at
        return encode(described(self.id, self.name, modified_at, self.catalog))
