import pytest

from app.redaction import Redaction, plain


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sk-abc_DEF-123", "***"),
        ("a key sk-abc, and more", "a key ***, and more"),
        ("task-force and disk-1", "task-force and disk-1"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("{'Authorization': 'Bearer abc'}", "{'Authorization': 'Bearer ***'}"),
        ("{'authorization': 'abc'}", "{'authorization': '***'}"),
        ("Authorization: Basic YWJj end", "Authorization: Basic *** end"),
        ("X-Api-Key: abc", "X-Api-Key: ***"),
        ("{'api-key': 'abc'}", "{'api-key': '***'}"),
        ('{"api_key": "abc"}', '{"api_key": "***"}'),
        ("Cookie: a=b; c=d", "Cookie: ***"),
        ("Set-Cookie: a=b; Path=/", "Set-Cookie: ***"),
        ("http://me:pass@host/x", "http://***@host/x"),
        ("http://me@host/x", "http://***@host/x"),
        ("http://host/me@x", "http://host/me@x"),
        ("/v1/x?key=abc&a=b", "/v1/x?key=***&a=b"),
        ("?access_token=abc", "?access_token=***"),
        ("password=abc&api_key=d", "password=***&api_key=***"),
        ("bearer%20abc", "bearer%20***"),
        (f"/v1/responses/resp_{'0a' * 16}/x", "/v1/responses/resp_0a0a***/x"),
        ("resp_1 and a resp_none", "resp_1 and a resp_none"),
        ("basic YWJj end", "basic *** end"),
        ("prompt_tokens=12 model=llama3.2", "prompt_tokens=12 model=llama3.2"),
        ("Object missing required field `key`", "Object missing required field `key`"),
    ],
)
def test_g2_what_is_hidden(text: str, said: str) -> None:
    """Keys, credentials, cookies and passwords are stars, and nothing else is."""
    assert Redaction().redacted(text) == said


def test_g2_our_own_secret() -> None:
    """A secret of ours is hidden word for word; a short one is no secret."""
    redaction = Redaction("correct horse", "x")
    assert redaction.redacted("the correct horse, max") == "the ***, max"


def test_an_ordinary_line_is_not_suspect() -> None:
    """Most lines are let through at the first look."""
    line = (
        "id=req_0cfe00112233445566778899 method=POST path=/v1/chat/completions"
        " model=llama3.2 status=200 outcome=done bytes=376 prompt_tokens=11"
    )
    assert not Redaction("correct horse").is_suspect(line)


def test_lines_cannot_be_forged() -> None:
    """Further lines are indented, and what no printer prints is escaped."""
    text = plain("a\nb\r\x1b[2J\x85\u202e\u2028")
    assert text == "a\n    b\\x0d\\x1b[2J\\x85\\u202e\\u2028"
