"""What an answer must be; anything else is raised as ``Unexplained``."""

import json
from typing import Any

from .wire import Answer

#: Kinds of error that a client may be told of when Ollama fails.
FAILURES = {400, 401, 403, 404, 418, 422, 429, 500, 502, 503, 504, 529}


class Unexplained(Exception):
    """An answer that should not have been: what is wrong, and with what."""

    def __init__(self, what: str, answer: Answer | None = None) -> None:
        shown = "" if answer is None else f"{answer.status} {answer.body[-300:]!r}"
        super().__init__(what, shown)


def must(holds: bool, what: str, answer: Answer | None = None) -> None:
    """Raise if something does not hold."""
    if not holds:
        raise Unexplained(what, answer)


def good(answer: Answer) -> Answer:
    """An answer with status 200 that is all there."""
    must(answer.status != 0, "no answer", answer)
    must(answer.status == 200, f"status {answer.status}", answer)
    must(answer.whole, "cut off", answer)
    return answer


def refused(answer: Answer, *statuses: int) -> Answer:
    """One of these statuses, in the envelope of OpenAI's errors or of Ollama's."""
    must(answer.status != 0, "no answer", answer)
    must(answer.status in statuses, f"status {answer.status}", answer)
    must(answer.whole, "cut off", answer)
    error = (answer.json or {}).get("error")
    must(isinstance(error, dict | str) and bool(error), "no envelope", answer)
    return answer


def events(answer: Answer) -> list[Any]:
    """The events of a stream, comments left out; its one end is not among them.

    ``[DONE]`` must be there, and no error.
    """
    found, failed = ended(answer)
    must(failed is None, "error in a stream", answer)
    return found


def ended(answer: Answer) -> tuple[list[Any], dict[str, Any] | None]:
    """The events of a stream and the error it ended with, if it did.

    Exactly one of ``[DONE]`` and an error is last, nothing follows, all is framed.
    """
    kind = answer.headers.get("content-type", "")
    must(good(answer).body.endswith(b"\n\n"), "half an event", answer)
    must(kind.startswith("text/event-stream"), f"type {kind}", answer)
    texts = answer.body.decode().removesuffix("\n\n").split("\n\n")
    payloads = [text[6:] for text in texts if text.startswith("data: ")]
    comments = [text for text in texts if text.startswith(":")]
    must(len(payloads) + len(comments) == len(texts), "no event", answer)
    must(bool(payloads), "neither an end nor an error", answer)
    *rest, last = payloads
    found = [json.loads(payload) for payload in rest if payload != "[DONE]"]
    must(len(found) == len(rest), "more than one end", answer)
    must(all("error" not in one for one in found), "events after an error", answer)
    if last == "[DONE]":
        return found, None
    error = json.loads(last).get("error")
    must(isinstance(error, dict), "neither an end nor an error", answer)
    return found, error


def said(found: list[Any]) -> dict[int, str]:
    """The text of each choice of a stream."""
    texts: dict[int, str] = {}
    for event in found:
        for choice in event["choices"]:
            part = choice.get("text") or choice.get("delta", {}).get("content") or ""
            texts[choice["index"]] = texts.get(choice["index"], "") + part
    return texts


def told(answer: Answer) -> str:
    """The text of a message that is streamed, to its end."""
    text, failed = message(answer)
    must(failed is None, "error in a stream", answer)
    return text


def lines(answer: Answer) -> tuple[str, str | None]:
    """The text of a stream of lines, and the error it ended with, if it did.

    The last one says that it is the last, or an error, and no other does.
    """
    must(good(answer).body.endswith(b"\n"), "half a line", answer)
    *rest, last = [json.loads(line) for line in answer.body.splitlines()]
    must(all(not one["done"] for one in rest), "more than one end", answer)
    error = last.get("error")
    must(bool(error) != (last.get("done") is True), "no end, or two", answer)
    return "".join(one["response"] for one in [*rest, last] if "response" in one), error


def message(answer: Answer) -> tuple[str, dict[str, Any] | None]:
    """The text of a message in Anthropic's events, and the error it ended with, if any.

    They are named, in their order and framed; ``message_stop`` or an error is last.
    """
    must(good(answer).body.endswith(b"\n\n"), "half an event", answer)
    texts = answer.body.decode().removesuffix("\n\n").split("\n\n")
    found = [json.loads(text.partition("\ndata: ")[2]) for text in texts]
    names = [text.partition("\n")[0].removeprefix("event: ") for text in texts]
    must(names == [one["type"] for one in found], "wrong names", answer)
    must(names.count("message_start") == (names[0] == "message_start"), "two", answer)
    ends = [name for name in names if name in ("message_stop", "error")]
    must(ends == names[-1:], "no end, or several", answer)
    deltas = [one["delta"] for one in found if one["type"] == "content_block_delta"]
    text = "".join([delta.get("text", "") for delta in deltas])
    return text, found[-1].get("error")
