"""Administering over HTTP, with a real gunicorn."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.administering import PASSWORD, Admin
from support.keyed import Keyring
from support.leaving import eventually
from support.operating import Operator
from support.postgres import needs_postgres, postgres
from support.raw import ask
from support.server import Server

pytestmark = pytest.mark.live

OTHER = "another good password"
INVITED = re.compile(r"^pannier: .* with the password (\S+) and choose", re.MULTILINE)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Server]:
    """A server of two workers, whose database outlives it."""
    env = {"WEB_CONCURRENCY": "2", "PANNIER_STATE_DIR": str(tmp_path / "state")}
    with Server({**env, "ADMIN_PASSWORD": PASSWORD}) as server:
        yield server


def statuses(admin: Admin, times: int = 24) -> set[int]:
    """What ``me`` answers, asked so often that each worker is."""
    return {admin.ask("GET", "me").status for _ in range(times)}


def test_w4_two_workers_have_the_same_sessions(pair: Server) -> None:
    """A session of one worker is good in the other, and ends in both at once."""
    admin, other = Admin(pair), Admin(pair)
    assert admin.sign_in().status == other.sign_in().status == 200
    assert statuses(admin) == {200}
    assert admin.change(PASSWORD, OTHER).status == 200
    assert statuses(admin) == {200}
    assert statuses(other) == {401}
    assert Admin(pair).sign_in().status == 401
    assert admin.ask("POST", "logout").status == 204
    assert statuses(admin) == {401}


def test_w3_two_workers_count_together(pair: Server) -> None:
    """Whoever guesses has five attempts, not five for each worker."""
    found = [Admin(pair).sign_in("wrong").status for _ in range(6)]
    assert found == [401] * 5 + [429]
    assert Admin(pair).sign_in().code == "rate_limit_exceeded"


def test_w1_the_first_password_is_said_once(tmp_path: Path) -> None:
    """It is on the terminal, once; it opens the door to another one, then nothing.

    Neither a reload nor a start with an account says it again.
    """
    log = tmp_path / "log"
    env = {"WEB_CONCURRENCY": "2", "PANNIER_STATE_DIR": str(tmp_path / "state")}
    arguments = ["--error-logfile", str(log)]
    with Server(env, arguments=arguments) as server:
        (first,) = eventually(lambda: INVITED.findall(server.output()))
        assert not (tmp_path / "state" / "pannier.db").exists()
        admin = Admin(server)
        assert b'"must_change_password":true' in admin.sign_in(first).body
        assert admin.ask("GET", "me/sessions").code == "password_change_required"
        assert admin.change(first, OTHER).status == 200
        assert admin.ask("GET", "me/sessions").status == 200
        assert len(INVITED.findall(server.output())) == 1
        assert first not in log.read_text()
        assert Admin(server).sign_in(first).status == 401
    with Server({**env, "PANNIER_HOST": "0.0.0.0"}) as server:
        eventually(lambda: "Pannier is open" in server.output())
        assert Admin(server).sign_in(OTHER).status == 200
        assert INVITED.findall(server.output()) == []


@pytest.mark.parametrize("keys", [0, 1])
def test_openness_is_said_if_it_is_true(tmp_path: Path, keys: int) -> None:
    """That there are no keys is said where there are none, and nowhere else."""
    ring = Keyring(tmp_path)
    if keys:
        ring.add("one", "a-key-of-some-length")
    ring.close()
    env = {"PANNIER_HOST": "0.0.0.0", "PANNIER_STATE_DIR": str(tmp_path)}
    with Server(env) as server:
        eventually(lambda: INVITED.findall(server.output()))  # which comes later
        assert server.output().count("Pannier is open") == 1 - keys


@needs_postgres
def test_two_machines_on_postgresql(tmp_path: Path) -> None:
    """Machines of one database and one secret have one account, and its sessions."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"x" * 32)
    with postgres() as database:
        env = {
            "PANNIER_DATABASE_URL": database.fresh(),
            "PANNIER_SECRET_FILE": str(secret),
        }
        with Server(env) as one, Server(env) as other:
            (first,) = eventually(lambda: INVITED.findall(one.output()))
            assert eventually(lambda: INVITED.findall(other.output())) == [first]
            admin = Admin(one)
            assert admin.sign_in(first).status == 200
            assert admin.change(first, OTHER).status == 200
            elsewhere = Admin(other, **admin.headers)
            assert elsewhere.ask("GET", "me").status == 200
            assert admin.ask("POST", "logout").status == 204
            assert elsewhere.ask("GET", "me").status == 401
        with Server({**env, "PANNIER_HOST": "0.0.0.0"}) as again:
            eventually(lambda: "Pannier is open" in again.output())
            assert Admin(again).sign_in(OTHER).status == 200
            assert INVITED.findall(again.output()) == []


@pytest.mark.parametrize(
    ("trusted", "name"), [("127.0.0.1", "__Host-pannier"), ("", "pannier")]
)
def test_w4_only_trusted_proxies_say_https(trusted: str, name: str) -> None:
    """Behind TLS the cookie is for TLS alone, if the proxy that says so is trusted."""
    env = {"PANNIER_TRUSTED_PROXIES": trusted, "ADMIN_PASSWORD": PASSWORD}
    with Server(env) as server:
        got = Admin(server, X_Forwarded_Proto="https").sign_in()
        cookie, tls = got.header("set-cookie"), got.header("strict-transport-security")
    assert cookie is not None
    assert cookie.partition("=")[0] == name
    assert ("Secure" in cookie) == (tls is not None) == bool(trusted)


def test_the_command(tmp_path: Path) -> None:
    """`pannier password` lets its owner in, everybody else out, and is not repeated."""
    pannier = Operator(tmp_path)
    assert pannier("password", stdin="short\n").code == 2
    said = pannier.do("password", stdin=f"{PASSWORD}\n")
    assert said == "The password of 'admin' is set."
    with Server(pannier.env | {"ADMIN_PASSWORD": "not this one"}) as server:
        admin = Admin(server)
        assert admin.sign_in("not this one").status == 401
        assert admin.sign_in().status == 200
        pannier.do("password", "--username", "root", stdin=f"{OTHER}\n")
        assert admin.ask("GET", "me").status == 401
        assert Admin(server).sign_in(OTHER).status == 401
        assert Admin(server).sign_in(OTHER, "root").status == 200
    assert "password.change  root" in pannier.do("audit")
    assert not any(secret in "".join(pannier.heard) for secret in (PASSWORD, OTHER))


def test_g2_no_secret_of_a_session_is_logged(tmp_path: Path) -> None:
    """Neither passwords, given or typed, nor cookies and tokens are in any log."""
    secrets = {"ADMIN_PASSWORD": PASSWORD, "SESSION_SECRET": "a secret of sessions"}
    with Server({**secrets, "PANNIER_STATE_DIR": str(tmp_path)}) as server:
        admin = Admin(server)
        admin.sign_in()
        admin.sign_in("a wrong password")
        admin.ask("GET", f"me?password={OTHER.replace(' ', '%20')}")
        admin.change("not mine at all", OTHER)
        admin.change(PASSWORD, OTHER)
        admin.ask("POST", "logout")
        last = ask(server.port, "GET", "/version", headers={"X-Request-Id": "the-end"})
        assert last.status == 200
        eventually(lambda: "id=the-end" in server.output())
        output = server.output()
    assert len(admin.secrets) > 6
    for secret in [*secrets.values(), *admin.secrets]:
        assert secret not in output, secret
