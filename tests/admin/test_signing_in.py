import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from argon2 import extract_parameters
from support.admin import PASSWORD, Browser, House

from app.admin.sessions import IDLE
from app.admin.sessions import LONGEST as HALF_A_DAY
from app.administration import passwords
from app.first_password import LONGEST, FirstPassword, first_of, weakness
from app.settings import Settings
from app.storage.admins import MOST

OTHER = "another good password"


def code(answer: Any) -> tuple[int, str]:
    """The status and the code of an error."""
    return answer.status_code, answer.json["error"]["code"]


# ------------------------------------------------------------- sessions


def test_a_session(house: House) -> None:
    """Who signs in is known until they sign out."""
    browser = house.browser()
    assert code(browser.ask("GET", "me")) == (401, "not_signed_in")
    answer = browser.sign_in(headers={"User-Agent": "Fire\x85fox"})
    assert answer.json["username"] == "admin"
    assert answer.json["must_change_password"] is False
    assert answer.json["session"]["user_agent"] == "Fire?fox"
    assert browser.ask("GET", "me").json == answer.json
    ended = browser.ask("POST", "logout")
    assert ended.status_code == 204
    assert "Max-Age=0" in ended.headers["Set-Cookie"]
    assert code(browser.ask("GET", "me")) == (401, "not_signed_in")


def test_w4_signing_out_ends_it_for_good(house: House) -> None:
    """A cookie that somebody has kept is no session once its owner signed out."""
    browser = house.signed_in()
    kept = browser.token
    browser.ask("POST", "logout")
    thief = house.browser()
    thief.token = kept
    assert code(thief.ask("GET", "me")) == (401, "not_signed_in")


def test_w4_no_fixation(house: House) -> None:
    """Each sign-in has another session, never one that the browser brought along."""
    browser = house.browser()
    browser.token = planted = "A" * 43
    browser.sign_in()
    first = browser.token
    assert first not in ("", planted)
    browser.sign_in()
    assert browser.token not in (first, planted)
    thief = house.browser()
    thief.token = planted
    assert thief.ask("GET", "me").status_code == 401


def test_w4_a_digest_is_no_token(house: House) -> None:
    """The database has neither what browsers have, nor anything that works as such."""
    browser = house.signed_in()
    (row,) = house.rows("SELECT id FROM admin_session")
    assert len(row[0]) == 64
    assert browser.token not in str(house.rows("SELECT * FROM admin_session"))
    thief = house.browser()
    thief.token = row[0]
    assert thief.ask("GET", "me").status_code == 401


@pytest.mark.parametrize(
    ("base", "name", "words"),
    [
        ("http://localhost", "pannier", {"Path=/admin"}),
        ("https://llm.example.org", "__Host-pannier", {"Path=/", "Secure"}),
    ],
)
def test_w4_cookies(house: House, base: str, name: str, words: set[str]) -> None:
    """Scripts and other sites do not get the cookie; with TLS, plain HTTP neither."""
    browser = house.browser(base)
    text = browser.sign_in().headers["Set-Cookie"]
    value, *rest = text.split("; ")
    assert value.partition("=")[0] == name
    assert len(value.partition("=")[2]) == 43  # 256 bits
    assert set(rest) == {*words, "HttpOnly", "SameSite=Strict", "Max-Age=43200"}
    assert browser.ask("GET", "me").status_code == 200


def test_w4_an_hour_without_a_request(house: House) -> None:
    """A session ends an hour after its last request, and not before."""
    browser = house.signed_in()
    for _ in range(3):
        house.pass_by(IDLE / 1000 - 1)
        assert browser.ask("GET", "me").status_code == 200
    house.pass_by(IDLE / 1000)
    assert browser.ask("GET", "me").status_code == 401


def test_w4_half_a_day(house: House) -> None:
    """However busy, a session ends after twelve hours."""
    browser = house.signed_in()
    end = house.now + HALF_A_DAY
    while house.now + IDLE < end:
        house.pass_by(IDLE / 2000)
        assert browser.ask("GET", "me").status_code == 200
    house.now = end - 1
    assert browser.ask("GET", "me").status_code == 200
    house.now = end
    assert browser.ask("GET", "me").status_code == 401


def test_sessions_are_listed_and_ended(house: House) -> None:
    """The account sees where it is signed in, and can end each of them."""
    one, other = house.signed_in(), house.signed_in()
    listed = one.ask("GET", "me/sessions").json["sessions"]
    assert one.ask("GET", "me").json["session"] | {"current": True} in listed
    assert all(each["ends_at"] - each["seen_at"] == IDLE for each in listed)
    assert sorted(found["current"] for found in listed) == [False, True]
    (foreign,) = [found["id"] for found in listed if not found["current"]]
    assert one.ask("DELETE", f"me/sessions/{foreign}").status_code == 204
    assert other.ask("GET", "me").status_code == 401
    assert one.ask("GET", "me").status_code == 200
    assert code(one.ask("DELETE", f"me/sessions/{foreign}")) == (404, "not_found")


def test_a_session_that_has_ended_is_not_listed(house: House) -> None:
    """It is there until the millisecond in which it ends."""
    house.signed_in()
    house.pass_by(IDLE / 2000)
    browser = house.signed_in()
    for milliseconds, many in ((IDLE // 2 - 1, 2), (1, 1)):
        house.now += milliseconds
        assert len(browser.ask("GET", "me/sessions").json["sessions"]) == many


def test_sessions_are_not_without_number(house: House) -> None:
    """Beyond a hundred sessions the oldest one goes; those that ended go earlier."""
    browsers = []
    for _ in range(3):
        browsers.append(house.signed_in())
        house.pass_by(1)

    def fill(connection: Any) -> None:
        row = connection.exec_driver_sql("SELECT * FROM admin_session").first()
        for number in range(MOST):
            values = (f"x{number}", *row[1:4], *row[4:])
            connection.exec_driver_sql(
                f"INSERT INTO admin_session VALUES ({','.join('?' * len(row))})", values
            )

    house.installation.storage.write(fill)
    newest = house.signed_in()
    assert house.rows("SELECT count(*) FROM admin_session") == [(MOST,)]
    assert newest.ask("GET", "me").status_code == 200
    assert browsers[-1].ask("GET", "me").status_code == 200
    house.pass_by(HALF_A_DAY)
    house.signed_in()
    assert house.rows("SELECT count(*) FROM admin_session") == [(1,)]


def test_another_session_secret(build: Callable[..., House]) -> None:
    """With another SESSION_SECRET everybody has to sign in again."""
    browser = build(session_secret="one").signed_in()
    other = build(session_secret="two").browser()
    other.token = browser.token
    assert other.ask("GET", "me").status_code == 401
    assert browser.ask("GET", "me").status_code == 200


# ------------------------------------------------------------- passwords


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is done with argon2, in its order."""
    done: list[str] = []
    real = passwords._hasher

    class Counting:
        def hash(self, password: bytes) -> str:
            done.append("hash")
            return real.hash(password)

        def verify(self, kept: str, password: bytes) -> bool:
            done.append("verify")
            return real.verify(kept, password)

    monkeypatch.setattr(passwords, "_hasher", Counting())
    return done


@pytest.mark.parametrize("known", [False, True], ids=["no account", "an account"])
def test_w3_the_same_for_unknown_users(
    house: House, work: list[str], known: bool
) -> None:
    """A wrong name costs as much work as a wrong password, and gets the same answer."""
    if known:
        house.signed_in()
    answers, costs = [], []
    for username, password in (
        ("admin", "wrong"), ("root", "wrong"), ("root", PASSWORD), ("", ""),
    ):  # fmt: skip
        work.clear()
        answer = house.browser().sign_in(password, username)
        answers.append((answer.status_code, answer.data))
        costs.append(list(work))
    assert len(set(answers)) == 1
    assert answers[0][0] == 401
    assert costs == [["verify" if known else "hash"]] * 4


@pytest.mark.parametrize("changes", [False, True], ids=["signs in", "changes it"])
def test_a_password_that_is_changed_meanwhile(
    house: House, monkeypatch: pytest.MonkeyPatch, changes: bool
) -> None:
    """Who had the old one right, but is slower than the change, gets nowhere."""
    browser, other = house.signed_in(), house.signed_in()
    real = passwords.matches

    def slow(password: str, kept: str) -> bool:
        monkeypatch.setattr(passwords, "matches", real)
        assert other.change("another good password").status_code == 200
        return real(password, kept)

    monkeypatch.setattr(passwords, "matches", slow)
    if changes:
        assert browser.change("one more good password").status_code == 422
    else:
        assert house.browser().sign_in().status_code == 401
    assert house.browser().sign_in("another good password").status_code == 200


def test_w2_passwords_are_kept_by_argon2id(house: House) -> None:
    """What is kept of a password is argon2id's, with 19 MiB and two passes."""
    house.signed_in()
    ((kept,),) = house.rows("SELECT password_hash FROM admin_user")
    found = extract_parameters(kept)
    assert kept.startswith("$argon2id$")
    assert (found.memory_cost, found.time_cost) == (19 * 1024, 2)
    assert PASSWORD not in kept


def test_w2_hashing_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing happens in other threads, at most twice at a time."""
    entered: list[int] = []
    release = threading.Event()

    class Waiting:
        def hash(self, password: bytes) -> str:
            entered.append(threading.get_ident())
            release.wait(30)
            return "done"

    monkeypatch.setattr(passwords, "_hasher", Waiting())
    jobs = [gevent.spawn(passwords.hashed, "x") for _ in range(5)]
    try:
        with gevent.Timeout(30):
            while len(entered) < 2:
                gevent.sleep(0.001)
        for _ in range(50):
            gevent.sleep(0.001)  # here this thread goes on
        assert len(entered) == 2
        assert threading.get_ident() not in entered
    finally:
        release.set()
    gevent.joinall(jobs, timeout=30, raise_error=True)
    assert len(entered) == 5


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ("", "at least 10"),
        ("short", "at least 10"),
        ("x" * (LONGEST + 1), "at most"),
        ("password123", "guessed"),
        ("PassWord123", "guessed"),
        ("aaaaaaaaaaaaaa", "guessed"),
        (PASSWORD, "that you have"),
    ],
)
def test_weak_passwords_are_refused(house: House, new: str, words: str) -> None:
    """A password that is easily guessed, or is the old one, is a 422 that says so."""
    answer = house.signed_in().change(new)
    assert code(answer) == (422, "invalid_value")
    assert answer.json["error"]["param"] == "new_password"
    assert words in answer.json["error"]["message"]


def test_a_password_is_changed(house: House) -> None:
    """The new password counts, the old one no more; nobody else stays signed in."""
    one, other = house.signed_in(), house.signed_in()
    before = one.token
    assert one.change(OTHER).json["must_change_password"] is False
    assert one.token != before
    assert one.ask("GET", "me").status_code == 200
    assert other.ask("GET", "me").status_code == 401
    thief = house.browser()
    thief.token = before
    assert thief.ask("GET", "me").status_code == 401
    assert house.browser().sign_in().status_code == 401
    assert house.browser().sign_in(OTHER).status_code == 200


def test_the_old_password_is_needed(house: House) -> None:
    """Who finds a browser signed in cannot set a password, or guess the old one."""
    browser = house.signed_in()
    for _ in range(5):
        answer = browser.change(OTHER, current="a guess of mine")
        assert code(answer) == (422, "invalid_value")
        assert answer.json["error"]["param"] == "current_password"
    assert code(browser.change(OTHER)) == (429, "rate_limit_exceeded")


# ------------------------------------------------------------- the first one


def test_w1_no_password_is_everybody_s(tmp_path: Path) -> None:
    """Each installation has a first password of its own, of 100 bits, and keeps it."""
    found = set()
    for name in ("one", "other", "one"):
        first = first_of(Settings(state_dir=str(tmp_path / name)))
        assert isinstance(first, FirstPassword)
        assert first.must_change
        assert len(first.password.replace("-", "")) == 20
        found.add(first.password)
    assert len(found) == 2
    assert not (tmp_path / "one" / "pannier.db").exists()


@pytest.mark.parametrize("given", ["admin", "password", "change-me", "short", ""])
def test_w1_the_first_password_is_changed_first(
    build: Callable[..., House], given: str
) -> None:
    """With a weak password, or the one that was made, all else is closed at first."""
    house = build(admin_password=given)
    first = first_of(house.settings)
    assert isinstance(first, FirstPassword)
    browser = house.browser()
    answer = browser.sign_in(first.password)
    assert answer.json["must_change_password"] is True
    for method, path in (("GET", "me/sessions"), ("DELETE", "me/sessions/x")):
        assert code(browser.ask(method, path)) == (403, "password_change_required")
    assert browser.ask("GET", "me").status_code == 200
    assert browser.change(OTHER, current=first.password).status_code == 200
    assert browser.ask("GET", "me/sessions").status_code == 200
    assert house.browser().sign_in(first.password).status_code == 401


def test_the_account_counts_once_there_is_one(build: Callable[..., House]) -> None:
    """ADMIN_PASSWORD is the first password: another one later changes nothing."""
    build().signed_in()
    later = build(admin_password=OTHER, admin_username="root")
    assert later.browser().sign_in(OTHER, "root").status_code == 401
    assert later.browser().sign_in().status_code == 200


def test_no_place_for_an_account() -> None:
    """Where nothing lasts nobody can sign in, and the reason is known."""
    assert first_of(Settings(state_dir="")) == "there is no state directory"
    assert "/proc/x" in str(first_of(Settings(state_dir="/proc/x")))


def test_nothing_is_made_before_somebody_signs_in(tmp_path: Path) -> None:
    """Looking makes no database, with a cookie or without; signing in does."""
    with House(tmp_path / "state") as house:
        browser = house.browser()
        browser.token = "A" * 43
        for method, path in (("GET", "me"), ("GET", "me/sessions"), ("POST", "logout")):
            assert browser.ask(method, path).status_code == 401
        assert not (tmp_path / "state").exists()
        assert browser.sign_in().status_code == 200
        assert (tmp_path / "state" / "pannier.db").exists()


@pytest.mark.parametrize(
    "password", ["correct horse battery staple", "1234567x90", "abcdabcdab"]
)
def test_good_passwords(password: str) -> None:
    """Passwords are judged by their length, not by kinds of characters."""
    assert weakness(password, "admin") == ""


# ------------------------------------------------------------- attempts


def blocked(browser: Browser, password: str = "wrong") -> int:
    """For how many seconds an attempt is refused; 0: it was looked at."""
    answer = browser.sign_in(password)
    if answer.status_code == 429:
        error, seconds = answer.json["error"], int(answer.headers["Retry-After"])
        assert error["code"] == "rate_limit_exceeded"
        unit = "second" if seconds == 1 else "seconds"
        assert error["message"].endswith(f" in {seconds} {unit}.")
        return seconds
    return 0


def test_w3_failures_make_slow(house: House) -> None:
    """After five failures each attempt waits twice as long, up to fifteen minutes."""
    house.signed_in()
    browser = house.browser()
    assert [blocked(browser) for _ in range(5)] == [0] * 5
    waits = []
    for _ in range(13):
        waits.append(blocked(browser, PASSWORD))  # a good one, too
        house.pass_by(waits[-1] - 0.001)
        assert blocked(browser, PASSWORD) == 1
        house.pass_by(0.001)
        assert blocked(browser) == 0
    assert waits == [2**n for n in range(10)] + [900] * 3
    house.pass_by(900)
    assert browser.sign_in().status_code == 200
    assert blocked(browser) == 0  # all is forgiven


def test_w3_failures_are_forgotten(house: House) -> None:
    """An hour after the last failure nothing is known of it."""
    browser = house.browser()
    for _ in range(5):
        assert blocked(browser) == 0
    assert blocked(browser) == 1
    house.pass_by(3601)
    assert blocked(browser) == 0
    assert blocked(browser) == 0


def test_w3_who_fails_elsewhere_is_another(build: Callable[..., House]) -> None:
    """Those who guess do not lock out the owner, who has another address."""
    house = build(trusted_proxies="127.0.0.1")
    others = [f"2001:db8::{n:x}" for n in range(5)]  # of one network
    for address in [*others, "10.0.0.1"]:
        headers = {"X-Forwarded-For": address}
        answer = house.browser().ask(
            "POST", "login", {"username": "admin", "password": "x"}, headers=headers,
            environ_base={"REMOTE_ADDR": "127.0.0.1"},
        )  # fmt: skip
        assert answer.status_code == 401
    for address, status in ((others[0], 429), ("10.0.0.1", 200), ("10.0.0.2", 200)):
        answer = house.browser().sign_in(
            headers={"X-Forwarded-For": address},
            environ_base={"REMOTE_ADDR": "127.0.0.1"},
        )
        assert answer.status_code == status, address


def test_w3_sixty_a_minute(house: House) -> None:
    """All together have sixty attempts a minute, and leave few rows behind."""
    for number in range(60):
        answer = house.browser().sign_in(
            "wrong", environ_base={"REMOTE_ADDR": f"10.0.0.{number}"}
        )
        assert answer.status_code == 401
    late = {"REMOTE_ADDR": "10.0.1.1"}
    answer = house.browser().sign_in(environ_base=late)
    assert code(answer) == (429, "rate_limit_exceeded")
    assert house.rows("SELECT count(*) FROM login_failure") == [(61,)]
    house.pass_by(60)
    assert house.browser().sign_in(environ_base=late).status_code == 200
    house.pass_by(3600)
    house.browser().sign_in("wrong", environ_base=late)
    assert house.rows("SELECT count(*) FROM login_failure") == [(2,)]


def test_w3_many_at_once_count_each(house: House) -> None:
    """Attempts that come all at once are no way around the limit."""
    house.signed_in()
    asked = [gevent.spawn(house.browser().sign_in, "wrong") for _ in range(12)]
    found = gevent.joinall(asked, timeout=60, raise_error=True)
    statuses = sorted(one.value.status_code for one in found)
    assert statuses.count(401) == 5
    assert statuses.count(429) == 7


# ------------------------------------------------------------- audit


def test_what_the_audit_log_has(house: House) -> None:
    """It has who signed in or failed to, from where, and no password of theirs."""
    browser = house.browser()
    typed = "my password, typed where the name belongs"
    at = {"environ_base": {"REMOTE_ADDR": "192.0.2.7"}}
    browser.sign_in("a wrong password", **at)
    browser.sign_in("x", typed, **at)
    browser.sign_in(**at)
    browser.change("no", current=PASSWORD)
    browser.change(OTHER, current="a guess of mine")
    browser.change(OTHER)
    made = {"name": "a", "allow_models": ["*"]}
    assert browser.ask("POST", "keys", made, **at).status_code == 201
    browser.ask("POST", "logout", **at)
    found = [(entry.action, entry.actor, entry.object) for entry in house.audit()]
    assert found[::-1] == [
        ("login.failure", "", "admin"),
        ("login.failure", "", "(unknown)"),
        ("login", "admin", "admin"),
        ("password.failure", "", "admin"),
        ("password.change", "admin", "admin"),
        ("settings", "admin", "fingerprint"),
        ("key.create", "admin", "a"),
        ("logout", "admin", "admin"),
    ]
    by_action = {entry.action: entry.ip for entry in house.audit()}
    for action in ("login", "key.create", "settings", "logout"):
        assert by_action[action] == "192.0.2.7", action
    everything = str([house.rows(f"SELECT * FROM {table}") for table in (
        "audit_log", "admin_user", "admin_session", "login_failure",
    )])  # fmt: skip
    for secret in (PASSWORD, OTHER, typed, "a guess of mine", "a wrong password"):
        assert secret not in everything
