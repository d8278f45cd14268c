"""Commands ask the simulator of ``make run`` while it runs, and only then."""

import json
from pathlib import Path

import pytest
from support.simulator import Simulator

from app.commands.installed import installed, shows
from app.settings import Settings
from app.stand_in import asked, told

#: Nobody listens there, and it is the same in every run: names of tests have it.
DEAD = "http://127.0.0.1:1"


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    """The settings of a Pannier, and of a command, without Ollama."""
    return Settings(state_dir=str(tmp_path / "state"), upstream_url=DEAD)


def test_its_models_are_those_that_pannier_has(
    here: Settings, simulator: Simulator
) -> None:
    """While it runs commands find its models; afterwards there are none."""
    with told(here, DEAD, simulator.url):
        assert "llama3.2:latest" in (installed(here) or ())
        assert shows(here, "llama3.2")
    assert installed(here) is None
    assert list(Path(here.state_dir).iterdir()) == []


@pytest.mark.parametrize(
    "other",
    [{"upstream_url": "http://127.0.0.1:2"}, {"port": 8081}, {"state_dir": ""}],
    ids=str,
)
def test_others_do_not_ask_it(
    here: Settings, simulator: Simulator, other: dict[str, str]
) -> None:
    """Not those of another Pannier, nor once Ollama's address is another."""
    another = Settings(**{"state_dir": here.state_dir, "upstream_url": DEAD, **other})
    with told(here, DEAD, simulator.url):
        assert asked(another) is another


@pytest.mark.parametrize(
    "left",
    [
        json.dumps({"replaced": DEAD, "url": "http://127.0.0.1:2"}),
        json.dumps({"replaced": DEAD, "url": 7}),
        json.dumps({"replaced": DEAD}),
        "[]",
        "nonsense",
    ],
)
def test_what_was_left_behind_counts_for_nothing(here: Settings, left: str) -> None:
    """One that was killed leaves its file; who does not answer is not asked."""
    file = Path(here.state_dir, f"simulator-{here.port}.json")
    file.parent.mkdir()
    file.write_text(left)
    assert asked(here) is here


def test_where_no_file_can_be_made_nothing_is_told(simulator: Simulator) -> None:
    """It runs all the same, and nothing is left in the current directory."""
    for place in ("", "/dev/null"):
        here = Settings(state_dir=place, upstream_url=DEAD)
        with told(here, DEAD, simulator.url):
            assert asked(here) is here
