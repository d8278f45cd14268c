"""What is kept is found again, as long as it should be and no longer."""

import itertools
import random
import time
from typing import Any

import gevent
import pytest
import sqlalchemy as sa

from app.errors import GatewayError
from app.storage import Item, Kept, Responses, TooMuch, queries
from app.storage.tables import RESPONSE

from .conftest import DAY, MOST, Clock, Keeper, Place, chain

MIB = 1024 * 1024


def ids(items: list[Item] | None) -> list[str] | None:
    """The ids of items."""
    return None if items is None else [item.id for item in items]


def test_what_is_kept_is_found(responses: Responses) -> None:
    """A response comes back with its bytes, its items in order, each with its kind."""
    body = '{"id":"r1","text":"ö\\u0000\\n"}'.encode()
    items = [Item(f"i{n}", b'{"n":%d}' % n, n > 1) for n in (1, 0, 2)]
    assert responses.keep("r1", None, body, items, 1_799_999_999)
    assert responses.get("r1") == Kept("r1", None, 1_799_999_999, body)
    assert responses.items("r1") == items
    assert responses.items("r1", output=False) == items[:2]
    assert responses.found(["i2"], 7) == {"i2": b'{"n":2}'}
    assert responses.conversation("r1", *MOST) == items


@pytest.mark.parametrize("id", ["r2", "", "\0", "r\0", "x" * 1000, "\ud800", "r1 ' --"])
def test_q8_what_was_never_kept_is_not_found(responses: Responses, id: str) -> None:
    """An unknown id, or what can be none, is ``None``, and no failure."""
    responses.keep("r1", None, b"{}", [], 1)
    assert responses.get(id) is None
    assert responses.conversation(id, *MOST) is None
    assert responses.found([id], MIB) == {}
    assert responses.items(id) == []
    assert responses.delete(id) is False


@pytest.mark.parametrize("other", ["", "key_b", "key_A"])
def test_what_is_kept_has_one_owner(responses: Responses, other: str) -> None:
    """For everybody else it is not there, by none of the ways to it."""
    for id, before in (("r1", None), ("r2", "r1")):
        items = [Item(f"i_{id}", b"1", False)]
        assert responses.keep(id, before, b"{}", items, 1, "key_a")
    assert responses.get("r2", other) is None
    assert responses.items("r2", other) == []
    assert responses.conversation("r2", *MOST, other) is None
    assert responses.found(["i_r1", "i_r2"], MIB, other) == {}
    assert responses.delete("r2", other) is False
    assert responses.get("r2", "key_a") == Kept("r2", "r1", 1, b"{}")
    assert ids(responses.items("r2", "key_a")) == ["i_r2"]
    assert ids(responses.conversation("r2", *MOST, "key_a")) == ["i_r1", "i_r2"]
    assert set(responses.found(["i_r1", "i_r2"], MIB, "key_a")) == {"i_r1", "i_r2"}
    assert responses.delete("r2", "key_a") is True


def test_nobody_goes_on_from_what_is_another_s(responses: Responses) -> None:
    """A response that follows another's is kept, and leads nowhere."""
    assert responses.keep("r1", None, b"{}", [Item("i1", b"1", False)], 1, "key_a")
    assert responses.keep("r2", "r1", b"{}", [Item("i2", b"1", False)], 1, "key_b")
    assert responses.conversation("r2", *MOST, "key_b") is None
    assert responses.conversation("r2", *MOST, "key_a") is None


def test_keeping_again_changes_nothing(responses: Responses, place: Place) -> None:
    """A response that is kept twice is there once, as it was first."""
    for body in (b"1", b"2"):
        assert responses.keep("r1", None, body, [Item("i", body, False)], 1)
    assert responses.get("r1") == Kept("r1", None, 1, b"1")
    assert place.count() == (1, 1, 1)


def test_q3_keeping_is_all_or_nothing(responses: Responses, place: Place) -> None:
    """If one row cannot be written, none is, and no row's values are in the error."""
    broken = Item("i2", b"2", None)  # type: ignore[arg-type]
    with pytest.raises(GatewayError) as caught:
        responses.keep("r1", None, b"1", [Item("i1", b"1", False), broken], 1)
    assert "output" in caught.value.detail
    assert "i2" not in caught.value.detail
    assert place.count() == (0, 0, 0)
    assert responses.keep("r1", None, b"1", [], 1)


def test_a_conversation_is_the_whole_chain(responses: Responses) -> None:
    """Its items come oldest first, of this chain alone, also past empty responses."""
    chain(responses, "a", "b", "c")
    responses.keep("empty", "b", b"{}", [], 1)
    responses.keep("d", "empty", b"{}", [Item("last", b"{}", False)], 1)
    assert ids(responses.conversation("c", *MOST)) == [
        "q_a",
        "a_a",
        "q_b",
        "a_b",
        "q_c",
        "a_c",
    ]
    assert ids(responses.conversation("d", *MOST)) == [
        "q_a",
        "a_a",
        "q_b",
        "a_b",
        "last",
    ]
    assert ids(responses.conversation("empty", *MOST)) == ["q_a", "a_a", "q_b", "a_b"]
    assert ids(responses.conversation("a", *MOST)) == ["q_a", "a_a"]


def test_a_conversation_without_items(responses: Responses) -> None:
    """It is empty, not missing."""
    responses.keep("r1", None, b"{}", [], 1)
    assert responses.conversation("r1", *MOST) == []


@pytest.mark.parametrize("gone", ["a", "b", "c"])
def test_a_conversation_with_a_gap_is_none(responses: Responses, gone: str) -> None:
    """Where a response of the chain was deleted there is no conversation."""
    chain(responses, "a", "b", "c")
    assert responses.delete(gone)
    assert responses.conversation("c", *MOST) is None
    assert responses.delete(gone) is False


def test_a_deleted_response_leaves_nothing(responses: Responses, place: Place) -> None:
    """Its body and its items go with it."""
    chain(responses, "a")
    assert responses.delete("a")
    assert place.count() == (0, 0, 0)


def test_a_conversation_is_two_queries(keeper: Keeper) -> None:
    """However long it is: how much there is, and all of it; so are items."""
    storage = keeper.storage()
    assert storage.responses is not None
    chain(storage.responses, *(f"r{n}" for n in range(100)))
    asked: list[str] = []

    def listen(database: Any) -> None:
        sa.event.listen(
            database._engine,
            "before_cursor_execute",
            lambda *arguments: asked.append(arguments[2]),
        )

    storage.run(listen)
    found = storage.responses.conversation("r99", *MOST)
    assert found is not None
    assert len(found) == 200
    assert len(asked) == 2
    assert len(storage.responses.found([f"q_r{n}" for n in range(100)], MIB)) == 100
    assert len(asked) == 4


def test_items_are_found_while_they_are_there(
    responses: Responses, clock: Clock
) -> None:
    """Each of those that were asked for, but none that was deleted or is over."""
    chain(responses, "a", "b")
    wanted = ["q_a", "a_b", "unknown"]
    found = {"q_a": b'"ask a"', "a_b": b'"say b"'}
    assert responses.found(wanted, MIB) == found
    responses.delete("b")
    assert responses.found(wanted, MIB) == {"q_a": b'"ask a"'}
    clock.now += 30 * DAY
    assert responses.found(wanted, MIB) == {}


@pytest.mark.parametrize("first", ["", "r0"], ids=["long", "round"])
def test_a_chain_that_nobody_follows_to_its_end(
    responses: Responses, place: Place, clock: Clock, first: str
) -> None:
    """Of too many responses, or one that has no end, is too much, items or not."""
    count = queries.DEEPEST + 1 if not first else 2
    rows = [
        {
            "id": f"r{n}",
            "previous_id": f"r{n + 1}" if n + 1 < count else first or None,
            "created_at": 1,
            "expires_at": int(clock.now + DAY) * 1000,
            "size": 1,
        }
        for n in range(count)
    ]
    database = place.database()
    with database.writing() as connection:
        connection.execute(sa.insert(RESPONSE), rows)
    database.close()
    with pytest.raises(TooMuch):
        responses.conversation("r0", *MOST)
    if not first:
        assert responses.conversation("r1", *MOST) == []
    assert responses.keep("one more", "r0", b"", [], 1)


def test_many_items_at_once(responses: Responses) -> None:
    """As many as a request can name are looked up together."""
    items = [Item(f"i{n}", b"%d" % n, True) for n in range(10_000)]
    responses.keep("r", None, b"", items, 1)
    assert responses.found([item.id for item in items], MIB) == {
        item.id: item.body for item in items
    }


def test_what_is_too_much_is_not_read(keeper: Keeper) -> None:
    """More items, or bytes, than were asked for are refused before they are read."""
    storage = keeper.storage()
    responses = storage.responses
    assert responses is not None
    chain(responses, "a", "b")  # four items of seven bytes
    read: list[str] = []

    def listen(database: Any) -> None:
        sa.event.listen(
            database._engine,
            "before_cursor_execute",
            lambda *arguments: read.append(arguments[2]),
        )

    assert len(responses.conversation("b", 4, 28) or ()) == 4
    assert len(responses.found(["q_a", "a_a"], 14)) == 2
    storage.run(listen)
    for most in ((3, 28), (4, 27)):
        with pytest.raises(TooMuch):
            responses.conversation("b", *most)
    with pytest.raises(TooMuch):
        responses.found(["q_a", "a_a"], 13)
    assert len(read) == 3
    assert all("sum(length(" in statement for statement in read)


def test_time_is_over(responses: Responses, place: Place, clock: Clock) -> None:
    """After its time a response is not found, and the next look removes it."""
    chain(responses, "a")
    clock.now += 30 * DAY - 1
    assert responses.get("a")
    assert responses.conversation("a", *MOST)
    responses.tidy()
    assert place.count() == (1, 1, 2)
    clock.now += 1
    assert responses.get("a") is None
    assert responses.items("a") == []
    assert responses.conversation("a", *MOST) is None
    assert responses.delete("a") is False
    responses.tidy()
    assert place.count() == (0, 0, 0)


def test_a_conversation_that_goes_on_keeps_its_head(
    responses: Responses, clock: Clock, place: Place
) -> None:
    """With each response all before it live as long; a branch that ended does not."""
    chain(responses, "a", "b")
    responses.keep("branch", "a", b"", [], 1)
    for n in range(5):
        clock.now += 20 * DAY
        before = f"c{n - 1}" if n else "b"
        assert responses.conversation(before, *MOST) is not None
        responses.keep(f"c{n}", before, b"", [], 1)
        responses.tidy()
    assert ids(responses.conversation("c4", *MOST)) == ["q_a", "a_a", "q_b", "a_b"]
    assert responses.get("branch") is None
    assert place.count()[0] == 7
    clock.now += 30 * DAY
    responses.tidy()
    assert place.count() == (0, 0, 0)


def test_a_shorter_time_holds_for_what_is_there(
    keeper: Keeper, clock: Clock, place: Place
) -> None:
    """Who lowers the setting need not wait for the longer one to pass."""
    chain(keeper.responses(), "a", "b")
    shorter = keeper.responses(responses_ttl=60)
    shorter.tidy()
    assert ids(shorter.conversation("b", *MOST)) is not None
    clock.now += 60
    shorter.tidy()
    assert place.count() == (0, 0, 0)


def test_many_are_removed_in_several_steps(
    responses: Responses, clock: Clock, place: Place
) -> None:
    """More than one transaction shall remove go all the same."""
    for n in range(450):
        responses.keep(f"r{n}", None, b"", [], 1)
    clock.now += 31 * DAY
    responses.tidy()
    assert place.count() == (0, 0, 0)


def test_too_much_goes_by_whole_conversations(
    keeper: Keeper, clock: Clock, place: Place
) -> None:
    """Above the limit those go that end first, whole, until a tenth is free."""
    responses = keeper.responses(responses_max_bytes=MIB)
    chance = random.Random(1)
    heads: dict[str, str] = {}
    for n in range(400):
        clock.now += 1
        name = f"c{chance.randrange(40)}"
        id = f"{name}.{n}"
        before = heads.get(name, "")
        size = chance.randrange(8000)
        responses.keep(
            id, before if responses.get(before) else None, b"x" * size, [], n
        )
        heads[name] = id
    responses.tidy()
    assert 0.7 * MIB < place.scalar("SELECT sum(size) FROM response") <= MIB
    alive = [i for i in heads.values() if responses.get(i)]
    assert 5 < len(alive) < 40
    assert all(responses.conversation(id, *MOST) is not None for id in alive)
    newest = max(int(i.partition(".")[2]) for i in heads.values())
    assert any(i.endswith(f".{newest}") for i in alive)
    assert all(i in alive for i in sorted(heads.values(), key=_number)[-len(alive) :])


def _number(id: str) -> int:
    return int(id.partition(".")[2])


def test_a_tenth_becomes_free(keeper: Keeper, clock: Clock, place: Place) -> None:
    """What goes above the limit makes room for a while, and no more than that."""
    responses = keeper.responses(responses_max_bytes=MIB)
    for n in range(16):
        clock.now += 1
        responses.keep(f"r{n}", None, b"x" * 65_536, [], 1)
    responses.tidy()
    assert place.count()[0] == 14
    assert responses.get("r1") is None
    assert responses.get("r2")


def test_within_the_limit_nothing_goes(keeper: Keeper, place: Place) -> None:
    """What fits stays."""
    responses = keeper.responses(responses_max_bytes=MIB)
    chain(responses, "a", "b", size=90_000)
    responses.tidy()
    assert place.count() == (2, 2, 4)


@pytest.mark.parametrize("body", [MIB // 10, 0])
def test_what_is_too_large_is_not_kept(keeper: Keeper, place: Place, body: int) -> None:
    """A response of more than a tenth of the limit is not; body and items count."""
    responses = keeper.responses(responses_max_bytes=MIB)
    items = [] if body else [Item("i", b"x" * (MIB // 10), False)]
    assert responses.keep("r", None, b"x" * body, items, 1) is False
    assert place.count() == (0, 0, 0)
    assert responses.keep("s", None, b"x" * (MIB // 11), [], 1) is True


def test_q8_odd_ids_of_items(responses: Responses) -> None:
    """Whatever a client calls its items, the response is kept."""
    odd = ["", "\0", "a\0b", "x" * 5000, "ö", "i", "i"]
    items = [Item(id, b"%d" % n, False) for n, id in enumerate(odd)]
    assert responses.keep("r", None, b"", items, 1)
    found = responses.items("r")
    assert [item.body for item in found] == [item.body for item in items]
    assert [item.id for item in found] == ["", "", "", "", "ö", "i", "i"]


def test_cleaning_comes_early_when_much_was_written(
    keeper: Keeper, clock: Clock, place: Place
) -> None:
    """Nobody has to wait for the minute to be over until there is room again."""
    responses = keeper.responses(responses_max_bytes=MIB)
    for n in itertools.count():
        clock.now += 1
        responses.keep(f"r{n}", None, b"x" * 50_000, [], 1)
        if n > 40 and place.count()[0] < 21:
            break
        assert n < 400


@pytest.mark.parametrize("call", ["keep", "delete"])
def test_q3_what_was_given_up_is_not_done(
    responses: Responses, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Nobody waits any more and was told that it failed: so nothing comes of it."""
    chain(responses, "a")
    begun: list[str] = []
    may_end: list[str] = []
    real = getattr(queries, call)

    def slow(*arguments: Any) -> Any:
        done = real(*arguments)
        begun.append(call)
        while not may_end:
            time.sleep(0.001)  # in the database's thread
        return done

    monkeypatch.setattr(queries, call, slow)
    wanted = ("b", "a", b"", [], 1) if call == "keep" else ("a",)
    asking = gevent.spawn(getattr(responses, call), *wanted)
    while not begun:
        gevent.sleep(0.001)
    asking.kill()
    may_end.append("now")
    assert responses.get("a")
    assert responses.get("b") is None
