"""ListWriter: ``/api/tags`` as OpenAI's list of models."""

from collections.abc import Iterable, Mapping
from typing import TypeVar
from wsgiref.types import StartResponse

import msgspec

from app.catalog import Catalog
from app.errors import UpstreamBroken
from app.exchange import Exchange
from app.wire import ollama, openai
from app.wire.names import key

from .base import ResponseWriter, encode
from .model import described

Entry = TypeVar("Entry")

_decode_model = msgspec.json.Decoder(ollama.ListModel).decode


class ListWriter(ResponseWriter[ollama.ListResponse]):
    """Writes the models that are installed; an odd entry is left out, not fatal.

    ``aliases`` are further names of models: those whose model is there follow.  A
    ``catalog`` adds facts.
    """

    decoder = msgspec.json.Decoder(ollama.ListResponse)

    def __init__(
        self,
        exchange: Exchange,
        start_response: StartResponse,
        *,
        aliases: Mapping[str, str] | None = None,
        catalog: Catalog | None = None,
    ) -> None:
        super().__init__(exchange, start_response)
        self._aliases = aliases or {}
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
        """The models by the names that they have, and then by their aliases."""
        if len(replies) > 1:
            raise UpstreamBroken("Ollama answered with more than one list of models.")
        models = [model for model in map(_model, replies[0].models or ()) if model]
        named = [(model.called, model) for model in models]
        return [*named, *under_aliases(self._aliases, dict(named))]


def under_aliases(
    aliases: Mapping[str, str], models: Mapping[str, Entry]
) -> Iterable[tuple[str, Entry]]:
    """Models by the aliases (model by alias) that are not names of models themselves.

    ``models`` are by their full names.
    """
    if not aliases:
        return
    ids = {name.lower() for name in models}
    by_key = {key(name): model for name, model in models.items()}
    for alias, name in aliases.items():
        if alias.lower() not in ids and key(name) in by_key:
            yield alias, by_key[key(name)]


def _model(entry: msgspec.Raw) -> ollama.ListModel | None:
    try:
        model = _decode_model(entry)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return model if model.called else None
