"""Models as Anthropic describes them: one, or a page of the list."""

from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from app.catalog import Catalog
from app.errors import BadRequest
from app.wire import anthropic, ollama

from .base import encode
from .list import ListWriter
from .retrieve import RetrieveWriter


class Page(NamedTuple):
    """Which of the models are wanted: so many after, or before, one of them."""

    limit: int = 20
    after: str | None = None
    before: str | None = None

    def of(self, models: list[anthropic.Model]) -> anthropic.ModelList:
        """The page of a list, the newest first; raises ``BadRequest``.

        Ollama lists those of the same second in another order each time.
        """
        models = sorted(models, key=lambda model: model.id)
        models.sort(key=lambda model: model.created_at, reverse=True)
        ids = [model.id for model in models]
        if self.before is not None:
            end = _place(ids, self.before, "before_id")
            start = max(0, end - self.limit)
            more = start > 0
        else:
            after = self.after
            start = 0 if after is None else _place(ids, after, "after_id") + 1
            end = start + self.limit
            more = end < len(ids)
        data = models[start:end]
        return anthropic.ModelList(
            data=data,
            has_more=more,
            first_id=data[0].id if data else None,
            last_id=data[-1].id if data else None,
        )


def _place(ids: list[str], id: str, param: str) -> int:
    if id in ids:
        return ids.index(id)
    raise BadRequest(
        f"{param}: there is no model '{id[:128]}'", code="invalid_value", param=param
    )


class AnthropicListWriter(ListWriter):
    """Writes one ``page`` of the models."""

    openai_headers = False
    page = Page()

    def whole(self, replies: list[ollama.ListResponse]) -> bytes:
        """The page."""
        models = [
            _described(id, model.called, model.modified_at, self.catalog)
            for id, model in self.named(replies)
        ]
        return encode(self.page.of(models))


class AnthropicRetrieveWriter(RetrieveWriter):
    """Writes one model."""

    openai_headers = False

    def whole(self, replies: list[ollama.ShowResponse]) -> bytes:
        """The model object."""
        modified_at = replies[0].modified_at
        return encode(_described(self.id, self.name, modified_at, self.catalog))


def _described(
    id: str, name: str, modified_at: str | None, catalog: Catalog | None
) -> anthropic.Model:
    at = datetime.fromtimestamp(ollama.epoch(modified_at), UTC)
    model = anthropic.Model(
        id=id, display_name=id, created_at=at.strftime("%Y-%m-%dT%H:%M:%SZ")
    )
    if catalog is not None:
        facts = catalog.facts(name)
        model.max_input_tokens = facts.context_length if facts else msgspec.UNSET
    return model
