"""Memory: what a server takes, and each stream that is open (decision 0012)."""

from contextlib import ExitStack
from pathlib import Path

import pytest
from support.leaving import ask, until
from support.raw import ask as answered
from support.scripted import ALL_CHATS, talk
from support.server import Server
from support.simulator import Simulator

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        not Path("/proc/self/smaps_rollup").exists(), reason="reads Linux's /proc"
    ),
]

#: A stream that lasts longer than the test.
HELD = "sim-chunks1000-tps1"
STREAMS = 300


def held(server: Server, field: str = "Pss") -> int:
    """KB that its processes hold; what is shared by several counts once.

    ``Pss_Anon`` leaves out files, of which a share falls to them when others end.
    """
    pids = [server.pid, *server.workers()]
    rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids]
    return sum(int(text.partition(f"\n{field}:")[2].split()[0]) for text in rollups)


@pytest.mark.parametrize(
    ("dialect", "each"), [("openai", 30), ("anthropic", 30), ("responses", 36)]
)
def test_memory(ollama: Simulator, dialect: str, each: int) -> None:
    """A master with one worker takes 55 MB at most, and each open stream 30 KB.

    One of responses takes some more: it keeps what its end repeats.  The first streams
    do not count: what the start has left free is theirs, and how much that is varies.
    """

    def opened(first: int, count: int) -> None:
        path = ALL_CHATS[dialect]
        streams = [
            stack.enter_context(
                ask(server.port, "POST", path, f"memory-{n}", talk(dialect, HELD))
            )
            for n in range(first, first + count)
        ]
        for one in streams:
            until(one, b" word")

    with Server({"OLLAMA_URL": ollama.url}) as server, ExitStack() as stack:
        for _ in range(20):
            got = answered(
                server.port, "POST", ALL_CHATS[dialect], talk(dialect, "llama3.2")
            )
            assert got.status == 200
        assert held(server) <= 55 * 1024
        opened(0, STREAMS // 3)
        before = held(server, "Pss_Anon")
        opened(STREAMS, STREAMS)
        assert held(server, "Pss_Anon") - before <= each * STREAMS
