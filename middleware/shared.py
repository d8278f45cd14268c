"""Shared: what the endpoints of all dialects share, and the policies of each kind."""

from functools import partial
from typing import Any
from wsgiref.types import WSGIApplication, WSGIEnvironment

from app.background import Background
from app.catalog import Catalog
from app.exchange import Exchange
from app.installation import Installation
from app.proxies import Proxies
from app.secret import secret
from app.settings import Settings
from app.signatures import Signatures

from .abilities import Abilities
from .access import Access
from .aliases import Aliases
from .awaited import Awaited
from .base import Policy
from .code.cache import Remembering
from .code.families import Families
from .code.first import FirstToken
from .code.form import CodeMiddleware
from .code.policy import Fill
from .code.supersede import who
from .code.warm import WarmUp
from .code.ways import Ways
from .context import Context
from .discreet import Discreet
from .images import Fetch
from .members import Members
from .overrides import Overrides
from .reasoning import Reasoning
from .responses_kept import Keeper
from .throttle import TokenLimit


class Shared:
    """What the endpoints of all dialects share: how Ollama is reached, and policies.

    There is one of each policy, since some remember what they asked for.
    """

    def __init__(
        self,
        relay: WSGIApplication,
        catalog: Catalog,
        settings: Settings,
        fetch: Fetch | None = None,
        keeper: Keeper | None = None,
        installation: Installation | None = None,
    ) -> None:
        installation = installation or Installation(settings)
        relay = Discreet(relay, installation.current)
        self.relay, self.catalog, self.settings = relay, catalog, settings
        self.fetch = fetch
        self.keeper = keeper
        self.current = current = installation.current
        self.signatures = Signatures(
            partial(secret, settings.state_dir, settings.secret_file)
        )
        self.access = Access(current, settings)
        self.aliases = Aliases(catalog, settings, current, self.access)
        self.bare = Aliases(catalog, settings, current, self.access, bare=True)
        self.overrides = Overrides(current, settings, catalog)
        self.tokens = TokenLimit(installation.limits)
        self.reasoning = Reasoning(catalog.facts, settings)
        self.context = Context(catalog, settings)
        self.hears = Abilities(catalog.facts, "file")
        self.awaited = Awaited(catalog)
        families = Families.load(settings.code_families or None)
        self.ways = Ways(families, settings, current)
        warm = WarmUp(relay, Background())
        set_ = self.overrides.on_code
        self.fill = Fill(catalog, settings, self.aliases, self.ways, warm, set_)
        #: Ollama for those that complete code, and what tells their editors apart.
        self.coding = Remembering(FirstToken(relay), settings.code_cache)
        self._address = Proxies(settings.trusted_proxies).client

    def session(self, environ: WSGIEnvironment) -> tuple[object, ...]:
        """Which editor it is that asks, as far as anybody can tell."""
        return who(environ, self._address(environ))

    def form(self, kind: type[CodeMiddleware[Any]]) -> CodeMiddleware[Any]:
        """The endpoint for one form of a request for code."""
        policies = self.code_policies()
        return kind(self.coding, policies, self.settings, self.session)

    def admit(self, exchange: Exchange, call: Any) -> None:
        """See whether the model of a call may be used, which stays as it is."""
        if self.access.concerns(exchange.key):
            self.access.check(exchange, self.aliases.note(exchange, call.model))

    def amend(self, exchange: Exchange, call: Any) -> None:
        """Bring a call of Pannier's own to what is set for its model."""
        self.overrides.narrowly(exchange, call)
        self.context(exchange, call)

    def native(self, exchange: Exchange, members: Members, path: str) -> Members:
        """What one of Ollama's own requests becomes, which may be served."""
        members = self.overrides.native(exchange, members, path)
        self.tokens.native(exchange, members)
        return members

    def code_policies(self) -> list[Policy]:
        """Those of a text that is filled in."""
        after: list[Policy] = [self.reasoning, self.context, self.awaited, self.tokens]
        return [self.fill, self.access, self.overrides, *after]

    def policies(
        self, aliases: Aliases | None = None, field: str = "messages"
    ) -> list[Policy]:
        """Those of a conversation, which is in ``field``, in their order."""
        names = aliases or self.aliases
        sees = Abilities(self.catalog.facts, field, self.settings.strict)
        before: list[Policy] = [names, self.access, self.overrides, sees]
        after: list[Policy] = [self.reasoning, self.context, self.awaited, self.tokens]
        return [*before, *after]
