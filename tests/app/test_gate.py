"""Which targets images may come from: the list of tricks reaches nobody."""

import socket
import threading
from pathlib import Path

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.faulty import PATIENCE
from support.pictures import PNG, PUBLIC, Net, Web, canary, local, moved, page, text

import app.fetch
import app.gate
from app.fetch import ImageFetcher
from app.gate import listening
from app.settings import Settings, SettingsError
from app.targets import FetchError

#: Names as an attacker would register them, and those that mean this machine anyway.
NAMES = {
    "localhost": ["127.0.0.1"],
    "x.localhost": ["127.0.0.1"],
    "localtest.example": ["127.0.0.1"],
    "six.example": ["::1"],
    "metadata.google.internal": ["169.254.169.254"],
    "mixed.example": [PUBLIC, "10.0.0.1"],
    "mixed6.example": [PUBLIC, "::ffff:10.0.0.1"],
    "scoped.example": ["fe80::1%eth0"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "6to4.example": ["2002:7f00:1::"],
    "azure.example": ["168.63.129.16"],
    "broadcast.example": ["255.255.255.255"],
}
HOSTS = [
    *NAMES,
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "0",
    "0.0.0.0",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0x7f.1",
    "0X7F.0X0.0X0.0X1",
    "017700000001",
    "0177.0.0.1",
    "0177.1",
    "00000177.0.0.1",
    "127.0.0.01",
    "127.0.0.1%00",
    "127.0.0.1%2f",
    "127%2e0%2e0%2e1",
    "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
    "127。0。0。1",
    "①②⑦.⓪.⓪.①",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "localhost.",
    "LOCALHOST",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "192.0.0.192",
    "100.100.100.200",
    "168.63.129.16",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:0:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::1]",
    "[2002:7f00:1::]",
    "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fe80::1%lo]",
    "[fec0::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[100::1]",
    "[::1",
    f"{PUBLIC}@127.0.0.1",
    f"user:pass@{PUBLIC}",
    f"{PUBLIC}:80@127.0.0.1",
    f"{PUBLIC}\\@127.0.0.1",
    f"127.0.0.1\\@{PUBLIC}",
    f"127.0.0.1#@{PUBLIC}",
    f"127.0.0.1?@{PUBLIC}",
    f"127.0.0.1\t.{PUBLIC}",
    f"127.0.0.1\r\nHost: {PUBLIC}",
    f"127.0.0.1 {PUBLIC}",
    f"{PUBLIC}:22",
    f"{PUBLIC}:11434",
    f"{PUBLIC}:8080",
    f"{PUBLIC}:0",
    f"{PUBLIC}:80:80",
    f"{PUBLIC}.",
    "",
    ".",
    "\u00ad",
]


@pytest.fixture(scope="module")
def trap():
    """A world in which every connection would end at the canary."""
    with canary() as server:
        yield Net(server.port, NAMES)


def test_there_are_enough() -> None:
    """The list has the sixty hosts that are asked for, and more."""
    assert len(set(HOSTS)) == len(HOSTS) >= 60


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", HOSTS, ids=ascii)
def test_f2_f5_f6_nothing_inside_is_reached(trap: Net, scheme: str, host: str) -> None:
    """No spelling of an inner address, and no port but the two, is connected to."""
    url = f"{scheme}://{host}/latest/meta-data/"
    assert isinstance(trap.fetcher().fetch_all([url])[url], FetchError)
    assert trap.connected == []


@pytest.mark.parametrize("host", HOSTS, ids=ascii)
def test_f4_f5_f6_no_redirect_reaches_it_either(host: str) -> None:
    """A redirect from a public site leads to none of them."""
    to = f"http://{host}/"
    if "\r\n" in host:
        to = to.replace("\r\n", "\r\n ")
    raw = moved("LOCATION").replace(b"LOCATION", to.encode())
    with Web({"/": raw}) as web:
        net = Net(web.port, {**NAMES, "site.example": [PUBLIC]})
        (found,) = net.fetcher().fetch_all(["http://site.example/"]).values()
        assert isinstance(found, FetchError)
        assert set(net.connected) == {(PUBLIC, 80)}
        assert set(web.asked) <= {"/"}


@given(
    st.text()
    | st.from_regex(
        r"https?://(127\.0\.0\.1|localhost|\[::1\]|0x7f\.1|2130706433|10\.1\.1\.1)"
        r"[\x20-\x7e]{0,12}",
        fullmatch=True,
    )
)
def test_f2_no_text_reaches_it(text: str) -> None:
    """Whatever a URL says about this machine, nothing is connected to."""
    net = Net(1, NAMES)
    (found,) = net.fetcher(image_fetch="public").fetch_all([text]).values()
    assert isinstance(found, FetchError)
    assert net.connected == []


def test_f3_f4_the_second_answer_does_not_count() -> None:
    """A name is looked up once: what was checked is what is connected to."""

    class Rebinding(Net):
        def resolve(self, host: str) -> list[str]:
            self.looked_up.append(host)
            return [PUBLIC] if len(self.looked_up) == 1 else ["127.0.0.1"]

    with Web({"/": page(), "/moved": moved("http://rebind.example/")}) as web:
        net = Rebinding(web.port)
        found = net.fetcher().fetch_all(["http://rebind.example/"])
        assert list(found.values()) == [text(web.pages["/"].split(b"\r\n\r\n", 1)[1])]
        assert (net.looked_up, net.connected) == (["rebind.example"], [(PUBLIC, 80)])

        # With a redirect it is looked up again, and checked again.
        net = Rebinding(web.port)
        (found_,) = net.fetcher().fetch_all(["http://rebind.example/moved"]).values()
        assert "127.0.0.1 is not opened" in str(found_)
        assert net.connected == [(PUBLIC, 80)]


def test_f3_all_addresses_are_tried() -> None:
    """When the first address does not answer the next one is connected to."""

    class Half(Net):
        def connect(self, address, port):
            if str(address) == "2606:4700::1":
                raise OSError("no way there")
            return super().connect(address, port)

    with Web({"/": page()}) as web:
        net = Half(web.port, {"x.example": ["2606:4700::1", PUBLIC]})
        (found,) = net.fetcher().fetch_all(["http://x.example/"]).values()
        assert isinstance(found, str)
        assert net.connected == [(PUBLIC, 80)]


LISTED = "one.example,two.example:9000,10.0.0.5:9000,[fd00::5]:9000,10.0.0.6"
INSIDE = {"one.example": ["10.0.0.1"], "two.example": ["10.0.0.2"]}
WAYS = [
    ("http://one.example/", {"public", "any", "allowlist"}),
    ("http://one.example:9000/", set()),
    ("http://two.example:9000/", {"public", "any", "allowlist"}),
    ("http://two.example/", {"any"}),
    ("http://10.0.0.5:9000/", {"public", "any", "allowlist"}),
    ("http://10.0.0.5:9001/", set()),
    ("http://10.0.0.5/", {"any"}),
    ("http://10.0.0.6/", {"public", "any", "allowlist"}),
    ("http://[fd00::5]:9000/", {"public", "any", "allowlist"}),
    ("http://[fd00:0::5]:9000/", {"public", "any", "allowlist"}),
    ("http://10.0.0.7/", {"any"}),
    ("http://10.0.0.7:9000/", set()),
    ("http://[::ffff:10.0.0.7]/", set()),
    ("http://0.0.0.0/", set()),
    (f"http://{PUBLIC}/", {"public", "any"}),
    (f"http://{PUBLIC}:9000/", set()),
]


@pytest.mark.parametrize("mode", ["public", "any", "allowlist"])
@pytest.mark.parametrize(("url", "modes"), WAYS)
def test_f1_f13_modes(url: str, modes: set[str], mode: str) -> None:
    """What is listed is opened, with its port; ``any`` opens addresses, not ports."""
    with Web({"/": page()}) as web:
        net = Net(web.port, INSIDE)
        fetcher = net.fetcher(image_fetch=mode, image_hosts=LISTED)
        (found,) = fetcher.fetch_all([url]).values()
        assert isinstance(found, str) == (mode in modes)
        assert len(net.connected) == (mode in modes)


def test_f1_off() -> None:
    """Off means that there is no fetcher."""
    settings = Settings(image_fetch="off")
    assert app.fetch.ImageFetcher.of(settings) is None


OWN = [
    ("http://127.0.0.1:11434", "http://127.0.0.1:11434/"),
    ("http://127.0.0.1:11434", "http://127.0.0.2:11434/"),
    ("http://127.0.0.1:11434", "http://localhost:11434/"),
    ("http://127.0.0.1:11434", "http://[::1]:11434/"),
    ("http://localhost:11434", "http://127.0.0.1:11434/"),
    ("http://[::1]:11434", "http://127.0.0.1:11434/"),
    ("http://ollama.example:11434", "http://ollama.example:11434/"),
    ("http://ollama.example:11434", "http://10.0.0.9:11434/"),
    ("http://ollama.example:11434", "http://other.example:11434/"),
    ("http://ollama.example", "http://10.0.0.9/"),
    ("https://ollama.example", "https://10.0.0.9/"),
    ("http://127.0.0.1:11434", "http://127.0.0.1:8080/"),
    ("http://127.0.0.1:11434", "http://localhost:8080/"),
    ("http://127.0.0.1:11434", "http://[::1]:8080/"),
]
OWN_LISTED = ",".join(
    f"{host}:{port}"
    for host in ("127.0.0.1", "127.0.0.2", "localhost", "[::1]", "10.0.0.9")
    for port in (11434, 8080, 80, 443)
)


@pytest.mark.parametrize("mode", ["public", "any", "allowlist"])
@pytest.mark.parametrize(("upstream", "url"), OWN)
def test_f13_ours_is_never_opened(
    trap: Net, upstream: str, url: str, mode: str
) -> None:
    """Neither Ollama nor Pannier is asked for images, listed or not."""
    trap._names = {
        **NAMES,
        "ollama.example": ["10.0.0.9"],
        "other.example": ["10.0.0.9"],
    }
    fetcher = trap.fetcher(
        upstream_url=upstream, port=8080, image_fetch=mode, image_hosts=OWN_LISTED
    )
    (found,) = fetcher.fetch_all([url]).values()
    assert isinstance(found, FetchError)
    assert trap.connected == []


@pytest.mark.parametrize(
    ("upstream", "url"),
    [
        ("http://10.0.0.9", "http://[64:ff9b::10.0.0.9]/"),
        ("http://10.0.0.9", "http://[64:ff9b:1::10.0.0.9]/"),
        ("http://10.0.0.9", "http://[2002:a00:9::1]/"),
        ("http://10.0.0.9", "http://[::10.0.0.9]/"),
        ("http://10.0.0.9", "http://[::ffff:0:10.0.0.9]/"),
        ("http://[::ffff:10.0.0.9]", "http://10.0.0.9/"),
        ("http://0.0.0.0", "http://127.0.0.1/"),
        ("http://10.0.0.8", "http://[64:ff9b::127.0.0.1]/"),
    ],
)
def test_f13_ours_in_other_clothes(trap: Net, upstream: str, url: str) -> None:
    """Where any address is opened, translators of addresses lead nowhere new."""
    fetcher = trap.fetcher(upstream_url=upstream, port=80, image_fetch="any")
    (found,) = fetcher.fetch_all([url]).values()
    assert "is not opened" in str(found)
    assert trap.connected == []


@pytest.mark.parametrize(("family", "host"), [("INET", "0.0.0.0"), ("INET6", "::")])
def test_f13_wherever_we_listen(trap: Net, family: str, host: str) -> None:
    """A port that this process listens on is its own, whoever told it to."""
    kind = socket.AddressFamily[f"AF_{family}"]
    with (
        socket.create_server((host, 0), family=kind) as server,
        socket.socket() as not_,
    ):
        not_.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        assert port in listening()
        assert not_.getsockname()[1] not in listening()
        hosts = ["127.0.0.1", "localhost", "[::1]", "127.1.2.3", socket.gethostname()]
        settings = Settings(image_hosts=",".join(f"{name}:{port}" for name in hosts))
        fetcher = ImageFetcher(settings, trap.resolve, trap.connect)
        for name in hosts:
            (found,) = fetcher.fetch_all([f"http://{name}:{port}/"]).values()
            assert isinstance(found, FetchError)
    assert trap.connected == []


def test_f13_beside_ours() -> None:
    """The same machine on another port is another server, if it is listed."""
    with Web({"/": page()}) as web:
        found = local(web).fetch_all([f"{web.url}/"])
        assert isinstance(found[f"{web.url}/"], str)


def test_f12_names_that_are_slow_to_find(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look-up has an end, and others go on meanwhile."""
    monkeypatch.setattr(app.gate, "LOOK_UP", 0.3)
    found_it = threading.Event()

    class Slow(Net):
        def resolve(self, host: str) -> list[str]:
            if host == "slow.example":
                found_it.wait(PATIENCE)
            return [PUBLIC]

    with Web({"/": page()}) as web:
        slow, quick = "http://slow.example/", "http://quick.example/"
        found = Slow(web.port).fetcher().fetch_all([slow, quick])
        assert not found_it.is_set()
        found_it.set()
        assert "took too long" in str(found[slow])
        assert isinstance(found[quick], str)


def test_f12_many_names_that_are_slow_to_find(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Many slow names stop neither addresses nor threads of others, and end."""
    monkeypatch.setattr(app.gate, "LOOK_UP", 0.3)
    found_them = threading.Event()

    class Slow(Net):
        def resolve(self, host: str) -> list[str]:
            found_them.wait(PATIENCE)
            return [PUBLIC]

    with Web({"/": page(), "/later": page()}) as web:
        fetcher = Slow(web.port).fetcher()
        urls = [f"http://slow{number}.example/" for number in range(12)]
        running = [gevent.spawn(fetcher.fetch_all, [url]) for url in urls]
        gevent.idle()
        with gevent.Timeout(PATIENCE):
            assert gevent.get_hub().threadpool.apply(lambda: "done") == "done"
        (found,) = fetcher.fetch_all([f"http://{PUBLIC}/"]).values()
        assert found == text(PNG)
        assert not any(one.ready() for one in running)
        gevent.joinall(running, timeout=PATIENCE)
        assert all("took too long" in str(one.value) for one in running)
        found_them.set()
        (found,) = fetcher.fetch_all(["http://quick.example/later"]).values()
        assert found == text(PNG)


def test_names_that_are_not_found() -> None:
    """A name without an address is a failure like others."""

    def nowhere(host: str) -> list[str]:
        raise OSError("no such name")

    net = Net(1)
    net.resolve = nowhere  # type: ignore[method-assign]
    (found,) = net.fetcher().fetch_all(["http://x.example/"]).values()
    assert str(found) == "x.example: no such name"
    net.resolve = lambda host: []  # type: ignore[method-assign]
    (found,) = net.fetcher().fetch_all(["http://x.example/"]).values()
    assert str(found) == "x.example: no address"


def test_the_list_is_checked_at_the_start() -> None:
    """A list of hosts that is none is refused in one sentence that names the entry."""
    read = Settings.from_environ
    with pytest.raises(SettingsError, match=r"^PANNIER_IMAGE_HOSTS: 'http://x/' is no"):
        read({"PANNIER_IMAGE_HOSTS": "good.example, http://x/"}, Path("/none"))
    hosts = {"PANNIER_IMAGE_HOSTS": "good.example:9000, [::1]"}
    assert read(hosts, Path("/none")).image_hosts == "good.example:9000, [::1]"
