from pathlib import Path

import pytest

from middleware.code.families import BUILT_IN, Families, FamiliesError
from middleware.code.hole import File, Hole

FAMILIES = Families.load()


def load(path: Path, text: str | bytes) -> Families:
    """The families with a user's file."""
    file = path / "mine.toml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return Families.load(str(file))


def test_a_users_entries_come_first(tmp_path: Path) -> None:
    """A pattern of the user's beats ours; what it does not mean stays as it was."""
    families = load(
        tmp_path,
        """
        [[family]]
        name = "mine"
        match = ["qwen2.5-coder:7b*", "MY-*"]
        except = ["*-instruct*"]
        template = '{<A>}{code_prefix}{<B>}{code_suffix}'
        stop = ["<A>"]
        mode = "always"
        shape = "seed"
        rewrite = false

        [[family]]
        name = "other"
        match = ["my-model*"]
        strategy = "suffix"

        [[family]]
        name = "by details"
        families = ["starcoder2"]
        strategy = "chat"
        """,
    )
    mine = families.of("qwen2.5-coder:7b")
    assert mine is not None
    assert mine.prompt(Hole("p", "s", files=(File("a", "b"),))) == "<A>p<B>s"
    assert (mine.mode, mine.shape, mine.rewrite) == ("always", "seed", False)
    expected = {
        "My-Model": "mine",
        "qwen2.5-coder:7b-instruct": "qwen-coder",
        "qwen2.5-coder:1.5b": "qwen-coder",
        "my-model:x-instruct": "other",
    }
    found = {model: families.of(model) for model in expected}
    assert {
        model: family and family.name for model, family in found.items()
    } == expected
    by_details = families.of("x", "starcoder2")
    assert by_details is not None
    assert by_details.name == "by details"


@pytest.mark.parametrize(
    ("file", "prompt", "stops"),
    [("", "p", []), ("file = '{file_text}, '", "b, cp", ["x"])],
)
def test_an_entry_that_says_how_takes_files(
    tmp_path: Path, file: str, prompt: str, stops: list[str]
) -> None:
    """Without ``file`` nothing is said of other files, and no text ends by them."""
    entry = """
        [[family]]
        name = "mine"
        match = ["mine:*"]
        template = '{extra}{code_prefix}'
        current = '{code_file_path}'
        stop_with_files = ["x"]
        """
    mine = load(tmp_path, f"{entry}\n{file}").of("mine")
    assert mine is not None
    hole = Hole("p", path="c", files=(File("a", "b"),))
    assert (mine.prompt(hole), mine.stops(hole)) == (prompt, stops)
    assert (mine.prompt(Hole("p")), mine.stops(Hole("p"))) == ("p", [])


def test_ours_are_modest() -> None:
    """None of our own entries changes which request is code, or its answer."""
    own = {(family.mode, family.shape, family.rewrite) for family in FAMILIES.known}
    assert own == {("", "", True)}


def test_a_copy_of_our_file_is_a_users_file(tmp_path: Path) -> None:
    """Who starts from our file has the same families twice, and the same answers."""
    families = load(tmp_path, BUILT_IN.read_bytes())
    assert len(families.known) == 2 * len(FAMILIES.known)
    assert families.of("starcoder2") == FAMILIES.of("starcoder2")


ENTRY = 'name = "mine"\nmatch = ["a"]\n'
WRONG = [
    ("family = [", "is not TOML"),
    ("\ufeffx", "is not TOML"),
    (b"# \xff", "is not TOML"),
    ("x = 1", "x is not known here"),
    ("family = 1", "an entry begins with [[family]]"),
    ("[family]\n" + ENTRY, "an entry begins with [[family]]"),
    ("family = [1]", "family 1: Expected `object`, got `int`"),
    ("[[family]]\nmatch = ['a']", "family 1: Object missing required field `name`"),
    ("[[family]]\nname = 5", "family 1 (5), name: Expected `str`, got `int`"),
    (
        f"[[family]]\n{ENTRY}colour = 1",
        "family 1 (mine): Object contains unknown field `colour`",
    ),
    (
        f"[[family]]\n{ENTRY}strategy = 'guess'",
        "family 1 (mine), strategy: Invalid enum value 'guess'",
    ),
    (
        f"[[family]]\n{ENTRY}stop = ['a', 1]",
        "family 1 (mine), stop[1]: Expected `str`, got `int`",
    ),
    (f"[[family]]\n{ENTRY}stop = ['']", "(mine), stop[0]: Expected `str` of length"),
    (f"[[family]]\n{ENTRY}tokens = ['x']", "(mine), tokens[0]: Expected `str` of"),
    (f"[[family]]\n{ENTRY}mode = 'never'", "(mine), mode: Invalid enum value 'never'"),
    (f"[[family]]\n{ENTRY}rewrite = 'no'", "(mine), rewrite: Expected `bool`"),
    (f"[[family]]\n{ENTRY}", "(mine), template: the strategy raw needs one"),
    (
        "[[family]]\nname = 'mine'\ntemplate = '{code_prefix}'",
        "(mine), match: there is no pattern",
    ),
    (
        f"[[family]]\n{ENTRY}template = '{{code_suffix}}'",
        "(mine), template: the template has no {code_prefix}",
    ),
    (
        f"[[family]]\n{ENTRY}template = '{{code_prefix}}{{#5}}'",
        "(mine), template: token ids cannot be sent through Ollama",
    ),
    (
        f"[[family]]\n{ENTRY}template = '{{extra}}{{code_prefix}}'\nfile = '{{extra}}'",
        "(mine), file: {extra} is no hole",
    ),
    (
        f"[[family]]\n{ENTRY}template = '{{code_prefix}}'\nfile = '{{file_text}}'",
        "(mine), file: it would be nowhere",
    ),
    (
        f"[[family]]\n{ENTRY}template = '{{code_prefix}}'\ncurrent = '{{file_path}}'",
        "(mine), current: {file_path} is no hole",
    ),
    (
        f"[[family]]\n{ENTRY}strategy = 'chat'\n[[family]]\n{ENTRY}repo = '{{'",
        "family 2 (mine), template: the strategy raw needs one",
    ),
]


@pytest.mark.parametrize(("text", "reason"), WRONG)
def test_a_wrong_file_says_what_is_wrong(
    tmp_path: Path, text: str | bytes, reason: str
) -> None:
    """One sentence names the file, the entry and the field."""
    with pytest.raises(FamiliesError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "mine.toml"))
    assert reason in message
    assert "\n" not in message


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A path that leads nowhere, or to a directory, is not passed over."""
    for path in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(FamiliesError, match="cannot be read"):
            Families.load(str(path))
