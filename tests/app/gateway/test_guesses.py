from app.gateway.guesses import ALLOWED, MOST, PERIOD, Guesses


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """What it shows."""
        return self.now


def test_some_are_allowed_in_a_period() -> None:
    """Then each says how long the rest of it is; a new one begins with nothing."""
    clock = Clock()
    guesses = Guesses(clock)
    for _ in range(2):
        assert [guesses.count("a") for _ in range(ALLOWED)] == [0] * ALLOWED
        assert guesses.count("a") == PERIOD
        clock.now += PERIOD - 0.5
        assert guesses.count("a") == 1
        assert guesses.count("b") == 0
        clock.now += 0.5
    assert len(guesses) == 2


def test_an_address_that_is_many() -> None:
    """All of a /64 is one, and so is an IPv4 address however it is written."""
    guesses = Guesses(Clock())
    for number in range(ALLOWED):
        assert guesses.wait("2001:db8::ffff") == 0
        assert guesses.count(f"2001:db8::{number:x}:1") == 0
    assert guesses.wait("2001:DB8::ffff") == guesses.count("2001:db8::") == PERIOD
    assert guesses.wait("2001:db8:0:1::1") == 0
    for _ in range(ALLOWED):
        guesses.count("::ffff:192.0.2.1")
    assert guesses.wait("192.0.2.1") == PERIOD
    assert guesses.wait("192.0.2.2") == guesses.wait("::ffff:192.0.2.2") == 0
    for odd in ("", "unix", "no:address"):
        assert guesses.count(odd) == guesses.wait(odd) == 0


def test_a_wait_ends() -> None:
    """After the period nobody waits any more."""
    clock = Clock()
    guesses = Guesses(clock)
    for _ in range(ALLOWED):
        guesses.count("a")
    clock.now += PERIOD - 1
    assert guesses.wait("a") == 1
    clock.now += 1
    assert guesses.wait("a") == 0


def test_few_addresses_are_remembered() -> None:
    """The longest known ones give way, whoever came again in between."""
    guesses = Guesses(Clock())
    for _ in range(ALLOWED):
        guesses.count("last")
    for number in range(MOST - 1):
        guesses.count(str(number))
    assert len(guesses) == MOST
    assert guesses.count("last") > 0
    for number in range(2 * MOST):
        guesses.count(f"more {number}")
        assert len(guesses) == MOST
    assert guesses.count("last") == 0


def test_a_new_period_is_new() -> None:
    """An address that begins another one is the last to be forgotten."""
    clock = Clock()
    guesses = Guesses(clock)
    assert [guesses.count(name) for name in ("first", "second")] == [0, 0]
    clock.now += PERIOD
    for _ in range(ALLOWED):
        guesses.count("first")
    for number in range(MOST - 1):
        guesses.count(str(number))
    assert guesses.count("first") > 0
