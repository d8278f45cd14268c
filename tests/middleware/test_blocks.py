"""Anthropic's conversations, block by block, as Ollama gets them."""

from typing import Any

import msgspec
import pytest
from support.pictures import GIF, PNG, text

from app.errors import BadRequest
from app.signatures import Signatures
from app.targets import FetchError
from app.wire import anthropic
from middleware.blocks import Conversation
from middleware.content import MAX_MESSAGES, MAX_PARTS
from middleware.effects import effect
from middleware.images import Fetch, Images

OURS = Signatures(lambda: b"secret")
USER = {"role": "user", "content": "hi"}
USE = {"type": "tool_use", "id": "c1", "name": "f", "input": {"z": 1, "a": [2]}}
USED = {"function": {"name": "f", "arguments": {"z": 1, "a": [2]}, "index": 0}}
FOUND = {"type": "tool_result", "tool_use_id": "c1"}
IMAGE = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": text(PNG)},
}
PLAIN = {"type": "text", "media_type": "text/plain", "data": "in it"}


def said(value: str, **more: Any) -> dict[str, Any]:
    """A block of text."""
    return {"type": "text", "text": value, **more}


def source(kind: str, **more: Any) -> dict[str, Any]:
    """An image from somewhere."""
    return {"type": "image", "source": {"type": kind, **more}}


def document(given: Any, **more: Any) -> dict[str, Any]:
    """A document."""
    return {"type": "document", "source": given, **more}


def translated(
    *given: Any, system: Any = None, fetch: Fetch | None = None
) -> tuple[list[Any], list[str], Images]:
    """The conversation as Ollama gets it, what is ignored, and the images."""
    request = msgspec.convert(
        {"messages": [*given], "system": system}, anthropic.MessagesRequest
    )
    ignored: list[str] = []
    images = Images(fetch)
    conversation = Conversation(ignored, images, OURS.verify)
    found = conversation.messages(request.system, request.messages)
    return msgspec.to_builtins(found), ignored, images


def native(*given: Any, **more: Any) -> list[Any]:
    """The conversation; nothing of it is ignored."""
    found, ignored, _ = translated(*given, **more)
    assert ignored == []
    return found


def user(*blocks: Any) -> dict[str, Any]:
    """What a user says."""
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    """What the model said."""
    return {"role": "assistant", "content": list(blocks)}


def refused(*given: Any, **more: Any) -> BadRequest:
    """Why a conversation is refused."""
    with pytest.raises(BadRequest) as caught:
        translated(*given, **more)
    assert caught.value.status == 400
    return caught.value


# ------------------------------------------------------------------- what is said


@pytest.mark.parametrize(
    ("given", "want"),
    [
        (USER, {"role": "user", "content": "hi"}),
        ({"role": "USER", "content": "hi"}, {"role": "user", "content": "hi"}),
        ({"role": "user", "content": ""}, {"role": "user", "content": ""}),
        (user(said("a")), {"role": "user", "content": "a"}),
        (user(said("a"), said("b")), {"role": "user", "content": "a\n\nb"}),
        (user(said(""), said("b")), {"role": "user", "content": "\n\nb"}),
        (assistant(said("a"), said("b")), {"role": "assistant", "content": "ab"}),
        (
            user(said("a", cache_control={"type": "ephemeral"}, citations=[{}])),
            {"role": "user", "content": "a"},
        ),
    ],
)
def test_texts(given: Any, want: Any) -> None:
    """Texts of a user stand apart, those of the model join; labels do not matter."""
    assert native(given, USER)[0] == want


@pytest.mark.parametrize(
    ("system", "want"),
    [
        (None, None),
        ("", None),
        ([], None),
        ("Be kind.", "Be kind."),
        ([said("a")], "a"),
        ([said("a", cache_control={"type": "ephemeral"}), said("b")], "a\n\nb"),
        ([said("")], None),
        ([said("a"), document(PLAIN)], "a\n\nDocument:\nin it"),
    ],
)
def test_system(system: Any, want: str | None) -> None:
    """It is the first message; its blocks stand apart."""
    told = [{"role": "system", "content": want}] if want else []
    assert native(USER, system=system) == [*told, USER]


def test_a_note_to_billing() -> None:
    """What Claude Code tells Anthropic's billing is not told to the model, only named.

    It is another in each session, and would cost Ollama the prompt that it has cached.
    """
    note = said("x-anthropic-billing-header: cc_version=2.1.197.fa0;")
    found, ignored, _ = translated(USER, system=[note, said("Be brief.")])
    assert found == [{"role": "system", "content": "Be brief."}, USER]
    assert ignored == ["system[0].billing"]
    assert effect(ignored[0]).kind == "I"


def test_system_among_the_messages() -> None:
    """A message of the system stays where it is."""
    given = [USER, {"role": "system", "content": "Be brief."}, USER]
    assert native(*given) == given


def test_a_message_of_the_system_without_words() -> None:
    """It may be there for its effort alone: it is no message for the model."""
    silent = {"role": "system", "output_config": {"effort": "low"}}
    assert native(USER, silent, {"role": "system", "content": None}) == [USER]


@pytest.mark.parametrize("block", [IMAGE, USE, FOUND, {"type": "thinking"}])
def test_what_instructions_cannot_be(block: Any) -> None:
    """Anything but text in them is named, not dropped in silence."""
    found, ignored, images = translated(USER, system=[said("a"), block])
    assert found[0] == {"role": "system", "content": "a"}
    assert ignored == [f"system[1].{block['type']}"]
    assert effect(ignored[0]).kind == "W"
    assert not images.wanted


# ------------------------------------------------------------------- calls, results


@pytest.mark.parametrize("kind", ["tool_use", "server_tool_use"])
def test_a_call(kind: str) -> None:
    """It is a call of the model's, its arguments in their order."""
    found = native(assistant(said("a"), USE | {"type": kind}))[0]
    assert found == {
        "role": "assistant",
        "content": "a",
        "tool_calls": [{"function": USED["function"], "id": "c1"}],
    }
    assert list(found["tool_calls"][0]["function"]["arguments"]) == ["z", "a"]


def test_several_calls() -> None:
    """They are numbered, and no input is an empty one."""
    again = {"type": "tool_use", "id": "c2", "name": "g"}
    calls = native(assistant(USE, again))[0]["tool_calls"]
    assert [one["id"] for one in calls] == ["c1", "c2"]
    assert calls[1]["function"] == {"name": "g", "arguments": {}, "index": 1}


@pytest.mark.parametrize(
    ("changed", "message", "param", "code"),
    [
        (
            {"id": None},
            "tool_use block missing required 'id' field",
            "id",
            "missing_required_parameter",
        ),
        (
            {"id": ""},
            "tool_use block missing required 'id' field",
            "id",
            "missing_required_parameter",
        ),
        (
            {"name": None},
            "tool_use block missing required 'name' field",
            "name",
            "missing_required_parameter",
        ),
        (
            {"name": ""},
            "tool_use block missing required 'name' field",
            "name",
            "missing_required_parameter",
        ),
        *[
            (
                {"input": given},
                "Invalid type for 'messages[0].content[1].input': expected an object.",
                "input",
                "invalid_type",
            )
            for given in ("x", 5, [], True)
        ],
    ],
)
def test_a_call_that_is_none(changed: Any, message: str, param: str, code: str) -> None:
    """Without id, name or an object of input it is a 400 that says which."""
    error = refused(assistant(said("a"), USE | changed))
    assert error.message == message
    assert (error.param, error.code) == (f"messages[0].content[1].{param}", code)


def result(**more: Any) -> dict[str, Any]:
    """The message for a result."""
    return {
        "role": "tool",
        "content": "",
        "tool_name": "f",
        "tool_call_id": "c1",
    } | more


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ({}, {}),
        ({"content": None}, {}),
        ({"content": ""}, {}),
        ({"content": []}, {}),
        ({"content": "5"}, {"content": "5"}),
        ({"content": [said("a"), said("b")]}, {"content": "a\n\nb"}),
        ({"content": said("a")}, {"content": "a"}),
        ({"content": "x", "is_error": False}, {"content": "x"}),
        ({"content": "x", "is_error": True}, {"content": "Error: x"}),
        ({"is_error": True}, {"content": "Error: "}),
        (
            {"content": [said("a"), IMAGE]},
            {"content": "a", "images": [text(PNG)]},
        ),
        ({"content": [document(PLAIN)]}, {"content": "Document:\nin it"}),
        ({"tool_use_id": "c9"}, {"tool_call_id": "c9", "tool_name": ...}),
    ],
)
def test_results(given: Any, want: Any) -> None:
    """A result is a message of the tool: its name, its text, its images, its error."""
    wanted = {k: v for k, v in result(**want).items() if v is not ...}
    found = native(USER, assistant(USE), user(FOUND | given))
    assert found[2] == wanted
    assert found[:2] == [
        USER,
        {"role": "assistant", "content": "", "tool_calls": [{**USED, "id": "c1"}]},
    ]


def test_results_come_before_what_the_user_says() -> None:
    """Of a user's message the results are first, whatever its blocks' order."""
    calls = assistant(USE, USE | {"id": "c2", "name": "g"})
    blocks = [said("a"), FOUND, said("b"), FOUND | {"tool_use_id": "c2"}, IMAGE]
    found = native(USER, calls, user(*blocks))[2:]
    assert found == [
        result(),
        result(tool_name="g", tool_call_id="c2"),
        {"role": "user", "content": "a\n\nb", "images": [text(PNG)]},
    ]


def test_results_of_the_models_own_turn() -> None:
    """What a server ran belongs behind the call that asked for it."""
    use = USE | {"type": "server_tool_use", "name": "web_search"}
    hits = {
        "type": "web_search_tool_result",
        "tool_use_id": "c1",
        "content": [
            {"type": "web_search_result", "title": "A", "url": "http://a"},
            {"type": "web_search_result", "encrypted_content": "x"},
        ],
    }
    main, tool, *_ = native(assistant(use, hits, said("so")), USER)
    assert (main["content"], main["tool_calls"][0]["id"]) == ("so", "c1")
    assert tool == result(content="- A: http://a\n- : ", tool_name="web_search")


@pytest.mark.parametrize(
    ("content", "want"),
    [
        (None, ""),
        ("none", "none"),
        ([], ""),
        (
            {"type": "web_search_tool_result_error", "error_code": "unavailable"},
            "web_search_tool_result_error: unavailable",
        ),
    ],
)
def test_a_search_that_found_nothing(content: Any, want: str) -> None:
    """Its error is told as Ollama tells it."""
    hits = {"type": "web_search_tool_result", "tool_use_id": "c", "content": content}
    assert native(assistant(hits), USER)[0] == {
        "role": "tool",
        "tool_call_id": "c",
        "content": want,
    }


def test_the_last_name_of_a_call_counts() -> None:
    """Ids may come again; a name after its result is none of its."""
    later = assistant(USE | {"name": "g"})
    assert native(assistant(USE), user(FOUND), later)[1]["tool_name"] == "g"


def test_a_result_without_its_call() -> None:
    """A result must say of which call it is."""
    error = refused(user({"type": "tool_result", "content": "5"}))
    assert error.code == "missing_required_parameter"
    assert error.param == "messages[0].content[0].tool_use_id"


@pytest.mark.parametrize("block", [USE, FOUND, {"type": "thinking", "thinking": "x"}])
def test_what_a_result_cannot_hold(block: Any) -> None:
    """It is named with its place."""
    found, ignored, _ = translated(user(FOUND | {"content": [said("a"), block]}))
    assert found[0]["content"] == "a"
    assert ignored == [f"messages[0].content[0].content[1].{block['type']}"]


# ------------------------------------------------------------------- thoughts


def thought(value: str, signature: str | None = None) -> dict[str, Any]:
    """A thought as a client sends it back."""
    return {"type": "thinking", "thinking": value, "signature": signature}


def test_thoughts_are_joined() -> None:
    """All thoughts of a message go back to the model, in their order."""
    blocks = [thought("a", OURS.sign("a")), said("x"), thought("b", OURS.sign("b"))]
    assert native(assistant(*blocks), USER)[0] == {
        "role": "assistant",
        "content": "x",
        "thinking": "ab",
    }


@pytest.mark.parametrize("signature", [None, "", OURS.sign("hm")])
def test_thoughts_with_our_signature(signature: str | None) -> None:
    """Ours is known again; none at all is no offence."""
    assert native(assistant(thought("hm", signature)), USER)[0]["thinking"] == "hm"


@pytest.mark.parametrize(
    "signature",
    [
        OURS.sign("other"),
        OURS.sign("hm")[:-2],
        Signatures(lambda: b"another").sign("hm"),
        "EqQBCkYIARgCKkAAAA==",
        "\u00e4",
        "x" * 100_000,
    ],
    ids=["changed", "cut", "another server", "Anthropic's", "no ASCII", "long"],
)
def test_thoughts_with_a_foreign_signature(signature: str) -> None:
    """The thought counts all the same, and the signature is named."""
    found, ignored, _ = translated(assistant(said("x"), thought("hm", signature)))
    assert found[0]["thinking"] == "hm"
    assert ignored == ["messages[0].content[1].signature"]
    assert effect(ignored[0]).kind == "I"


def test_redacted_thoughts() -> None:
    """What only Anthropic can read is left out, and nobody has to be told."""
    redacted = {"type": "redacted_thinking", "data": "x"}
    assert native(assistant(redacted, said("x")), USER)[0]["content"] == "x"
    assert native(assistant(redacted), USER) == [USER]


# ------------------------------------------------------------------- images


@pytest.mark.parametrize(
    ("given", "want"),
    [
        (IMAGE["source"], text(PNG)),
        ({"type": "base64", "media_type": "image/gif", "data": text(GIF)}, text(GIF)),
        ({"type": "base64", "media_type": "wrong", "data": text(GIF)}, text(GIF)),
        ({"type": "base64", "data": text(PNG).rstrip("=") + "\n"}, text(PNG)),
        ({"type": "base64", "data": f"data:;base64,{text(PNG)}"}, text(PNG)),
        ({"type": "url", "url": f"data:image/png;base64,{text(PNG)}"}, text(PNG)),
    ],
)
def test_images(given: Any, want: str) -> None:
    """Base64 in any spelling; what it is counts, not what it is called."""
    block = {"type": "image", "source": given}
    assert native(user(said("?"), block)) == [
        {"role": "user", "content": "?", "images": [want]}
    ]
    assert native(user(block))[0]["content"] == ""


@pytest.mark.parametrize(
    ("block", "message", "param"),
    [
        ({"type": "image"}, "invalid image source", ""),
        ({"type": "image", "source": "x"}, "invalid image source", ""),
        (source("file", file_id="f"), "invalid image source type: file", ".type"),
        ({"type": "image", "source": {}}, "invalid image source type: None", ".type"),
        (source("base64", data="http://a/b"), "invalid base64 image data", ".data"),
        (source("base64", data="!!"), "invalid image input", ".data"),
        (source("base64", data=""), "invalid image input", ".data"),
        (source("base64", data=text(b"%PDF-1.7")), "PDF cannot be read", ".data"),
        (source("base64", data="/etc/passwd"), "invalid image input", ".data"),
        (source("url", url="http://a/b"), "image URLs are not", ".url"),
        (source("url", url="file:///x"), "invalid image input", ".url"),
    ],
)
def test_images_that_are_none(block: Any, message: str, param: str) -> None:
    """Each is a 400 that says why, with its place; the first words are Ollama's."""
    error = refused(user(said("?"), block))
    assert message.lower() in error.message.lower()
    assert (error.code, error.param) == (
        "invalid_image",
        f"messages[0].content[1].source{param}",
    )


@pytest.mark.parametrize("name", ["data", "url"])
def test_an_image_without_data(name: str) -> None:
    """A source must bring what its type says."""
    error = refused(user(source({"data": "base64"}.get(name, name))))
    assert error.code == "missing_required_parameter"
    assert error.param == f"messages[0].content[0].source.{name}"


def test_images_by_url() -> None:
    """They are fetched once it is certain that Ollama will be asked; in results too."""
    asked: list[list[str]] = []

    def fetch(urls: list[str]) -> dict[str, str | FetchError]:
        asked.append(urls)
        return dict.fromkeys(urls, text(PNG))

    block = source("url", url="https://a/b.png")
    request = msgspec.convert(
        {"messages": [user(block, FOUND | {"content": [block]})]},
        anthropic.MessagesRequest,
    )
    images = Images(fetch)
    found = Conversation([], images, OURS.verify).messages(None, request.messages)
    assert (images.wanted, asked) == (True, [])
    images.fetch()
    assert asked == [["https://a/b.png"]]
    assert [message.images for message in found] == [[text(PNG)]] * 2


# ------------------------------------------------------------------- documents


@pytest.mark.parametrize(
    ("block", "want"),
    [
        (document(PLAIN), "Document:\nin it"),
        (document(PLAIN, title="T"), "Document: T\nin it"),
        (document(PLAIN, title="T", context="C"), "Document: T\nC\nin it"),
        (document({"type": "content", "content": "in it"}), "Document:\nin it"),
        (
            document({"type": "content", "content": [said("a"), said("b")]}),
            "Document:\na\n\nb",
        ),
        (
            document(PLAIN, citations={"enabled": True}, cache_control={}),
            "Document:\nin it",
        ),
    ],
)
def test_documents(block: Any, want: str) -> None:
    """Their text is in the message, with title and context."""
    assert native(user(block))[0]["content"] == want
    assert native(user(said("a"), block))[0]["content"] == f"a\n\n{want}"


def test_a_document_with_pictures() -> None:
    """Its images are the message's."""
    block = document({"type": "content", "content": [said("a"), IMAGE]})
    found = native(user(block))[0]
    assert found["images"] == [text(PNG)]


@pytest.mark.parametrize(
    "given",
    [
        None,
        "x",
        {},
        {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
        {"type": "url", "url": "http://a/b.pdf"},
        {"type": "file", "file_id": "f"},
    ],
)
def test_documents_that_nobody_reads(given: Any) -> None:
    """PDFs, URLs and files are refused, not lost."""
    error = refused(user(document(given)))
    assert error.message.startswith("document source type not supported")
    assert error.code == "unsupported_value"
    assert error.param == "messages[0].content[0].source"


@pytest.mark.parametrize(("kind", "name"), [("text", "data"), ("content", "content")])
def test_documents_without_text(kind: str, name: str) -> None:
    """A source must bring what its type says."""
    error = refused(user(document({"type": kind})))
    assert error.code == "missing_required_parameter"
    assert error.param == f"messages[0].content[0].source.{name}"


def test_search_results() -> None:
    """Title, source and texts are told."""
    block = {
        "type": "search_result",
        "title": "T",
        "source": "http://a",
        "content": [said("a"), said("b")],
    }
    assert native(user(block))[0]["content"] == "Search result: T (http://a)\na\nb"
    bare = {"type": "search_result", "content": []}
    assert native(user(bare))[0]["content"] == "Search result:  ()"
    error = refused(user({"type": "search_result", "content": "x"}))
    assert error.param == "messages[0].content[0].content"


# ------------------------------------------------------------------- what is not known


@pytest.mark.parametrize(
    "kind", ["container_upload", "mcp_tool_use", "hologram", "x" * 100, ""]
)
def test_unknown_blocks(kind: str) -> None:
    """They are named with their place; strict mode refuses them."""
    found, ignored, _ = translated(user(said("a"), {"type": kind}))
    assert found == [{"role": "user", "content": "a"}]
    assert ignored == [f"messages[0].content[1].{kind[:64]}"]
    assert effect(ignored[0]).kind == "W"


def test_a_message_of_nothing_known() -> None:
    """It makes no message; the others are answered."""
    found, ignored, _ = translated(user({"type": "x"}), user(), USER)
    assert found == [USER]
    assert ignored == ["messages[0].content[0].x"]


@pytest.mark.parametrize(
    "given",
    [
        [user()],
        [user({"type": "x"})],
        [{"role": "system", "content": "a"}],
        [assistant({"type": "redacted_thinking"})],
    ],
)
def test_nothing_to_answer(given: Any) -> None:
    """Ollama would only load the model: that is a 400."""
    error = refused(*given, system="Be kind.")
    assert (error.param, error.code) == ("messages", "invalid_value")
    assert "nothing" in error.message


@pytest.mark.parametrize("given", [None, []])
def test_no_messages(given: Any) -> None:
    """In Ollama's words."""
    with pytest.raises(BadRequest) as caught:
        Conversation([], Images(), OURS.verify).messages(None, given)
    assert caught.value.message == "messages is required"
    assert caught.value.code == "missing_required_parameter"


@pytest.mark.parametrize(
    ("message", "param", "code"),
    [
        ({"content": "x"}, "role", "missing_required_parameter"),
        ({"role": None, "content": "x"}, "role", "missing_required_parameter"),
        ({"role": "robot", "content": "x"}, "role", "invalid_value"),
        ({"role": "tool", "content": "x"}, "role", "invalid_value"),
        ({"role": "", "content": "x"}, "role", "invalid_value"),
        ({"role": "user"}, "content", "missing_required_parameter"),
        (
            {"role": "user", "content": None},
            "content",
            "missing_required_parameter",
        ),
        (user(*[said("x")] * (MAX_PARTS + 1)), "content", "invalid_value"),
        (user({"type": "text"}), "content[0].text", "missing_required_parameter"),
    ],
)
def test_wrong_messages(message: Any, param: str, code: str) -> None:
    """A message has a role that is known, and content; the 400 names the place."""
    error = refused(USER, message)
    assert (error.param, error.code) == (f"messages[1].{param}", code)


def test_too_many_messages() -> None:
    """There is a limit."""
    assert refused(*[USER] * (MAX_MESSAGES + 1)).param == "messages"
