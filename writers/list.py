"""ListWriter: ``/api/tags`` as OpenAI's list of models."""

import msgspec

from app.errors import UpstreamBroken
from app.wire import ollama, openai
from app.wire.names import namespace

from .base import ResponseWriter, encode

_decode_model = msgspec.json.Decoder(ollama.ListModel).decode


class ListWriter(ResponseWriter[ollama.ListResponse]):
    """Writes the models that are installed; an odd entry is left out, not fatal."""

    decoder = msgspec.json.Decoder(ollama.ListResponse)

    def whole(self, replies: list[ollama.ListResponse]) -> bytes:
        """The list; an empty one is ``[]``, never ``null``."""
        models = replies[0].models
        if len(replies) > 1:
            raise UpstreamBroken("Ollama answered with more than one list of models.")
        data = [model for model in map(_model, models or ()) if model]
        return encode(openai.ListCompletion(data=data))


def _model(entry: msgspec.Raw) -> openai.Model | None:
    try:
        model = _decode_model(entry)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    name = model.model or model.name
    if not name:
        return None
    return openai.Model(
        id=name, created=ollama.epoch(model.modified_at), owned_by=namespace(name)
    )
