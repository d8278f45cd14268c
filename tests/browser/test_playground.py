"""The playground: every control of it, in each dialect, with a simulator of Ollama."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.browser import DESKTOP, PHONE, Browser, Size
from support.leaving import eventually, fresh
from support.site import Site

pytestmark = pytest.mark.live

CHATS = ["OpenAI Chat", "Anthropic Messages", "OpenAI Responses", "Ollama chat"]
EVIL = "<img src=x onerror=alert(1)></script><script>alert(1)</script>\"'><b>\u202e"
SLOW = "sim-chunks9000-tps20"
#: Parts that are folded at first.
PARTS = (
    "Add images",
    "Tools",
    "What would be sent to Ollama",
    "Raw events",
    "Headers of the answer",
    "As a command: curl",
    "As a program: Python",
)
#: The smallest picture there is, nearly.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


@pytest.fixture
def page(signed_in: Browser, site: Site) -> Iterator[Browser]:
    """The page, as it opens; Ollama's log is empty."""
    site.ollama.clear()
    signed_in.open("/admin/playground")
    signed_in.until(text="Nothing has been said yet.")
    yield signed_in
    site.ollama.mend()


def begin(browser: Browser, model: str, dialect: str = "") -> None:
    """Choose a model, and a dialect if it is not the first."""
    browser.fill("Model or alias", model)
    if dialect:
        browser.choose("API", dialect)


def done(browser: Browser, word: str = "Done") -> None:
    """Wait for the end of a run."""
    browser.until(fact=lambda: browser.text("#state").startswith(word))


def send(browser: Browser, text: str = "", field: str = "Message") -> None:
    """Send a text, and wait for its answer."""
    if text:
        browser.fill(field, text)
    browser.click("Send")
    done(browser)


def figure(browser: Browser, name: str) -> str:
    """One of the figures of the last run."""
    return browser.text(f'[data-figure="{name}"]')


def opened(browser: Browser, words: str) -> None:
    """Open the part under these words."""
    browser.script(
        "for (const one of document.querySelectorAll('summary'))"
        " if (one.textContent.trim() === arguments[0]) one.parentElement.open = true;",
        words,
    )


def sent(site: Site) -> list[str]:
    """The paths of what models were asked."""
    theirs = ("/api/chat", "/api/generate", "/api/embed")
    return [one["target"] for one in site.ollama.log() if one["target"] in theirs]


def asked(site: Site, path: str = "/api/chat") -> Any:
    """The newest body that Ollama was sent there."""
    found = [one["body"] for one in site.ollama.log() if one["target"] == path]
    return json.loads(found[-1])


def turns(browser: Browser) -> list[str]:
    """What each turn says, without its head."""
    return browser.texts(".turn > .said")


@pytest.mark.parametrize("dialect", CHATS)
def test_a_conversation(page: Browser, site: Site, dialect: str) -> None:
    """Answers stream in, thinking is apart, and the next message has all before it."""
    begin(page, "qwen3", dialect)
    send(page, "Good morning")
    assert "Good morning" in turns(page)[1]
    assert page.texts("[data-role=assistant] .thinking .said")[0].startswith(
        "The user says"
    )
    assert "The user says" not in turns(page)[1]
    assert page.find("#message").get_attribute("value") == ""
    assert figure(page, "status") == "200"
    assert int(figure(page, "output")) > 5
    assert int(figure(page, "input")) > 0
    assert figure(page, "first").endswith("ms")
    assert float(figure(page, "speed")) > 0
    send(page, "And then?")
    said = asked(site)["messages"]
    assert [one["role"] for one in said] == ["user", "assistant", "user"]
    assert said[1]["content"] == turns(page)[1]
    assert len(turns(page)) == 4


@pytest.mark.parametrize("dialect", CHATS)
def test_tools(page: Browser, site: Site, dialect: str) -> None:
    """Calls are shown, their answers can be typed, and the model goes on with them."""
    begin(page, "qwen3", dialect)
    opened(page, "Tools")
    page.click("Put in an example")
    send(page, "What is the weather in Paris?")
    assert '"Paris"' in page.text(".turn pre")
    page.fill("Answer of get_weather", "Rain, 11 degrees")
    page.click("Send the answer")
    page.until(fact=lambda: len(turns(page)) == 4)
    done(page)
    said = asked(site)["messages"]
    assert [one["role"] for one in said] == ["user", "assistant", "tool", "assistant"][
        : len(said)
    ]
    assert said[1]["tool_calls"][0]["function"]["arguments"] == {"city": "Paris"}
    assert said[2]["content"] == "Rain, 11 degrees"
    assert asked(site)["tools"][0]["function"]["name"] == "get_weather"
    assert page.all(".turn button") == []


def test_tools_that_are_none(page: Browser, site: Site) -> None:
    """What is no JSON is said at its field, and nothing is sent."""
    begin(page, "qwen3")
    opened(page, "Tools")
    page.fill("Tools as JSON", "[{")
    page.fill("Message", "Hello")
    page.click("Send")
    page.until(text="This is no JSON")
    assert page.find("#tools").get_attribute("aria-invalid") == "true"
    assert page.find("#message").get_attribute("value") == "Hello"
    assert sent(site) == []


def test_options(page: Browser, site: Site) -> None:
    """What is set on the page is what Ollama is asked."""
    begin(page, "qwen3")
    page.fill("System prompt", "Be brief.")
    page.choose("Thinking", "off")
    for label, value in {
        "Max tokens": "7",
        "Temperature": "0.5",
        "Top p": "0.9",
        "Seed": "42",
        "Stop at": "END, FINIS",
    }.items():
        page.fill(label, value)
    send(page, "Hello")
    body = asked(site)
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert body["think"] is False
    wanted = {"num_predict": 7, "temperature": 0.5, "top_p": 0.9, "seed": 42}
    assert body["options"] == {**wanted, "stop": ["END", "FINIS"]}


@pytest.mark.parametrize("dialect", CHATS[1:])
def test_options_of_other_dialects(page: Browser, site: Site, dialect: str) -> None:
    """So it is in the others, but for what they have no place for, which is said."""
    begin(page, "qwen3", dialect)
    page.fill("System prompt", "Be brief.")
    page.choose("Thinking", "high")
    page.fill("Max tokens", "7")
    page.fill("Temperature", "0.5")
    send(page, "Hello")
    body = asked(site)
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert body["think"] == "high"
    assert body["options"]["num_predict"] == 7
    assert body["options"]["temperature"] == 0.5
    lacking = "This API has no place for: Seed" in page.text()
    assert lacking is (dialect != "Ollama chat")


@pytest.mark.parametrize("dialect", CHATS)
def test_the_form_of_the_answer(page: Browser, site: Site, dialect: str) -> None:
    """A schema is what the answer keeps to."""
    begin(page, "llama3.2", dialect)
    opened(page, "Form of the answer")
    page.click("Put in an example of a schema")
    send(page, "Who are you?")
    assert asked(site)["format"]["required"] == ["name", "age"]
    assert set(json.loads(turns(page)[1])) == {"name", "age"}


def test_a_schema_by_hand(page: Browser, site: Site) -> None:
    """What is typed as a schema is sent; each part opens and closes with a click."""
    begin(page, "llama3.2")
    page.click("Form of the answer")
    page.choose("Form", "JSON that fits a schema")
    page.fill("JSON schema", '{"type": "object", "required": ["town"]}')
    send(page, "Where are you?")
    assert asked(site)["format"]["required"] == ["town"]
    for words in (*PARTS, "Form of the answer"):
        part = page.find("DisclosureTriangle", words).find_element("xpath", "..")
        was = part.get_property("open")
        page.click(words)
        assert part.get_property("open") is not was


@pytest.mark.parametrize("dialect", CHATS)
def test_images(page: Browser, site: Site, tmp_path: Path, dialect: str) -> None:
    """A file is shown, can be taken back, and goes with the message; once."""
    file = tmp_path / "point.png"
    file.write_bytes(PNG)
    begin(page, "llava", dialect)
    opened(page, "Add images")
    page.fill("From files", str(file))
    page.until("#images img")
    page.click("Remove image 1")
    page.until(gone="#images")
    page.fill("From files", str(file))
    page.until("#images img")
    send(page, "What is this?")
    assert len(asked(site)["messages"][-1]["images"]) == 1
    assert len(page.all(".turn img")) == 1
    send(page, "Thank you")
    assert "images" not in asked(site)["messages"][-1]
    assert len(asked(site)["messages"][0]["images"]) == 1


def test_images_from_addresses(page: Browser, site: Site) -> None:
    """An address is sent as it is; what Ollama's own API cannot take is said."""
    begin(page, "llava")
    opened(page, "Add images")
    page.fill("From an address", "https://127.0.0.1:1/a.png")
    page.click("Add the address")
    assert "https://127.0.0.1:1/a.png" in page.text("#images")
    opened(page, "As a command: curl")
    assert '"url": "https://127.0.0.1:1/a.png"' in page.text("#command-curl")
    page.choose("API", "Ollama chat")
    page.fill("Message", "What is this?")
    page.click("Send")
    page.until(text="takes images from files only")
    assert sent(site) == []


def test_stop_and_retry(page: Browser, site: Site) -> None:
    """Stop ends it at Ollama as well; Retry asks the same again; Clear forgets all."""
    begin(page, SLOW)
    page.fill("Message", "Go on and on")
    page.press("Control+Enter")
    page.until(fact=lambda: "word" in page.text("#log"))
    assert site.ollama.open() == 1
    page.click("Stop")
    done(page, "Stopped.")
    assert "Stopped here." in page.text("#log")
    eventually(lambda: not site.ollama.open(), 2)
    page.fill("Model or alias", "llama3.2")
    page.click("Retry")
    done(page)
    assert len(turns(page)) == 2
    assert [one["role"] for one in asked(site)["messages"]] == ["user"]
    page.click("Clear")
    page.until(text="Nothing has been said yet.")
    assert turns(page) == []


def test_who_leaves_stops_it(page: Browser, site: Site) -> None:
    """Nothing goes on for a page that is closed, nor for a mode that was left."""
    begin(page, SLOW)
    page.fill("Message", "Go on")
    page.click("Send")
    page.until(fact=lambda: site.ollama.open() == 1)
    page.click("Embeddings")
    eventually(lambda: not site.ollama.open())
    page.click("Chat")
    page.fill("Message", "Go on")
    page.click("Send")
    page.until(fact=lambda: site.ollama.open() == 1)
    page.open("/admin/live")
    eventually(lambda: not site.ollama.open())


@pytest.mark.parametrize("dialect", ["OpenAI Completions", "Ollama generate"])
def test_completions(page: Browser, site: Site, dialect: str) -> None:
    """A prompt is completed, in both ways to ask."""
    page.click("Completion")
    begin(page, "llama3.2", dialect)
    page.click("Send")
    page.until(text="There is no prompt yet.")
    page.fill("Seed", "3")
    send(page, "Once upon a time", "Prompt")
    assert "Once upon a time" in page.text("#output-text")
    body = asked(site, "/api/generate")
    assert body["prompt"] == "Once upon a time"
    assert body["options"]["seed"] == 3
    assert int(figure(page, "output")) > 0


def test_what_is_cleared_while_it_comes(page: Browser, site: Site) -> None:
    """It ends, and nothing of it is shown any more."""
    page.click("Completion")
    begin(page, SLOW)
    page.fill("Prompt", "Go on")
    page.click("Send")
    page.until(fact=lambda: "word" in page.text("#output-text"))
    page.click("Clear")
    done(page, "Stopped.")
    eventually(lambda: not site.ollama.open(), 2)
    page.until(gone="#output")


@pytest.mark.parametrize(
    "dialect", ["OpenAI Completions", "llama.cpp infill", "Ollama generate"]
)
def test_fill_in_the_middle(page: Browser, site: Site, dialect: str) -> None:
    """What is around a place reaches the model, and something comes to fill it."""
    page.click("Fill in the middle")
    begin(page, "qwen2.5-coder", dialect)
    page.fill("Before the place", "def add(a, b):\n    return ")
    page.fill("After it", "\n\nprint(add(1, 2))")
    send(page)
    assert page.text("#output-text").strip()
    body = asked(site, "/api/generate")
    assert "def add(a, b):" in body["prompt"]
    assert "print(add(1, 2))" in body["prompt"] + (body.get("suffix") or "")


def test_embeddings(page: Browser, site: Site) -> None:
    """Dimensions, numbers and how near two texts are."""
    page.click("Embeddings")
    begin(page, "all-minilm")
    send(page, "A cat", "Text")
    assert "Dimensions\n384" in page.text("#vectors-facts")
    assert "Cosine" not in page.text("#vectors-facts")
    page.fill("Compared with", "A cat")
    send(page)
    assert "Cosine of both\n1.0000" in page.text("#vectors-facts")
    page.fill("Compared with", "Quantum chromodynamics")
    page.fill("Dimensions", "16")
    send(page)
    assert "Dimensions\n16" in page.text("#vectors-facts")
    assert "Cosine of both\n1.0000" not in page.text("#vectors-facts")
    assert asked(site, "/api/embed")["dimensions"] == 16
    assert not page.find("#think").is_displayed()


def test_as_a_key(page: Browser, site: Site) -> None:
    """The key's rights count and its usage has the try; a revoked one is refused."""
    name = fresh("key")
    made = site.admin.do("POST", "keys", {"name": name, "allow_models": ["qwen*"]})
    page.open(f"/admin/playground?key={name}&model=llama3.2")
    page.fill("Message", "Hello")
    page.click("Send")
    done(page, "That did not work.")
    page.until(text="404 model_not_found: The model `llama3.2` does not exist")
    assert figure(page, "status") == "404"
    page.fill("Model or alias", "qwen3")
    page.click("Retry")
    done(page)

    def rows() -> Any:
        return site.admin.do("GET", f"usage/records?key={made['id']}")["records"]

    (good, bad) = eventually(lambda: len(rows()) == 2 and rows(), 10)
    assert (good["status"], bad["status"]) == ("ok", "client_error")
    site.admin.do("POST", f"keys/{made['id']}/revoke")
    page.fill("Message", "Again")
    page.click("Send")
    page.until(text="401 invalid_api_key: This API key has been revoked.")
    page.forgive("401")
    page.forgive("404")
    page.open("/admin/playground")
    page.until(fact=lambda: f"{name} (revoked)" in page.texts("#key option"))


def test_what_would_be_sent(page: Browser, site: Site) -> None:
    """It is what Ollama would be asked with the key's overrides; nothing is sent."""
    terms = {"allow_models": ["*"], "overrides": {"top_k": 17}}
    key = site.admin.do("POST", "keys", {"name": fresh("cold"), **terms})["name"]
    page.open("/admin/playground")
    begin(page, "llama3.2")
    page.choose("In the name of", key)
    page.fill("Message", "Hello there")
    opened(page, "What would be sent to Ollama")
    page.click("Show it")
    page.until("#explanation")
    found = json.loads(page.text("#explanation"))
    assert found["endpoint"] == "/api/chat"
    assert found["requests"][0]["options"]["top_k"] == 17
    assert found["requests"][0]["messages"][0]["content"] == "Hello there"
    page.click("Copy what would be sent")
    page.until(fact=lambda: page.clipboard() == page.text("#explanation"))
    page.choose("API", "Ollama chat")
    page.click("Show it")
    page.until(text="and_what_is_set")
    plain = json.loads(page.text("#explanation"))
    assert plain["requests"][0]["messages"][0]["content"] == "Hello there"
    assert ["top_k", 17] in [
        [one["name"], one["value"]] for one in plain["and_what_is_set"]
    ]
    assert sent(site) == []


def test_events_and_headers(page: Browser) -> None:
    """What came is there as it came, with times, and the headers that matter."""
    begin(page, "llama3.2")
    send(page, "Hello")
    opened(page, "Raw events")
    opened(page, "Headers of the answer")
    events = page.text("#events")
    assert 's  data: {"id":"chatcmpl-' in events
    assert events.rstrip().endswith("data: [DONE]")
    assert page.text("#events-note").startswith(f"{events.count(' s  data: ')} in all")
    headers = page.text("#headers")
    assert "x-request-id\nreq_" in headers
    assert "content-type\ntext/event-stream" in headers


def test_ignored_fields_are_named(page: Browser) -> None:
    """Pannier's own headers say what had no effect."""
    begin(page, "llama3.2")
    page.choose("Thinking", "high")
    send(page, "Hello")
    opened(page, "Headers of the answer")
    assert "x-pannier-ignored\nreasoning_effort" in page.text("#headers")


def test_commands(page: Browser, site: Site) -> None:
    """The command is the same request: a shell that runs it has an answer."""
    begin(page, "llama3.2")
    page.fill("Message", 'It\'s $HOME, "quoted" `x` \\n\nand more')
    opened(page, "As a command: curl")
    opened(page, "As a program: Python")
    curl, python = page.text("#command-curl"), page.text("#command-python")
    assert f"{site.url}/v1/chat/completions" in curl
    secret = site.admin.do(
        "POST", "keys", {"name": fresh("curl"), "allow_models": ["*"]}
    )["key"]
    curl = curl.replace("YOUR_KEY", secret).replace("curl -N", "curl -sN")

    def ran() -> bool:  # a key is known everywhere within a second
        made = subprocess.run(["bash", "-c", curl], capture_output=True, timeout=30)
        return made.stdout.endswith(b"data: [DONE]\n\n")

    eventually(ran)
    assert asked(site)["messages"][0]["content"] == page.find("#message").get_attribute(
        "value"
    )
    tree = compile(python, "program", "exec")
    assert tree.co_names[0] == "requests"
    page.click("Copy for curl")
    page.until(fact=lambda: "Copied" in page.texts(".copied button"))
    page.click("Copy for python")
    page.until(fact=lambda: page.clipboard() == python)


def test_the_address_has_what_is_chosen(page: Browser) -> None:
    """Mode, model, key and dialect can be kept, and opened again."""
    page.click("Fill in the middle")
    begin(page, "qwen2.5-coder", "llama.cpp infill")
    page.press("Tab")
    address = page.script("return location.search")
    assert address == "?mode=code&dialect=llamacpp&model=qwen2.5-coder"
    page.open(f"/admin/playground{address}")
    assert page.find("tab", "Fill in the middle").get_attribute("aria-selected")
    assert page.find("#before").is_displayed()
    assert page.find("#dialect").get_attribute("value") == "llamacpp"
    page.open("/admin/playground?mode=nothing&dialect=nothing&key=nobody")
    assert page.find("#message").is_displayed()
    page.click("Chat")
    page.press("Right")
    assert page.focused == "Completion"
    assert page.find("#prompt").is_displayed()


def test_a_model_is_there_from_the_start(page: Browser, site: Site) -> None:
    """Whoever only writes a message gets an answer, of the first model that chats."""
    page.open("/admin/playground")
    send(page, "Hello")
    (asked,) = sent(site)
    assert asked == "/api/chat"


def test_nothing_chosen(page: Browser, site: Site) -> None:
    """What is missing is said where it is missing."""
    page.click("Send")
    page.until(text="Write a message first.")
    page.fill("Message", "Hello")
    page.fill("Model or alias", "")
    page.click("Send")
    page.until(text="Which model is it to be?")
    assert page.focused == "Model or alias"
    assert sent(site) == []


@pytest.mark.parametrize("dialect", CHATS)
def test_what_breaks_off(page: Browser, dialect: str) -> None:
    """An answer that ends before its end says so; what had come stays."""
    begin(page, "fault-cut-3", dialect)
    page.fill("Message", "Hello")
    page.click("Send")
    done(page, "That did not work.")
    assert "failed" in figure(page, "status")
    page.until(text="Broken off here.")
    assert turns(page)[-1]
    assert page.text("p.problem[role=alert]")


@pytest.mark.parametrize("dialect", CHATS)
def test_what_fails(page: Browser, dialect: str) -> None:
    """An error of Ollama's is told with its status, in whatever dialect."""
    begin(page, "fault-out-of-memory", dialect)
    page.fill("Message", "Hello")
    page.click("Send")
    done(page, "That did not work.")
    assert figure(page, "status") in ("500", "503")
    told = page.text("p.problem[role=alert]")
    assert told.startswith(figure(page, "status"))
    assert (" api_error: " in told) is (dialect == "Anthropic Messages")
    page.forgive(f"status of {figure(page, 'status')}")


def test_hostile_texts(page: Browser, site: Site) -> None:
    """Names and answers are shown as they are, and do nothing."""
    made = {"allow_models": ["*"], "notes": "x"}
    name = EVIL.strip("\u202e")[:80]  # names have nothing that cannot be seen
    site.admin.do("POST", "keys", {"name": name, **made})
    page.open("/admin/playground")
    begin(page, "llama3.2")
    page.choose("In the name of", name)
    send(page, EVIL + " <i>x</i> " + "y" * 10_000)
    assert "<i>x</i>" in turns(page)[1]
    assert page.all(".turn i, .turn img, .turn script") == []
    opened(page, "Raw events")
    assert page.all("#events *") == []
    assert page.overflow() == []
    page.fill("Model or alias", EVIL)
    page.click("Retry")
    done(page, "That did not work.")
    page.forgive("404")
    assert page.overflow() == []


def test_long_answers(page: Browser) -> None:
    """Thousands of pieces are few elements, and of events only the newest are kept."""
    begin(page, "sim-chunks6000")
    send(page, "Tell me everything")
    assert turns(page)[1].count("word") > 1000
    assert len(page.all(".turn *")) < 300
    assert page.script(
        "return document.querySelector('#events').childNodes.length"
    ) == (1000)
    assert "are not kept" in page.script(
        "return document.querySelector('#events-note').textContent"
    )


def test_who_is_signed_out(page: Browser) -> None:
    """Where the session has ended that is said, and nothing typed is lost."""
    begin(page, "llama3.2")
    page.driver.delete_all_cookies()
    page.fill("Message", "Hello")
    page.click("Send")
    page.until(text="Sign in in another tab, then do this again")
    page.until(text="Hello")
    page.forgive("401")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_everybody_can_use_it(page: Browser, size: Size, dark: bool) -> None:
    """On each kind of screen nothing sticks out, and nobody is shut out."""
    page.emulate(size, dark=dark)
    page.open("/admin/playground")
    begin(page, "qwen3")
    for words in ("Tools", "Form of the answer", "Add images"):
        opened(page, words)
    page.click("Put in an example")
    send(page, "What is the weather in Paris?")
    for words in ("Raw events", "Headers of the answer", "As a command: curl"):
        opened(page, words)
    assert page.audit() == []
    assert page.overflow() == []
    for mode in ("Completion", "Fill in the middle", "Embeddings"):
        page.click(mode)
        assert page.audit() == []
        assert page.overflow() == []


def test_it_is_light(page: Browser) -> None:
    """A first visit loads little."""
    assert page.weigh("/admin/playground").decoded < 200_000
