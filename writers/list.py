"""ListWriter: ``/api/tags`` as OpenAI's list of models."""

from collections.abc import Callable, Collection
from wsgiref.types import StartResponse

import msgspec

from app.catalog import Catalog
from app.errors import UpstreamBroken
from app.exchange import Exchange
from app.wire import ollama, openai

from .base import ResponseWriter, encode
from .model import described

_decode_model = msgspec.json.Decoder(ollama.ListModel).decode


class ListWriter(ResponseWriter[ollama.ListResponse]):
    """Writes the models that are installed; an odd entry is left out, not fatal.

    ``shown`` gives the names to write, each with its model's, for the names of those
    that are there.  A ``catalog`` adds facts.
    """

    decoder = msgspec.json.Decoder(ollama.ListResponse)

    def __init__(
        self,
        exchange: Exchange,
        start_response: StartResponse,
        *,
        shown: Callable[[Collection[str]], list[tuple[str, str]]] | None = None,
        catalog: Catalog | None = None,
    ) -> None:
        super().__init__(exchange, start_response)
        self._shown = shown
        self.catalog = catalog

    def whole(self, replies: list[ollama.ListResponse]) -> bytes:
        """The list; an empty one is ``[]``, never ``null``."""
        data = [
            described(id, model.called, model.modified_at, self.catalog)
            for id, model in self.named(replies)
        ]
        return encode(openai.ListCompletion(data=data))

    def named(
        self, replies: list[ollama.ListResponse]
    ) -> list[tuple[str, ollama.ListModel]]:
        """The models, each by a name that it has."""
        if len(replies) > 1:
            raise UpstreamBroken("Ollama answered with more than one list of models.")
        models = [model for model in map(_model, replies[0].models or ()) if model]
        if self._shown is None:
            return [(model.called, model) for model in models]
        found = {model.called: model for model in models}
        return [(name, found[model]) for name, model in self._shown(found)]


def _model(entry: msgspec.Raw) -> ollama.ListModel | None:
    try:
        model = _decode_model(entry)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return model if model.called else None
