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
