"""Our heads are gunicorn's: whatever the bytes, both say the same of them."""

from collections.abc import Iterable
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import message
from gunicorn.http.parser import RequestParser
from hypothesis import given, settings
from hypothesis import strategies as st
from support.smuggling import CHUNKS, FRAMINGS, PUBLISHED

from app.server.request import Request

TRUSTED, STRANGER, UNIX = ("127.0.0.1", 5000), ("192.0.2.1", 5000), ""

BODY = b'{"model": "llama3.2"}'
#: What programs send that people use, line for line.
CLIENTS = {
    "curl": b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:11435\r\n"
    b"User-Agent: curl/7.88.1\r\nAccept: */*\r\nContent-Type: application/json\r\n"
    b"Content-Length: 21\r\n\r\n" + BODY,
    "curl, large": b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\n"
    b"User-Agent: curl/7.88.1\r\nAccept: */*\r\nContent-Length: 21\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n"
    b"Expect: 100-continue\r\n\r\n" + BODY,
    "openai": b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:11435\r\n"
    b"Accept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\n"
    b"Accept: application/json\r\nContent-Type: application/json\r\n"
    b"User-Agent: OpenAI/Python 2.8.1\r\nX-Stainless-Lang: python\r\n"
    b"X-Stainless-Package-Version: 2.8.1\r\nX-Stainless-OS: Linux\r\n"
    b"X-Stainless-Arch: x64\r\nX-Stainless-Runtime: CPython\r\n"
    b"X-Stainless-Runtime-Version: 3.11.7\r\nAuthorization: Bearer none\r\n"
    b"X-Stainless-Async: false\r\nx-stainless-retry-count: 0\r\n"
    b"x-stainless-read-timeout: 600\r\nContent-Length: 21\r\n\r\n" + BODY,
    "fetch": b"POST /v1/chat/completions?a=b HTTP/1.1\r\nhost: localhost:11435\r\n"
    b"connection: keep-alive\r\ncontent-type: application/json\r\naccept: */*\r\n"
    b"accept-language: *\r\nsec-fetch-mode: cors\r\nuser-agent: node\r\n"
    b"accept-encoding: gzip, deflate\r\ncontent-length: 21\r\n\r\n" + BODY,
    "nginx": b"POST /v1/completions HTTP/1.1\r\nHost: llm.example.com\r\n"
    b"X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n"
    b"X-Forwarded-Host: llm.example.com\r\nContent-Length: 21\r\n\r\n" + BODY,
    "chunks": b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n15\r\n" + BODY + b"\r\n0\r\n\r\n",
    "bare": b"GET /health HTTP/1.1\r\n\r\n",
}

_METHODS = (
    "GET HEAD POST PUT PATCH DELETE OPTIONS TRACE CONNECT PROPFIND get Post GEt GE X"
    " GET# G-T G.T G(T VERYLONGMETHODNAMEOFMANY"
)
_TARGETS = (
    "/ // //a //a/b /a//b /a?b /a?b?c /? /?? /a? ?a /a#b /a?b#c /a#b?c # /# /#? /a%20b"
    " /%00 /% /%zz /%2e%2e /../a /a;b=c /a:b /:80 /http://b /a@b /[a /[::1] //[a //]"
    " ///a /\\a /a\\b /~ /^ /` /{ /| /\"a\" /'a' /<a> * ** a a:80 host:80/a"
    " http://a/b http://a http://[a/b http:///a https://a:1/b?c#d ://a 1://a /a\tb"
    " /a\x00b /a\x7fb /\xe9 /\x80 /\u0085 /a\x0bb /a\rb /a\nb"
)
_VERSIONS = (
    "HTTP/1.1 HTTP/1.0 HTTP/0.9 HTTP/2.0 HTTP/1.2 HTTP/1.10 HTTP/11 http/1.1 HTTP/1,1"
    " HTTP/1. HTTP/ HTTP /1.1 HTTP/1.1\t HTTP/1.1\r HTTP/1.1\n HTTP/\xb2.1"
)
_NAMES = (
    "A a aB A-B A_B X_Forwarded_For SCRIPT_NAME A.B A! A# A$ A% A& A' A* A+ A^ A` A| A~"
    ' A( A) A, A/ A; A< A= A> A? A@ A[ A\\ A] A{ A} A" A\x00 A\x7f A\xe9 A\xdf A\tB'
    " 0 - _ A\rB A\nB A\x0b Host_ Content_Length Transfer_Encoding"
)
_VALUES = (
    "b|| b|b |\tb\t| \t b \t |b c|b\tc|b:c|:|::|b\x00c|b\x01|\x08|b\x0bc|b\x0cc|b\x1fc"
    "|b\x7fc|b\x80|\xff|\xa0b\xa0|\x85b|b\rc|\rb|b\r|b\nc|b\n|\nb|b\r\n c|b\r\n\tc"
    "|b\r\n|b\r\n \r\n c|b\r\r|\xe9|_|b_c"
)
#: Fields that gunicorn has rules about, by themselves, twice, and against each other.
_FIELDS = """
Host:a|Host:b
Host:a|Host:a
host:a|HOST:a
Host:
Host: a, b
Content-Type:a|Content-Type:a
content-type:a|Content-Type:b
Content-Type:a
Content-Length:0
Content-Length:3
Content-Length:0003
Content-Length: 3\t
Content-Length:
Content-Length:-1
Content-Length:+3
Content-Length:3,3
Content-Length:3, 3
Content-Length:0x3
Content-Length:3 3
Content-Length:3_0
Content-Length:\u00b2
Content-Length:3|Content-Length:3
Content-Length:3|content-length:4
Content-Length:99999999999999999999
Content-Length :3
Content_Length:3
Transfer-Encoding:chunked
transfer-encoding:CHUNKED
Transfer-Encoding: chunked\t
Transfer-Encoding:chunked|Content-Length:3
Content-Length:3|Transfer-Encoding:chunked
Transfer-Encoding:chunked|Transfer-Encoding:chunked
Transfer-Encoding:chunked, chunked
Transfer-Encoding:identity
Transfer-Encoding:identity, chunked
Transfer-Encoding:chunked, identity
Transfer-Encoding:identity|Content-Length:3
Transfer-Encoding:gzip
Transfer-Encoding:gzip, chunked
Transfer-Encoding:chunked, gzip
Transfer-Encoding:gzip|Transfer-Encoding:chunked
Transfer-Encoding:xchunked
Transfer-Encoding:chunked;a=b
Transfer-Encoding:"chunked"
Transfer-Encoding:
Transfer-Encoding:,chunked
Transfer-Encoding:\u000bchunked
Transfer-Encoding:\u00a0chunked
Transfer-Encoding :chunked
Transfer_Encoding:chunked
 Transfer-Encoding:chunked
Expect:100-continue
Expect:100-Continue
expect: 100-CONTINUE\t
Expect:
Expect:tea
Expect:100-continue|Expect:100-continue
Expect:100-continue|Expect:tea
Expect:100-continue, tea
X-Forwarded-Proto:https
x-forwarded-proto: https
X-Forwarded-Proto:HTTPS
X-Forwarded-Proto:http
X-Forwarded-Proto:
X-Forwarded-Proto:https|X-Forwarded-Proto:https
X-Forwarded-Proto:https|X-Forwarded-Proto:http
X-Forwarded-Proto:https|X-Forwarded-Ssl:on
X-Forwarded-Proto:https|X-Forwarded-Ssl:off
X-Forwarded-Ssl:on
X-Forwarded-Ssl:off|X-Forwarded-Protocol:ssl
X-Forwarded-Protocol:ssl
X-Forwarded-Proto:https|Host:a|Host:b
Host:a|Host:b|X-Forwarded-Proto:https|X-Forwarded-Ssl:off
X_Forwarded_Proto:https
X-Forwarded_Proto:https|X-Forwarded-Proto:http
Connection:close
Connection: Close
Connection:keep-alive
Connection:keep-alive, close
Connection:upgrade|Connection:close
Connection:
Upgrade:h2c|Connection:Upgrade, HTTP2-Settings|HTTP2-Settings:AAMAAABkAAQAoAAA
Trailer:Host
Proxy:http://a
"""


def _line(
    line: str, *fields: str, body: str = "abcGET /next HTTP/1.1\r\n\r\n"
) -> bytes:
    return "\r\n".join([line, *fields, "", body]).encode("latin-1", "replace")


def _heads() -> Iterable[bytes]:
    yield from CLIENTS.values()
    yield from PUBLISHED.values()
    for method in _METHODS.split(" "):
        yield _line(f"{method} /a?b HTTP/1.1", "A: b")
        yield _line(f"{method} * HTTP/1.1", "A: b")
    for target in _TARGETS.split(" "):
        yield _line(f"GET {target} HTTP/1.1", "A: b")
    for version in _VERSIONS.split(" "):
        yield _line(f"POST /a {version}", "A: b")
        yield _line(f"POST /a {version}", "Transfer-Encoding: chunked", "Expect: a")
    for name in [*_NAMES.split(" "), "A ", "A\t", " A", "\tA", "A B", ""]:
        yield _line("POST /a HTTP/1.1", f"{name}: b", "C: d")
        yield _line("POST /a HTTP/1.1", "C: d", f"{name}: b")
        yield _line("POST /a HTTP/1.1", "C: d", name)
    for value in _VALUES.split("|"):
        yield _line("POST /a HTTP/1.1", f"A:{value}")
        yield _line("POST /a HTTP/1.1", f"A:{value}", "C: d", "Host: a")
    for row in filter(None, _FIELDS.split("\n")):
        for line in ("POST /a HTTP/1.1", "POST /a HTTP/1.0"):
            yield _line(line, *row.split("|"))
            yield _line(line, *reversed(row.split("|")), "A: b")
    for framing in FRAMINGS.values():
        yield _line("POST /a HTTP/1.1", *framing)
    for chunks in CHUNKS.values():
        yield _line("POST /a HTTP/1.1", "Transfer-Encoding: chunked", body="") + chunks


#: Heads that are whole in no table above: ends of lines, empty lines, nothing at all.
ODD = [
    b"",
    b"\r",
    b"\r\n",
    b"\n",
    b"\r\n\r\n",
    b"\r\nGET / HTTP/1.1\r\n\r\n",
    b"\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    b"\nGET / HTTP/1.1\r\n\r\n",
    b" GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n",
    b"GET / HTTP/1.1\r\n\r",
    b"GET / HTTP/1.1\n\n",
    b"GET / HTTP/1.1\r\n\n",
    b"GET / HTTP/1.1\r\nA: b\r\n",
    b"GET / HTTP/1.1\r\nA: b\n\r\n",
    b"GET / HTTP/1.1\r\nA: b\n\n",
    b"GET / HTTP/1.1\nA: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nA: b\r\r\n\r\n",
    b"GET / HTTP/1.1\r\nA: b\r\n\r\r\n",
    b"GET / HTTP/1.1\r\n\r\n\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
    b"GET  / HTTP/1.1\r\n\r\n",
    b"GET /  HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1 \r\n\r\n",
    b"GET\t/ HTTP/1.1\r\n\r\n",
    b"GET / a HTTP/1.1\r\n\r\n",
    b"GET /\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"PROXY TCP9 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\n\r\n",
    b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12) + b"GET / HTTP/1.1\r\n\r\n",
]
HEADS = [*_heads(), *ODD]


def configured(**values: Any) -> Config:
    """gunicorn's configuration with these settings."""
    config = Config()
    for name, value in values.items():
        config.set(name, value)
    return config


DEFAULT = configured()


def read(
    kind: type[message.Request], blocks: Iterable[bytes], config: Any, peer: Any
) -> list[Any]:
    """All that a parser says of a connection: of each request, and how it ends."""
    parser_type = type("Parser", (RequestParser,), {"mesg_class": kind})
    parser = parser_type(config, list(blocks), peer)
    said: list[Any] = []
    try:
        while len(said) < 20:
            request = next(parser)
            said += [facts(request), parser.unreader.buf.getvalue()]
            said += [request.body.read(), request.trailers]
    except Exception as exc:
        said += [type(exc), str(exc), parser.unreader.buf.getvalue()]
        said += list(parser.unreader.iter or ())
    return said


def facts(request: Any) -> dict[str, Any]:
    """What a request says of itself; of its body, how that is read."""
    own = {"cfg", "unreader", "body", "arrived"}
    said = {name: value for name, value in vars(request).items() if name not in own}
    reader = request.body.reader
    return {
        **said,
        "reader": type(reader),
        "length": getattr(reader, "length", None),
        "closes": request.should_close(),
        "trusts": request._peer_is_trusted_proxy(),
    }


def same(*blocks: bytes, config: Any = DEFAULT, peer: Any = TRUSTED) -> list[Any]:
    """What both parsers say, which must be one thing."""
    ours = read(Request, blocks, config, peer)
    assert ours == read(message.Request, blocks, config, peer), blocks
    return ours


@pytest.mark.parametrize("peer", [TRUSTED, STRANGER, UNIX], ids=str)
def test_h1_whatever_the_head_both_say_the_same(peer: Any) -> None:
    """Good or bad, each head gets gunicorn's reading or gunicorn's refusal."""
    for head in HEADS:
        same(head, peer=peer)


def test_the_table_has_both_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many of its heads are read by us, many by gunicorn: it compares two things."""
    passed = []
    theirs = message.Request._parse_python

    def counted(self: Any, *arguments: Any) -> Any:
        passed.append(self)
        return theirs(self, *arguments)

    monkeypatch.setattr(message.Request, "_parse_python", counted)
    for head in HEADS:
        read(Request, [head], DEFAULT, TRUSTED)
    assert 200 < len(passed) < len(HEADS) - 100


@pytest.mark.parametrize(
    "values",
    [
        {"strip_header_spaces": True},
        {"permit_obsolete_folding": True},
        {"header_map": "dangerous"},
        {"header_map": "refuse"},
        {"header_map": "drop"},
        {"casefold_http_method": True},
        {"permit_unconventional_http_method": True},
        {"permit_unconventional_http_version": True},
        {"forwarder_headers": "*"},
        {"forwarder_headers": "X_FORWARDED_FOR,HOST"},
        {"forwarded_allow_ips": "*"},
        {"forwarded_allow_ips": "192.0.2.0/24"},
        {"secure_scheme_headers": {"A": "b"}},
        {"secure_scheme_headers": {"HOST": "a", "EXPECT": "100-continue"}},
        {"secure_scheme_headers": {}},
        {"proxy_protocol": True, "proxy_allow_ips": "*"},
        {"proxy_protocol": True, "proxy_allow_ips": "198.51.100.1"},
        {"limit_request_line": 0},
        {"limit_request_fields": 1},
        {"limit_request_fields": 2, "limit_request_field_size": 30},
        {"limit_request_field_size": 0},
        {"http_parser": "python"},
    ],
    ids=str,
)
@pytest.mark.parametrize("peer", [TRUSTED, STRANGER], ids=str)
def test_whatever_gunicorn_is_told(values: dict[str, Any], peer: Any) -> None:
    """Each switch of gunicorn's has the effect that it has there, and no other."""
    config = configured(**values)
    for head in HEADS:
        same(head, config=config, peer=peer)


def test_a_head_in_two_reads() -> None:
    """Wherever a head is cut in two, it is the same head."""
    heads = [*CLIENTS.values(), *ODD]
    for head in heads:
        for at in range(1, len(head)):
            same(head[:at], head[at:])


@pytest.mark.parametrize("limit", [0, 24, 30, 4094, 8190, 8191])
def test_lines_at_their_limit(limit: int) -> None:
    """A line of as many bytes as may be passes, one of a byte more does not."""
    config = configured(limit_request_line=limit)
    for method in (b"GET", b"OPTIONS"):
        for over in range(-25, 3):
            line = b"%b /%b HTTP/1.1" % (
                method,
                b"a" * ((limit or 7990) + over - len(method) - 11),
            )
            said = same(line + b"\r\nA: b\r\n\r\n", config=config)
            refused = message.LimitRequestLine in said
            assert refused == (len(line) > min(limit, 8190) > 0)


@pytest.mark.parametrize(("fields", "size"), [(100, 8190), (5, 40), (0, 0)])
def test_fields_at_their_limits(fields: int, size: int) -> None:
    """As many fields, and as long ones, as may be pass; more, or longer, do not."""
    config = configured(limit_request_fields=fields, limit_request_field_size=size)
    start = b"GET / HTTP/1.1\r\n"
    for count in (1, 4, 5, 6, 99, 100, 101):
        said = same(start + b"A: b\r\n" * count + b"\r\n", config=config)
        assert (message.LimitRequestHeaders in said) == (count > (fields or 32768))
    for over in range(-3, 4):
        field = b"A:%b\r\n" % (b"b" * ((size or 8190) + over - 4))
        said = same(start + field + b"C: d\r\n\r\n", config=config)
        assert (message.LimitRequestHeaders in said) == (over > 0)
    for length in range(7900, 8300, 7):  # around the most that is looked at here
        same(start + b"A: %b\r\nHost: a\r\n\r\nabc" % (b"b" * length), config=config)
        head = start + b"A: %b\r\nHost: a\r\n\r\nabc" % (b"b" * length)
        same(head[:8192], head[8192:] or b"d", config=config)


def test_requests_behind_each_other() -> None:
    """What follows a request is the next, however the bytes come."""
    stream = b"".join([*CLIENTS.values(), CLIENTS["curl"][:50]])
    said = same(stream)
    assert sum(isinstance(one, dict) for one in said) == 5  # as many as are asked for
    assert sum(one == BODY for one in said) == 5
    for step in (1, 7, 100, 333):
        same(*[stream[at : at + step] for at in range(0, len(stream), step)])


@pytest.mark.parametrize("name", CLIENTS)
def test_clients_take_the_short_way(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Heads as people's programs send them need nothing of gunicorn's parser."""

    def never(*_: Any) -> None:
        raise AssertionError("gunicorn's parser was asked")

    monkeypatch.setattr(message.Request, "_parse_python", never)
    for peer in (TRUSTED, STRANGER, UNIX):
        said = read(Request, [CLIENTS[name]], DEFAULT, peer)
        assert said[0]["method"] == CLIENTS[name].split()[0].decode()
        assert said[2] == (b"" if name == "bare" else BODY)


def test_only_a_trusted_proxy_names_the_scheme() -> None:
    """https is what a proxy says that is believed, and nobody else."""
    schemes = [
        same(CLIENTS["nginx"], peer=peer)[0]["scheme"]
        for peer in (TRUSTED, UNIX, STRANGER)
    ]
    assert schemes == ["https", "https", "http"]


def test_what_has_arrived_is_what_is_there() -> None:
    """Bytes that came with a head are counted, never ones that are still to come."""
    head = b"POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\n"
    found = []
    for blocks in ([head], [head + b"abc"], [head + b"a", b"bc"], [head[:9], head[9:]]):
        parser_type = type("Parser", (RequestParser,), {"mesg_class": Request})
        request = next(parser_type(DEFAULT, blocks, TRUSTED))
        assert request.arrived == len(request.unreader.buf.getvalue())
        found.append(request.arrived)
    assert found == [0, 3, 1, 0]


#: What a mutation puts in: all that means something in a head, and some that does not.
PIECES = st.sampled_from(
    [bytes([byte]) for byte in range(256)]
    + [b"\r\n", b"\n\r", b"\r\n\r\n", b"\r\n ", b" HTTP/1.1\r\n", b"HTTP/1.0", b"//"]
    + [b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: b\r\n"]
    + [b"chunked", b"Expect: 100-continue\r\n", b"X-Forwarded-Proto: https\r\n"]
)
MUTATION = st.tuples(st.floats(0, 1), st.integers(0, 3), PIECES)


@given(
    st.sampled_from(sorted(CLIENTS.values())),
    st.lists(MUTATION, min_size=1, max_size=4),
    st.sampled_from([TRUSTED, STRANGER]),
    st.floats(0, 1),
)
@settings(max_examples=2000)
def test_h1_heads_with_faults(
    head: bytes, mutations: list[tuple[float, int, bytes]], peer: Any, cut: float
) -> None:
    """Bytes put in, taken out or replaced anywhere: both still say the same."""
    for where, length, piece in mutations:
        at = int(where * len(head))
        head = head[:at] + piece + head[at + length :]
    same(head, peer=peer)
    at = int(cut * len(head)) or 1
    same(head[:at], head[at:], peer=peer)
