"""Requests that are not valid HTTP, or not what they seem: tables for raw sockets.

``PUBLISHED`` has a row for each request that gunicorn's own tests call invalid, by its
name there (tests/requests/invalid); ``FRAMINGS`` has heads whose length two parsers
might read differently, and ``CHUNKS`` bodies that are badly cut in pieces.
"""

_JSON = "Content-Type: application/json\r\n"
_COUCH = "PUT /stuff/here?foo=bar HTTP/1.0\r\nServer: http://127.0.0.1:5984\r\n" + _JSON
_CURL = "User-Agent: curl/7.18.0\r\nHost: 0.0.0.0=5000\r\n"
_STUFF = "GET /stuff/here?foo=bar HTTP/1.1\r\n"
_EXAMPLE = "Host: example.com\r\n"
_TE = "Transfer-Encoding: chunked\r\n"
_HELLO = "5\r\nhello\r\n"
_WORLD = _HELLO + "6\r\n world\r\n"
_UPLOAD = f"POST /p HTTP/1.1\r\n{_EXAMPLE}{_TE}\r\n"
_AMBIGUOUS = "POST /chunked_ambiguous_header_mapping HTTP/1.1\r\n"

_PUBLISHED: dict[str, str] = {
    "001": "GET /foo/bar HTTP/1.0\r\nbaz",
    "002": "GET HTTP/1.1\r\n\r\n",
    "003": "GET\n/\nHTTP/1.1\r\n\r\n",
    "003b": "bla:rgh /foo HTTP/1.1\r\n\r\n",
    "003c": "-bl /foo HTTP/1.1\r\n\r\n",
    "004": "GET /foo FTP/1.1\r\n\r\n",
    "005": "GET /foo HTTP/1.1\r\nba\0z: bar\r\n\r\n",
    "006": f"PUT /q={'a' * 4096} HTTP/1.0\r\n\r\n",
    "007": f"{_COUCH}Content-Length: 14\r\nSomeheader: {'a' * 8192}\r\n\r\n"
    '{"nom": "nom"}',
    "008": f"{_COUCH}Someheader: {'a' * 8190}\r\nSomeheader: {'a' * 4100}\r\n\r\n",
    "009": f"{_COUCH}Content-Length: 14\r\n"
    + "".join(f"header{n}: {n}\r\n" for n in range(100))
    + '\r\n{"nom": "nom"}',
    "010": "GET /test HTTP/1.1\r\nAccept: */*\r\n\r\n",
    "011": f"GET /test HTTP/1.1\r\n{_CURL}Accept: */*\r\n\r\n",
    "012": f"GET /test HTTP/1.1\r\n{_CURL}Accept: */*\r\n\r\n",
    "013": "GET /test HTTP/1.1\r\nAccept:\r\n */*\r\n\r\n",
    "014": 'PUT /stuff HTTP/1.0\r\nCONTENT-LENGTH: -1\r\n\r\n{"test": "-1}',
    "015": 'POST /stuff HTTP/1.0\r\nCONTENT-LENGTH: bla-bla-bla\r\n\r\n{"test": "-1}',
    "016": "PUT s://]ufd/: HTTP/1.1\r\n\r\n",
    "017": f"GET /test HTTP/1.1\r\nLong-header: {'0' * 8190}\r\n\r\n",
    "018": "GET /test HTTP/111\r\nHost: localhost\r\n\r\n",
    "019": "GET /test HTTP/1.1\r\nX-Forwarded-Proto: https\r\n"
    "X-Forwarded-Ssl: off\r\n\r\n",
    "020": f"{_STUFF}Content-Length : 3\r\n\r\nxyz",
    "021": f"{_STUFF}Content-Length: 3\r\nContent-Length: 2\r\n\r\nxyz",
    "022": "GET /first HTTP/1.0\r\nContent-Length: -0\r\n\r\n",
    "023": "GET /first HTTP/1.0\r\nContent-Length: 0_1\r\n\r\n",
    "024": "GET /first HTTP/1.0\r\nContent-Length: +1\r\n\r\n",
    "040": "GET /keep/same/as?invalid/040 HTTP/1.0\r\nTransfer_Encoding: tricked\r\n"
    "Content-Length: 7\r\nContent_Length: -1E23\r\n\r\ntricked",
    "041": f"{_STUFF}Host: localhost\r\n{_JSON}Content-Type: text/html\r\n\r\n",
    "042": f"{_STUFF}Host: localhost\r\nHost: evil.example.com\r\n\r\n",
    "chunked_01": f"POST /chunked_w_underscore_chunk_size HTTP/1.1\r\n{_TE}\r\n"
    f"{_HELLO}6_0\r\n world\r\n0\r\n\r\nPOST /after HTTP/1.1\r\n"
    "Transfer-Encoding: identity\r\n\r\n",
    "chunked_02": "POST /chunked_with_prefixed_value HTTP/1.1\r\nContent-Length: 12\r\n"
    f"Transfer-Encoding: \tchunked\r\n\r\n{_WORLD}\r\n",
    "chunked_03": "POST /double_chunked HTTP/1.1\r\n"
    f"Transfer-Encoding: identity, chunked, identity, chunked\r\n\r\n{_WORLD}\r\n",
    "chunked_04": "POST /chunked_twice HTTP/1.1\r\n"
    + 2 * f"Transfer-Encoding: identity\r\n{_TE}"
    + f"\r\n{_WORLD}\r\n",
    "chunked_05": f"POST /chunked_HTTP_1.0 HTTP/1.0\r\n{_TE}\r\n{_WORLD}0\r\n"
    "Vary: *\r\nContent-Type: text/plain\r\n\r\n",
    "chunked_06": f"POST /chunked_not_last HTTP/1.1\r\n{_TE}"
    f"Transfer-Encoding: gzip\r\n\r\n{_WORLD}\r\n",
    "chunked_07": f"{_AMBIGUOUS}Transfer_Encoding: gzip\r\n{_TE}\r\n{_WORLD}0\r\n\r\n",
    "chunked_08": f"POST /chunked_not_last HTTP/1.1\r\n{_TE}"
    f"Transfer-Encoding: identity\r\n\r\n{_WORLD}\r\n",
    "chunked_09": f"POST /chunked_ows_without_ext HTTP/1.1\r\n{_TE}\r\n"
    f"{_HELLO}0 \r\n\r\n",
    "chunked_10": f"POST /chunked_ows_before HTTP/1.1\r\n{_TE}\r\n{_HELLO} 0\r\n\r\n",
    "chunked_11": f"POST /chunked_ows_before HTTP/1.1\r\n{_TE}\r\n"
    "5\n;\r\nhello\r\n0\r\n\r\n",
    "chunked_12": f"POST /chunked_no_chunk_size_but_ext HTTP/1.1\r\n{_TE}\r\n"
    " ;foo=bar\r\nhello\r\n0\r\n\r\n",
    "chunked_13": f"POST /chunked_no_chunk_size HTTP/1.1\r\n{_TE}\r\n"
    "\r\nhello\r\n0\r\n\r\n",
    "chunked_14": f"POST /chunked_bare_cr_in_extension HTTP/1.1\r\n{_TE}\r\n"
    "5;ext=val\rue\r\nhello\r\n0\r\n\r\n",
    "invalid_field_value_01": "GET / HTTP/1.1\r\nHost: x\r\nNewline: a\n"
    "Content-Length: 26\r\nGET / HTTP/1.1\nHost: x\r\n\r\n",
    "limit_header_default_01": f"GET / HTTP/1.0\r\nX: {'y' * 8192}\r\n\r\n",
    "nonascii_01": "GETß /germans.. HTTP/1.1\r\nContent-Length: 3\r\n\r\nÄÄÄ",
    "nonascii_02": "GETÿ /french.. HTTP/1.1\r\nContent-Length: 3\r\n\r\nÄÄÄ",
    "nonascii_03": "GET /germans.. HTTP/1.1\r\nContent-Lengthß: 3\r\n"
    "Content-Length: 3\r\n\r\nÄÄÄ",
    "nonascii_04": "GET /french.. HTTP/1.1\r\nContent-Lengthÿ: 3\r\n"
    "Content-Length: 3\r\n\r\nÄÄÄ",
    "obs_fold_01": "GET / HTTP/1.1\r\nLong: one\r\n two\r\nHost: localhost\r\n\r\n",
    "pp_01": "PROXY TCP4 192.168.0.1 192.16...\r\n",
    "pp_02": "PROXY TCP4 192.168.0.1 192.168.0.11 65iii 100000\r\n",
    "pp_03": "PROXY TCP4 not-an-ip 192.168.0.11 56324 443\r\n",
    "prefix_01": "GET\0PROXY /foo HTTP/1.1\r\n\r\n",
    "prefix_02": "GET\0 /foo HTTP/1.1\r\n\r\n",
    "prefix_03": f"{_STUFF}Content-Length: 0 1\r\n\r\nx",
    "prefix_04": f"{_STUFF}Content-Length: 3 1\r\n\r\nxyz\r\nabc123",
    "prefix_05": "GET: /stuff/here?foo=bar HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyz",
    "prefix_06": f"GET /the/future HTTP/{'1' * 88}.1\r\n"
    "Content-Length: 7\r\n\r\nOld Man",
    "rfc9110_field_value_ctl_bel_01": f"GET /foo HTTP/1.1\r\n{_EXAMPLE}"
    "X-Value: plain\x07injected\r\n\r\n",
    "rfc9110_field_value_ctl_del_01": f"GET /foo HTTP/1.1\r\n{_EXAMPLE}"
    "X-Value: plain\x7finjected\r\n\r\n",
    "rfc9110_trailer_forbidden_cl_01": f"{_UPLOAD}{_HELLO}0\r\n"
    "Content-Length: 99\r\n\r\n",
    "rfc9110_trailer_forbidden_host_01": f"{_UPLOAD}{_HELLO}0\r\n"
    "Host: evil.example.com\r\n\r\n",
    "rfc9110_trailer_forbidden_te_01": f"{_UPLOAD}{_HELLO}0\r\n{_TE}\r\n",
    "rfc9112_chunked_missing_final_crlf_01": f"{_UPLOAD}0\r\n",
    "rfc9112_chunked_size_minus_sign_01": f"{_UPLOAD}-5\r\nhello\r\n0\r\n\r\n",
    "rfc9112_chunked_size_plus_sign_01": f"{_UPLOAD}+5\r\nhello\r\n0\r\n\r\n",
    "rfc9112_smuggle_cl_list_form_01": f"POST /p HTTP/1.1\r\n{_EXAMPLE}"
    "Content-Length: 5, 5\r\n\r\nhello",
    "rfc9112_smuggle_cl_te_chunked_01": f"POST /p HTTP/1.1\r\n{_EXAMPLE}"
    f"Content-Length: 3\r\n{_TE}\r\n0\r\n\r\n",
    "rfc9112_target_asterisk_non_options_01": f"GET * HTTP/1.1\r\n{_EXAMPLE}\r\n",
    "rfc9112_target_authority_non_connect_01": "GET example.com:443 HTTP/1.1\r\n"
    "Host: example.com:443\r\n\r\n",
    "rfc9112_target_relative_01": f"GET foo/bar HTTP/1.1\r\n{_EXAMPLE}\r\n",
    "version_01": "GET /foo HTTP/0.99\r\n\r\n",
    "version_02": "GET /foo HTTP/2.0\r\n\r\n",
}
PUBLISHED = {name: row.encode("latin-1") for name, row in _PUBLISHED.items()}

#: Of these, the ones that are invalid only under a setting that is not set here: lower
#: limits, trusted proxies, or fields with an underscore refused where ours are dropped.
VALID_HERE = {"010", "011", "012", "019", "040", "chunked_07"}

#: The lines that say how long a body is, and what is meant to pass as one.
FRAMINGS: dict[str, tuple[str, ...]] = {
    "cl-te": ("Content-Length: 4", "Transfer-Encoding: chunked"),
    "te-cl": ("Transfer-Encoding: chunked", "Content-Length: 4"),
    "cl-0-te": ("Content-Length: 0", "Transfer-Encoding: chunked"),
    "two-cls": ("Content-Length: 0", "Content-Length: 4"),
    "two-equal-cls": ("Content-Length: 0", "Content-Length: 0"),
    "list-cl": ("Content-Length: 0, 4",),
    "equal-list-cl": ("Content-Length: 0, 0",),
    "plus-cl": ("Content-Length: +0",),
    "minus-cl": ("Content-Length: -1",),
    "hex-cl": ("Content-Length: 0x0",),
    "empty-cl": ("Content-Length:",),
    "float-cl": ("Content-Length: 0.0",),
    "underscore-cl": ("Content-Length: 1_0",),
    "space-in-cl": ("Content-Length: 0 0",),
    "other-digits-cl": ("Content-Length: \xb2",),
    "endless-cl": (f"Content-Length: {'9' * 5000}",),
    "space-before-colon-cl": ("Content-Length : 0",),
    "xchunked": ("Transfer-Encoding: xchunked",),
    "chunked-identity": ("Transfer-Encoding: chunked, identity",),
    "identity-chunked-cl": ("Transfer-Encoding: identity, chunked, identity",),
    "identity-cl": ("Transfer-Encoding: identity", "Content-Length: 4"),
    "chunked-chunked": ("Transfer-Encoding: chunked, chunked",),
    "two-tes": ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    "two-tes-other": ("Transfer-Encoding: chunked", "Transfer-Encoding: x"),
    "gzip-te": ("Transfer-Encoding: gzip, chunked",),
    "quoted-te": ('Transfer-Encoding: "chunked"',),
    "comma-te": ("Transfer-Encoding: ,chunked",),
    "empty-te": ("Transfer-Encoding:",),
    "space-before-colon": ("Transfer-Encoding : chunked",),
    "tab-before-colon": ("Transfer-Encoding\t: chunked",),
    "vertical-tab": ("Transfer-Encoding: \x0bchunked",),
    "form-feed": ("Transfer-Encoding: \x0cchunked",),
    "vertical-tab-after": ("Transfer-Encoding: chunked\x0b",),
    "nbsp": ("Transfer-Encoding: \xa0chunked",),
    "nul": ("Transfer-Encoding: chunked\0",),
    "nul-elsewhere": ("Content-Length: 0", "X: a\0b"),
    "bare-cr": ("X: a\rTransfer-Encoding: chunked",),
    "bare-lf": ("X: a\nTransfer-Encoding: chunked", "Content-Length: 0"),
    "bare-lf-only": ("Content-Length: 0\nX: a",),
    "folded": ("Transfer-Encoding:\r\n chunked",),
    "folded-elsewhere": ("X: a\r\n b", "Content-Length: 0"),
    "folded-first": (" Transfer-Encoding: chunked", "Content-Length: 0"),
    "no-name": (": chunked", "Content-Length: 0"),
    "no-colon": ("Transfer-Encoding", "Content-Length: 0"),
    "two-hosts": ("Host: y", "Content-Length: 0"),
    "two-types": ("Content-Type: a/b", "Content-Type: c/d", "Content-Length: 0"),
}

#: Chunked bodies that no chunked body may be.
CHUNKS: dict[str, bytes] = {
    "no-size": b"\r\nhello\r\n0\r\n\r\n",
    "plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "minus": b"-5\r\nhello\r\n0\r\n\r\n",
    "prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "space": b" 5\r\nhello\r\n0\r\n\r\n",
    "space-after": b"5 \r\nhello\r\n0\r\n\r\n",
    "word": b"five\r\nhello\r\n0\r\n\r\n",
    "bare-lf": b"5\nhello\n0\n\n\r\n\r\n",
    "bare-cr": b"5\rhello\r0\r\r\r\n\r\n",
    "short": b"6\r\nhello\r\n0\r\n\r\n",
    "long": b"4\r\nhello\r\n0\r\n\r\n",
    "nul": b"5\0\r\nhello\r\n0\r\n\r\n",
    "extension-cr": b"5;a=b\rc\r\nhello\r\n0\r\n\r\n",
    "extension-lf": b"5;a=b\nc\r\nhello\r\n0\r\n\r\n",
    "extension-open": b'5;a="b\r\nhello\r\n0\r\n\r\n',
    "endless-size": b"0" * 20_000 + b"5\r\nhello\r\n0\r\n\r\n",
    "trailer-cl": b"5\r\nhello\r\n0\r\nContent-Length: 99\r\n\r\n",
    "trailer-te": b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "trailer-host": b"5\r\nhello\r\n0\r\nHost: y\r\n\r\n",
    "trailer-auth": b"5\r\nhello\r\n0\r\nAuthorization: Bearer x\r\n\r\n",
    "trailer-nonsense": b"5\r\nhello\r\n0\r\nnonsense\r\n\r\n",
    "trailer-folded": b"5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n",
    "trailer-lf": b"5\r\nhello\r\n0\r\nX: a\n\r\n\r\n",
}
