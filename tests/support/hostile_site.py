"""An installation whose every place that others can fill holds a hostile text."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from . import hostile
from .administering import PASSWORD, Admin
from .browser import Browser
from .handling import part
from .hostile import ALL, LONG, MARKUP, SLOW, TIGHT
from .leaving import ask, eventually, fresh, until
from .raw import ask as got
from .server import Server
from .site import lend

#: The account has such a name too.
USERNAME = MARKUP["area"]
ALIAS = "x" * 128
NOTES = f"{ALL[:200].translate(dict.fromkeys(range(0x2000, 0x2100)))}\n{'n' * 1700}"


class HostileSite(NamedTuple):
    """``keys`` are ids by names, ``secret`` is one of them."""

    server: Server
    admin: Admin
    keys: dict[str, str]
    secret: str

    @property
    def url(self) -> str:
        """Where it answers."""
        return self.server.url

    def sign_in(self, browser: Browser) -> None:
        """Give a browser a session of its own."""
        lend(browser, _signed_in(self.server))


@contextmanager
def hostile_site() -> Iterator[HostileSite]:
    """One that runs; one request goes on in it for ever."""
    with ExitStack() as there:
        state = there.enter_context(tempfile.TemporaryDirectory())
        ollama = there.enter_context(hostile.Ollama())
        env = {"OLLAMA_URL": ollama.url, "PANNIER_STATE_DIR": state}
        env |= {"ADMIN_USERNAME": USERNAME, "ADMIN_PASSWORD": PASSWORD}
        env["PANNIER_IDLE_TIMEOUT"] = "3600"
        server = there.enter_context(Server(env))
        admin = _signed_in(server)
        _signed_in(server, " ".join(MARKUP.values()))
        _signed_in(server, "w" * 3000)
        for name in (MARKUP["img"], "w" * 64):
            Admin(server).sign_in("none at all", name)
        keys, secret = _keys(admin)
        _set(admin)
        hostile.leave(Path(state), keys)
        eventually(lambda: got(server.port, "GET", "/v1/models").status == 401)
        head = (f"Authorization: Bearer {secret}", f"User-Agent: {MARKUP['svg']}")
        said = [{"role": "user", "content": "x"}]
        body = {"model": SLOW, "stream": True, "messages": said}
        name = fresh("slow")
        running = there.enter_context(
            ask(server.port, "POST", "/v1/chat/completions", name, body, *head)
        )
        until(running, b"data:")
        yield HostileSite(server, admin, keys, secret)


def _signed_in(server: Server, agent: str = "") -> Admin:
    admin = Admin(server, **({"User_Agent": agent} if agent else {}))
    assert admin.sign_in(username=USERNAME).status == 200
    return admin


def _keys(admin: Admin) -> tuple[dict[str, str], str]:
    keys, secret = {}, ""
    for name in (*MARKUP.values(), "w" * 80, "\U0001f999"):
        form = {"name": name, "notes": NOTES, "rpm": 9, "allow_models": ["*"]}
        form["deny_models"] = [text.replace(" ", "_") for text in MARKUP.values()]
        form["deny_models"] += ["w" * 256]
        form["overrides"] = {"y" * 64: ALL, "stop": [LONG[:2000], ALL]}
        made = admin.do("POST", "keys", form)
        keys[name] = made["id"]
        secret = made["key"] if name == MARKUP["svg"] else secret
    return keys, secret


def _set(admin: Admin) -> None:
    overrides = {"system": f"{ALL} {LONG}", "stop": [ALL], "x" * 64: [ALL]}
    description = f"{MARKUP['area']} {'d' * 1500}"
    code = {"template": f"{MARKUP['area']}<script>{{code_prefix}}"}
    for name in TIGHT:
        given = {"overrides": overrides, "description": description, "code": code}
        admin.do("PATCH", f"models/{part(name)}", given)
    target = TIGHT[2]
    for name, meant in (("hostile", target), (ALIAS, "w" * 512)):
        given = {"name": name, "target": meant, "display": True, "overrides": overrides}
        admin.do("POST", "aliases", given)
    long = f"{MARKUP['img']}{LONG[:3000]}"
    form = {"default_model": long, "code_model": MARKUP["area"], "overrides": overrides}
    admin.do("PATCH", "settings", form)
