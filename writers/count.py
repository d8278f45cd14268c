"""How many tokens a request has, as Ollama counted them while it read the prompt."""

from collections.abc import Callable
from typing import ClassVar
from wsgiref.types import StartResponse

import msgspec

from app.carriers.base import Headers
from app.exchange import Exchange
from app.wire import anthropic, ollama, responses

from .base import encode
from .generation import GenerationWriter

HEADER = "X-Pannier-Token-Count"


class CountWriter(GenerationWriter[ollama.ChatResponse]):
    """Writes a number of tokens in the form of a dialect.

    ``estimated`` guesses how many there are; Ollama's own count is taken where
    ``credible`` says so, since it may have cut the prompt, or not have read all of it.
    """

    decoder = msgspec.json.Decoder(ollama.ChatResponse)
    id_prefix = ""
    form: ClassVar[type[msgspec.Struct]]

    def __init__(
        self,
        exchange: Exchange,
        start_response: StartResponse,
        *,
        estimated: Callable[[], int],
        credible: Callable[[int], bool] = lambda count: False,
    ) -> None:
        super().__init__(exchange, start_response, model=exchange.model)
        self._estimated = estimated
        self._credible = credible
        self._how = "estimate"

    def compose(self, replies: list[ollama.ChatResponse]) -> bytes:
        """What Ollama counted, if that can be all of the prompt."""
        count = self.usage.prompt_tokens
        if not self._credible(count):
            return self.estimate()
        self._how = "exact"
        return encode(self.form(count))

    def estimate(self) -> bytes:
        """What it is without Ollama."""
        self._how = "estimate"
        return encode(self.form(self._estimated()))

    def answer_estimate(self) -> list[bytes]:
        """The whole answer without Ollama."""
        return self._send_whole(self.estimate())

    def _headers_of(self, own: Headers) -> Headers:
        return [*super()._headers_of(own), (HEADER, self._how)]


class MessageTokensWriter(CountWriter):
    """Anthropic's form."""

    openai_headers = False
    form = anthropic.MessageTokensCount


class ResponseTokensWriter(CountWriter):
    """That of the Responses API."""

    form = responses.InputTokens
