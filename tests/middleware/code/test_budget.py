import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.code.budget import CHARACTERS, Ratios, size, trimmed
from middleware.code.hole import File, Hole

case = pytest.mark.parametrize


def lines(text: str, count: int) -> str:
    """So many lines of four characters and a break."""
    return "".join(f"{text}{number:03}\n" for number in range(count))


# --------------------------------------------------------------------- sharing


@case(
    ("prefix", "suffix", "room", "want"),
    [
        # there is room for all
        (100, 100, 200, (100, 100)),
        (0, 0, 0, (0, 0)),
        (100, 0, 100, (100, 0)),
        # three quarters and one
        (1000, 1000, 400, (300, 100)),
        (1000, 1000, 8, (6, 2)),
        # what one does not need the other has
        (1000, 50, 400, (350, 50)),
        (200, 1000, 400, (200, 200)),
        (1000, 0, 400, (400, 0)),
        (0, 1000, 400, (0, 400)),
        (1, 1000, 400, (1, 399)),
        (1000, 1, 400, (399, 1)),
        # there is none
        (1000, 1000, 0, (0, 0)),
        (1000, 1000, -100, (0, 0)),
        (10, 0, -1, (0, 0)),
    ],
)
def test_shares(prefix: int, suffix: int, room: int, want: tuple[int, int]) -> None:
    """The text before has three quarters, the text after one, or what is left over."""
    hole = trimmed(Hole("p" * prefix, "s" * suffix), room)
    assert (len(hole.prefix), len(hole.suffix)) == want


def test_what_fits_stays() -> None:
    """Nothing is done to a hole for which there is room."""
    hole = Hole("a\nb", "c\n", "L", "p", "r", (File("x", "y"),))
    assert trimmed(hole, size(hole)) == hole
    assert trimmed(hole, size(hole) - 1) == hole._replace(files=())


def test_the_rest_of_a_hole_stays() -> None:
    """Language, path and repository are not cut."""
    hole = trimmed(Hole("a" * 100, "b" * 100, "L", "p", "r"), 8)
    assert hole == Hole("a" * 6, "b" * 2, "L", "p", "r")


# ----------------------------------------------------------------------- lines


@case("room", [100, 101, 103, 104])
def test_cut_at_lines(room: int) -> None:
    """Whole lines are kept: the last of the text before, the first of that after."""
    hole = trimmed(Hole(lines("p", 100), lines("s", 100)), room)
    prefix, suffix = hole.prefix.splitlines(), hole.suffix.splitlines()
    assert prefix == [f"p{n:03}" for n in range(100 - len(prefix), 100)]
    assert suffix == [f"s{n:03}" for n in range(len(suffix))]
    assert hole.prefix.endswith("\n")
    assert len(hole.prefix) in (75, 70)
    assert len(hole.suffix) in (25, 20)


def test_a_line_that_just_fits_is_kept() -> None:
    """A cut where a line begins loses nothing of the room."""
    assert trimmed(Hole("ab\ncdef\n"), 5).prefix == "cdef\n"
    assert trimmed(Hole("", "abcd\nef\n"), 5).suffix == "abcd\n"


def test_windows_lines() -> None:
    """Lines that end in CR and LF are cut after both."""
    text = "".join(f"{n:03}\r\n" for n in range(100))
    hole = trimmed(Hole(text, text), 103)
    assert hole.prefix == text[-75:]
    assert hole.suffix == text[:25]


@case("text", ["x" * 1000, "short\n" + "x" * 1000, "x" * 1000 + "\nshort"])
def test_a_long_line_is_cut_within(text: str) -> None:
    """Where whole lines would waste most of the room a part of a line is kept."""
    assert trimmed(Hole(text), 100).prefix == text[-100:]
    assert trimmed(Hole("", text), 100).suffix == text[:100]


@case(("blank", "kept"), [(49, 51), (50, 50), (51, 100)])
def test_what_a_line_may_cost(blank: int, kept: int) -> None:
    """To keep whole lines may cost the half of the room, and no more."""
    prefix = "x" * 900 + "y" * (blank - 1) + "\n" + "z" * (100 - blank)
    assert len(trimmed(Hole(prefix), 100).prefix) == kept
    suffix = "z" * (99 - blank) + "\n" + "y" * 900
    assert len(trimmed(Hole("", suffix), 100).suffix) == kept


# ----------------------------------------------------------------------- files


def test_files_have_what_is_left() -> None:
    """Files are kept whole, from the last one, as long as there is room."""
    files = tuple(File(str(n), "t" * 99) for n in range(5))  # of 132 characters each
    hole = Hole("p" * 50, "s" * 50, files=files)
    assert size(hole) == 100 + 5 * 132
    for kept in range(6):
        assert trimmed(hole, 100 + kept * 132).files == files[5 - kept :]
    assert trimmed(hole, 100 + 131).files == ()
    assert trimmed(hole, 99).files == ()


def test_a_file_too_large_hides_none_behind_it() -> None:
    """A file for which there is no room gives way to the next ones that fit."""
    small, large = File("a", "x" * 10), File("b", "x" * 1000)
    hole = Hole("p", files=(small, large, small))
    assert trimmed(hole, 200).files == (small, small)
    assert trimmed(hole, 60).files == (small,)


# ------------------------------------------------------------------- any at all

texts = st.text(alphabet="ab\r\n \u00e9\U0001f600", max_size=200)
files = st.lists(st.builds(File, texts, texts), max_size=4).map(tuple)
holes = st.builds(Hole, texts, texts, files=files)


@given(holes, st.integers(-10, 600))
def test_any_hole(hole: Hole, room: int) -> None:
    """What is kept is within the room: an end, a beginning, and files in order."""
    kept = trimmed(hole, room)
    assert size(kept) <= max(room, 0)
    assert hole.prefix.endswith(kept.prefix)
    assert hole.suffix.startswith(kept.suffix)
    left = iter(hole.files)
    assert all(file in left for file in kept.files)
    if size(hole) <= room:
        assert kept == hole


@given(holes, st.integers(0, 600))
def test_the_room_is_used(hole: Hole, room: int) -> None:
    """What is cut off is less than a line, or half of the room of its text."""
    kept = trimmed(hole, room)
    around = len(hole.prefix) + len(hole.suffix)
    assert len(kept.prefix) + len(kept.suffix) >= min(around, room) // 2 - 1


@given(holes, st.integers(0, 600))
def test_twice_is_once(hole: Hole, room: int) -> None:
    """Nothing more is cut off what was cut for the same room."""
    once = trimmed(hole, room)
    assert trimmed(once, room) == once


def test_a_large_prompt_costs_nothing() -> None:
    """Only what is kept is looked at: a megabyte on each side is cut in place."""
    hole = trimmed(Hole("x = 1\n" * 200_000, "y = 2\n" * 200_000), 13_000)
    assert (len(hole.prefix), len(hole.suffix)) == (9750, 3246)


# ---------------------------------------------------------------------- ratios


def test_a_ratio_until_it_is_known() -> None:
    """A token has 3.2 characters until a model's own prompts tell."""
    ratios = Ratios()
    assert ratios.of("m") == CHARACTERS == 3.2
    ratios.learn("m", 1000, 500)
    assert ratios.of("m") == 2
    assert ratios.of("other") == 3.2


def test_a_moving_average() -> None:
    """Each prompt moves the ratio a fifth of the way."""
    ratios = Ratios()
    for tokens in (500, 250, 250):
        ratios.learn("m", 1000, tokens)
    assert ratios.of("m") == pytest.approx(2 + 0.4 + 0.32)


@case(
    ("characters", "tokens"),
    [
        (399, 200),  # too short to tell
        (0, 0),
        (1000, 0),
        (1000, -1),
        (1000, 199),  # more than five: some of it was not counted
        (1000, 1),
        (1000, 2001),  # less than a half
    ],
)
def test_what_tells_nothing(characters: int, tokens: int) -> None:
    """Counts that cannot be a text's are not learnt from."""
    ratios = Ratios()
    ratios.learn("m", characters, tokens)
    assert ratios.of("m") == 3.2


@case(
    ("characters", "tokens", "ratio"),
    [(1000, 200, 5.0), (1000, 2000, 0.5), (400, 200, 2.0)],
)
def test_what_tells_just_enough(characters: int, tokens: int, ratio: float) -> None:
    """The bounds themselves are credible."""
    ratios = Ratios()
    ratios.learn("m", characters, tokens)
    assert ratios.of("m") == ratio


def test_memory_is_bounded() -> None:
    """Of many models the ones that were asked last are remembered."""
    ratios = Ratios()
    for number in range(501):
        ratios.learn(f"m{number}", 1000, 500)
        ratios.learn("m0", 1000, 500)
    assert ratios.of("m0") == ratios.of("m500") == 2
    assert ratios.of("m1") == 3.2
    assert ratios.of("m2") == 2
