"""Pages of models: their list, one of them, what is set, pulled, loaded and sent."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from support.browser import DESKTOP, PHONE, Browser, Size
from support.handling import part
from support.leaving import eventually
from support.raw import ask
from support.site import Site

pytestmark = pytest.mark.live

HOSTILE = (
    "<img/src=x/onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "\"'><b>hf.co/../..//a=b#c%2F&d",
    "\u05d0\u05d1" * 100,
)
CHOICES = "[...document.querySelectorAll(arguments[0])].map(one => one.value)"


@pytest.fixture
def hostile(site: Site) -> Iterator[tuple[str, ...]]:
    """Models that others have named, with all that can be in what is set for them."""
    text = f"{HOSTILE[0]} {HOSTILE[1]}" * 20
    entries = [
        {
            "name": name,
            "description": text,
            "overrides": {"system": text * 7, "stop": [name], "x": name},
            "code": {"template": "<b>{code_prefix}</b>"},
        }
        for name in HOSTILE
    ]
    document = {"format": "pannier-export", "version": 1, "models": entries}
    site.admin.do("POST", "import", document)
    yield HOSTILE
    for name in HOSTILE:
        site.admin.ask("DELETE", f"models/{part(name)}")


def of(site: Site, name: str) -> Any:
    """What the API says of a model."""
    return site.admin.do("GET", f"models/{name}")


def json_text(browser: Browser) -> Any:
    """What the editor's JSON is."""
    return json.loads(browser.find("textarea[name=overrides]").get_property("value"))


def write(browser: Browser, text: str) -> None:
    """Put a text into the JSON of the editor, as if it was pasted."""
    browser.fill("Parameters as JSON", " ")
    field = browser.find("textarea[name=overrides]")
    source = """arguments[0].value = arguments[1];
      arguments[0].dispatchEvent(new Event("input", {bubbles: true}))"""
    browser.script(source, field, text)


def add(browser: Browser, name: str) -> None:
    """Add a parameter to the form."""
    browser.fill("Add a parameter", name)
    browser.click("Add")
    browser.until(f'.rule[data-name="{name}"]')


def save(browser: Browser) -> None:
    """Save what is in the form, which is fine."""
    browser.click("Save")
    browser.until(text="Saved.")
    browser.click("Close", within="#toasts")


# ------------------------------------------------------------------ the list


def test_the_list(signed_in: Browser, site: Site) -> None:
    """It says what each can, how large it is, by which names it is known."""
    site.admin.do("POST", "aliases", {"name": "gpt-list", "target": "qwen3"})
    signed_in.open("/admin/models")
    row = signed_in.row("qwen3:latest").text
    assert "gpt-list" in row
    for said in ("qwen3 · 8.2B · Q4_K_M", "thinking", "tools", "4.6 GiB", "40,960"):
        assert said in row
    signed_in.click("qwen3:latest")
    signed_in.until(path="/admin/models/qwen3%3Alatest", text="What will be sent")
    signed_in.click("gpt-list", within="#aliases")
    signed_in.until("#drawer-body #panel", text="gpt-list")
    site.admin.do("DELETE", "aliases/gpt-list")


def test_what_was_used(signed_in: Browser, site: Site) -> None:
    """Requests of the week, how fast they were, and when the last was."""
    body = {"model": "gemma3", "messages": [{"role": "user", "content": "Hello"}]}
    key = site.admin.do("POST", "keys", {"name": "uses", "allow_models": ["*"]})
    headers = {"Authorization": f"Bearer {key['key']}"}
    path = "/v1/chat/completions"
    asking = partial(ask, site.server.port, "POST", path, body)
    # What comes before a worker knows of keys is not noted.
    eventually(lambda: all(asking({}).status == 401 for _ in range(8)))
    assert asking(headers).status == 200
    site.admin.do("DELETE", f"keys/{key['id']}")

    def told() -> bool:
        signed_in.open("/admin/models?q=gemma3")
        return "this hour" in signed_in.text("#list tbody tr")

    signed_in.until(fact=told)
    signed_in.open("/admin/models/gemma3")
    said = signed_in.text("section[aria-label='Used in 7 days']")
    assert "Requests\n1" in said
    assert "tok/s" in said


def test_search(signed_in: Browser) -> None:
    """What is typed narrows the list, and stands in the address; focus stays."""
    signed_in.open("/admin/models")
    signed_in.fill("Search by name", "LLAVA")
    signed_in.until("#list", path="/admin/models?q=LLAVA", gone="#enabled-2")
    assert signed_in.texts("#list tbody th a") == ["llava:latest"]
    assert signed_in.focused == "Search by name"
    signed_in.fill("Search by name", "no such")
    signed_in.until(text="No model has “no such” in its name.")
    signed_in.click("Show all")
    signed_in.until("#enabled-2")


def test_pages(signed_in: Browser, site: Site) -> None:
    """More than a page has leads to the next, which keeps the search."""
    many = [{"name": f"many-{number:03}"} for number in range(101)]
    document = {"format": "pannier-export", "version": 1, "models": many}
    site.admin.do("POST", "import", document)
    signed_in.open("/admin/models?q=many-")
    assert len(signed_in.texts("#list tbody tr")) == 100
    signed_in.click("More")
    signed_in.until("#q", text="many-100")
    assert len(signed_in.texts("#list tbody tr")) == 1
    site.admin.do("POST", "import?mode=replace", {**document, "models": []})


def test_switches(signed_in: Browser, site: Site) -> None:
    """A model is disabled and hidden in the list, at once, and back again."""
    signed_in.open("/admin/models?q=llava")
    signed_in.check("llava:latest is enabled", False)
    signed_in.until("#list .badge[data-tone=bad]", text="disabled")
    assert of(site, "llava")["enabled"] is False
    signed_in.check("llava:latest is hidden")
    signed_in.until(text="hidden")
    assert of(site, "llava")["hidden"] is True
    signed_in.check("llava:latest is enabled")
    signed_in.until(gone="#list .badge[data-tone=bad]")
    assert of(site, "llava")["enabled"] is True
    site.admin.do("DELETE", "models/llava")


def test_refresh(signed_in: Browser, site: Site) -> None:
    """Ollama is asked again, and what it has got meanwhile is there."""
    signed_in.open("/admin/models?q=come-lately")
    signed_in.until(text="No model has “come-lately” in its name.")
    given = {"source": "tiny", "destination": "come-lately"}
    assert site.ollama.ask("POST", "/api/copy", given)[0] == 200
    signed_in.click("Refresh")
    signed_in.until("#enabled-1", text="Ollama was asked again.")
    site.admin.do("POST", "models/come-lately/remove")


# ------------------------------------------------------- pulling and deleting


def test_pull_and_delete(signed_in: Browser, site: Site) -> None:
    """Bars fill while it comes; it is deleted only after its name and size."""
    signed_in.open("/admin/models?q=mistral")
    signed_in.click("Pull a model")
    assert signed_in.focused == "Name of the model"
    signed_in.fill("Name of the model", "mistral:7b")
    signed_in.click("Pull")
    signed_in.until("#pull-parts progress")
    signed_in.until(text="mistral:7b is there.")
    bars = signed_in.script(
        "return [...document.querySelectorAll('progress')].map(b => [b.value, b.max])"
    )
    assert bars
    assert all(value == most for value, most in bars)
    signed_in.until("#enabled-1")
    signed_in.click("mistral:7b", within="#list")
    signed_in.click("Delete from Ollama")
    assert "Delete “mistral:7b” (" in signed_in.text("dialog.ask")
    assert "GiB) from Ollama" in signed_in.text("dialog.ask")
    signed_in.click("Cancel", within="dialog.ask")
    assert of(site, "mistral:7b")["available"] is True
    signed_in.click("Delete from Ollama")
    signed_in.click("Delete", within="dialog.ask")
    signed_in.until(path="/admin/models")
    assert site.admin.ask("GET", "models/mistral:7b").status == 404


def test_a_pull_is_cancelled(signed_in: Browser, site: Site) -> None:
    """Cancel ends it at Ollama as well; leaving asks first."""
    site.ollama.clear()
    signed_in.open("/admin/models")
    signed_in.click("Pull a model")
    signed_in.fill("Name of the model", "sim-load60")
    signed_in.click("Pull")
    signed_in.until("#pull-parts progress")
    ask = "return dispatchEvent(new Event('beforeunload', {cancelable: true}))"
    assert signed_in.script(ask) is False
    signed_in.click("Cancel", within="#pull")
    signed_in.until(text="Cancelled.")
    site.ollama.wait(path="/api/pull", outcome="client-left")
    assert signed_in.script(ask) is True
    signed_in.until(gone="#pull-stop")


def test_a_pull_fails(signed_in: Browser) -> None:
    """What Ollama says is said, also before it begins."""
    signed_in.open("/admin/models")
    signed_in.click("Pull a model")
    signed_in.fill("Name of the model", "nope")
    signed_in.check("Allow a registry without TLS")
    signed_in.click("Pull")
    signed_in.until("#pull .problem", text="file does not exist")
    signed_in.fill("Name of the model", "a b")
    signed_in.click("Pull")
    signed_in.until("#pull .problem", text="invalid model name")
    signed_in.forgive("status of 400")


def test_a_pull_breaks_off(signed_in: Browser) -> None:
    """What ends before it says that all is there is no success."""
    signed_in.open("/admin/models")
    signed_in.script("""
const real = window.fetch;
window.fetch = async (url, ...more) =>
  url.endsWith("/models/pull")
    ? new Response('data: {"status": "pulling manifest"}\\n\\n')
    : real(url, ...more);
""")
    signed_in.click("Pull a model")
    signed_in.fill("Name of the model", "mistral")
    signed_in.click("Pull")
    signed_in.until("#pull .problem", text="ended before it was complete")


# ------------------------------------------------------- memory, and a trial


def test_load_and_unload(signed_in: Browser, site: Site) -> None:
    """A model is loaded for as long as is said, is seen in memory, and leaves it."""
    site.admin.do("PATCH", "models/qwen3:32b", {"overrides": {"num_ctx": 2345}})
    signed_in.open("/admin/models/qwen3:32b")
    signed_in.until(text="It is not in memory.")
    signed_in.fill("Keep in memory for", "soon")
    signed_in.click("Load")
    signed_in.until("#keep[aria-invalid=true]", text="a duration such as 5m")
    signed_in.forgive("status of 422")
    signed_in.fill("Keep in memory for", "2h")
    signed_in.click("Load")
    signed_in.until(text="with a context of 2,345 tokens")
    signed_in.until("#loaded meter", text="in 2 hours")
    signed_in.until(fact=lambda: "in memory" in signed_in.text("#state"))
    signed_in.open("/admin/models")
    signed_in.until("#loaded meter")
    signed_in.click("Unload qwen3:32b")
    signed_in.until(fact=lambda: "qwen3:32b" not in signed_in.text("#loaded"))
    site.admin.do("DELETE", "models/qwen3:32b")


def test_a_trial(signed_in: Browser, site: Site) -> None:
    """A model says something, one that embeds says how long its vectors are."""
    signed_in.open("/admin/models/tiny")
    signed_in.click("Test")
    signed_in.until("#deed", text="It answers: “")
    assert "First token after" in signed_in.text("#deed")
    signed_in.open("/admin/models/all-minilm")
    signed_in.click("Test")
    signed_in.until("#deed", text="a vector of 384 numbers")
    site.ollama.fault("/api/embed", "out-of-memory")
    signed_in.click("Test")
    signed_in.until("#deed[data-tone=bad]", text="memory")
    site.ollama.mend()
    signed_in.forgive("the server responded with a status of 5")


def test_ollama_is_down(signed_in: Browser, site: Site) -> None:
    """The pages stand all the same, and say that it does not answer."""
    for route in ("/api/ps", "/api/version"):
        site.ollama.fault(route, "out-of-memory")
    signed_in.open("/admin/models")
    signed_in.until("#loaded .problem", text="Ollama does not answer at")
    site.ollama.mend()


# ------------------------------------------------------------- what is set


def test_each_kind_of_parameter(signed_in: Browser, site: Site) -> None:
    """The form knows how each is given, and sends it as the API wants it."""
    signed_in.open("/admin/models/tiny-rand")
    signed_in.until(text="Nothing is set.")
    for name, text in (
        ("temperature", "0.25"),
        ("num_ctx", "8192"),
        ("system", "Be brief.\nAlways."),
        ("stop", "\\n\\n\nEND"),
        ("keep_alive", "30m"),
        ("request_timeout", "5000"),
        ("format", '{"type": "object"}'),
        ("brand_new", "[1, 2]"),
    ):
        add(signed_in, name)
        signed_in.fill(name, text)
    signed_in.choose("num_ctx counts", "at most")
    signed_in.choose("temperature counts", "always")
    signed_in.choose("system counts", "before that of the request")
    for name, option in (("think", "high"), ("truncate", "false")):
        add(signed_in, name)
        signed_in.choose(name, option)
    add(signed_in, "seed")
    signed_in.choose("seed counts", "never sent")
    signed_in.fill("Add a parameter", "keepAlive")  # another spelling of one
    signed_in.press("Enter")
    assert signed_in.focused == "keep_alive"
    signed_in.fill("Description", "one that rambles")
    save(signed_in)
    set_there = of(site, "tiny-rand")
    assert set_there["overrides"] == {
        "temperature": {"value": 0.25, "mode": "force"},
        "num_ctx": {"value": 8192, "mode": "max"},
        "system": {"value": "Be brief.\nAlways.", "mode": "prepend"},
        "stop": ["\n\n", "END"],
        "keep_alive": "30m",
        "request_timeout": 5000,
        "format": {"type": "object"},
        "brand_new": [1, 2],
        "think": "high",
        "truncate": False,
        "seed": {"mode": "remove"},
    }
    assert set_there["description"] == "one that rambles"
    signed_in.open("/admin/models/tiny-rand")
    assert json_text(signed_in) == set_there["overrides"]
    shown = {n: signed_in.find(f"[name='overrides.{n}']") for n in ("stop", "think")}
    assert shown["stop"].get_property("value") == "\\n\\n\nEND"
    assert shown["think"].get_property("value") == '"high"'
    signed_in.click("Remove brand_new")
    save(signed_in)
    assert "brand_new" not in of(site, "tiny-rand")["overrides"]
    site.admin.do("DELETE", "models/tiny-rand")


def test_saving_again(signed_in: Browser, site: Site) -> None:
    """What was saved can be taken back without opening the page again."""
    signed_in.open("/admin/models/tiny-soft")
    signed_in.check("Enabled", False)
    signed_in.check("Hidden: it can be called, and is in no list")
    signed_in.fill("Description", "first")
    save(signed_in)
    signed_in.until(fact=lambda: "disabled" in signed_in.text("#state"))
    signed_in.check("Enabled")
    signed_in.fill("Description", "")
    save(signed_in)
    found = of(site, "tiny-soft")
    assert (found["enabled"], found["hidden"], found["description"]) == (True, True, "")
    site.admin.do("DELETE", "models/tiny-soft")


def test_somebody_else_was_quicker(signed_in: Browser, site: Site) -> None:
    """What another has changed meanwhile is not overwritten."""
    signed_in.open("/admin/models/tiny-sys")
    site.admin.do("PATCH", "models/tiny-sys", {"description": "of another"})
    signed_in.fill("Description", "mine")
    signed_in.click("Save")
    signed_in.until("#set .problem", text="Somebody has changed this meanwhile")
    signed_in.forgive("status of 412")
    assert of(site, "tiny-sys")["description"] == "of another"
    site.admin.do("DELETE", "models/tiny-sys")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("temperature", "hot", "A number is wanted."),
        ("temperature", "3", "2 or less is wanted."),
        ("top_k", "1.5", "A whole number is wanted."),
        ("seed", "9007199254740993", "No browser can count that far"),
        ("num_ctx", "", "A value is wanted; or remove it."),
        ("format", "xml", "json, or a JSON schema, is wanted."),
        ("request_timeout", "-1", "0 or more is wanted."),
    ],
)
def test_what_is_wrong_is_said_where_it_is(
    signed_in: Browser, site: Site, name: str, text: str, said: str
) -> None:
    """The field says it while it is typed, and has the focus when it is sent."""
    signed_in.open("/admin/models/tiny")
    add(signed_in, name)
    signed_in.fill(name, text)
    signed_in.until(f'.rule[data-name="{name}"]', text=said)
    signed_in.click("Save")
    signed_in.until(f"[name='overrides.{name}'][aria-invalid=true]")
    assert signed_in.focused == name
    assert of(site, "tiny")["is_set"] is False


def test_what_pannier_refuses_is_said_where_it_is(signed_in: Browser) -> None:
    """So is what only the API knows: at the field of the form, and at the JSON."""
    signed_in.open("/admin/models/tiny")
    add(signed_in, "keep_alive")
    signed_in.fill("keep_alive", "soon")
    signed_in.click("Save")
    signed_in.until("[name='overrides.keep_alive'][aria-invalid=true]")
    assert "a duration such as 5m" in signed_in.text('.rule[data-name="keep_alive"]')
    signed_in.click("JSON")
    signed_in.until(gone=".wrong")
    signed_in.click("Save")
    signed_in.until("textarea[name=overrides][aria-invalid=true]")
    assert "overrides.keep_alive" in signed_in.text("[data-json]")
    signed_in.forgive("status of 422")


def test_two_views_of_one_value(signed_in: Browser, site: Site) -> None:
    """Switching keeps what was typed, right or wrong; JSON that is none stays."""
    signed_in.open("/admin/models/tiny-tools")
    add(signed_in, "temperature")
    signed_in.fill("temperature", "hot")
    signed_in.click("JSON")
    assert json_text(signed_in) == {"temperature": "hot"}
    write(signed_in, '{"temperature": 0.5, "top_k"')
    signed_in.click("Form")
    signed_in.until(text="This is no JSON")
    assert signed_in.find("textarea[name=overrides]").is_displayed()
    signed_in.click("Save")
    signed_in.until("textarea[name=overrides][aria-invalid=true]")
    write(signed_in, "[1]")
    signed_in.click("Form")
    signed_in.until(text="An object of parameters by name is wanted.")
    write(signed_in, '{"temperature": 0.5, "top_k": {"value": 7, "mode": "force"}}')
    signed_in.fill("Add a parameter", "min_p")
    signed_in.click("Add")
    assert json_text(signed_in)["min_p"] is None
    signed_in.click("Form")
    signed_in.until(gone="textarea[name=overrides]")
    assert signed_in.find("[name='overrides.top_k']").get_property("value") == "7"
    signed_in.fill("min_p", "0.1")
    save(signed_in)
    assert of(site, "tiny-tools")["overrides"] == {
        "temperature": 0.5,
        "top_k": {"value": 7, "mode": "force"},
        "min_p": 0.1,
    }
    signed_in.click("JSON")
    write(signed_in, "")
    save(signed_in)
    assert of(site, "tiny-tools")["overrides"] == {}
    site.admin.do("DELETE", "models/tiny-tools")


def test_names_are_completed(signed_in: Browser) -> None:
    """A name that is begun in JSON is offered, and finished by a click."""
    signed_in.open("/admin/models/tiny")
    signed_in.click("JSON")
    signed_in.fill("Parameters as JSON", '{"temp')
    signed_in.click("temperature", within="[data-names]")
    signed_in.press("1", "}")
    assert json_text(signed_in) == {"temperature": 1}
    signed_in.fill("Add a parameter", "num_ctx")
    signed_in.click("Add")
    signed_in.click("Form")
    offered = signed_in.script(f"return {CHOICES}", "#overrides-names option")
    assert "top_p" in offered
    assert "temperature" not in offered


def test_overrides_of_ollama2openai(signed_in: Browser, site: Site) -> None:
    """Its file is known by its form, shown with what it would do, then taken over."""
    site.admin.do("PATCH", "models/gpt-oss:20b", {"overrides": {"seed": 1}})
    pasted = {
        "gpt-oss:20b": {"temperature": 1},
        "gpt-oss:120b": {"num_ctx": 4096, "requestTimeout": 99, "messages": []},
        HOSTILE[0]: {"top_k": 5},
    }
    signed_in.open("/admin/models/tiny")
    signed_in.click("JSON")
    write(signed_in, json.dumps(pasted))
    signed_in.until("[data-reference]", text="parameters of 3 models")
    signed_in.click("Save")
    signed_in.until(text="These are parameters of several models")
    signed_in.click("Show what it would do")
    signed_in.until(text="What happens")
    assert "stays" in signed_in.row("gpt-oss:20b").text
    assert "they are set" in signed_in.row("gpt-oss:120b").text
    assert "they are set" in signed_in.row(HOSTILE[0]).text
    assert "'messages' is not taken over" in signed_in.text("[data-reference]")
    assert of(site, "gpt-oss:120b")["is_set"] is False
    assert signed_in.audit() == []
    signed_in.click("Take them over")
    signed_in.until(text="Taken over: parameters of 2 models.", gone="[data-reference]")
    found = of(site, "gpt-oss:120b")["overrides"]
    assert found == {"num_ctx": 4096, "requestTimeout": 99}
    assert of(site, "gpt-oss:20b")["overrides"] == {"seed": 1}
    assert of(site, "tiny")["is_set"] is False
    for name in pasted:
        site.admin.do("DELETE", f"models/{part(name)}")


def test_overrides_of_ollama2openai_that_are_wrong(signed_in: Browser) -> None:
    """What is wrong in it is said with its place, and nothing can be taken over."""
    signed_in.open("/admin/overrides")
    signed_in.click("JSON")
    write(signed_in, '{"tiny": {"temperature": "hot"}}')
    signed_in.click("Show what it would do")
    signed_in.until("[data-reference] .problem", text="temperature")
    signed_in.forgive("status of 422")
    write(signed_in, '{"format": {"type": "object"}, "top_k": 1}')
    signed_in.until(gone="[data-reference]")


def test_parameters_for_all(signed_in: Browser, site: Site) -> None:
    """They are set on a page of their own, and each model's preview leads there."""
    signed_in.open("/admin/models")
    signed_in.click("Parameters for all")
    add(signed_in, "top_k")
    signed_in.fill("top_k", "41")
    save(signed_in)
    assert site.admin.do("GET", "settings")["overrides"] == {"top_k": 41}
    signed_in.open("/admin/models/tiny")
    assert "41" in signed_in.row("top_k").text
    signed_in.click("for all models")
    signed_in.click("Remove top_k")
    save(signed_in)
    assert site.admin.do("GET", "settings")["overrides"] == {}


def test_code(signed_in: Browser, site: Site) -> None:
    """How it completes code is set as a whole; a template is shown filled in."""
    signed_in.open("/admin/models/qwen2.5-coder")
    signed_in.click("How it completes code")
    signed_in.choose("It is asked", "by a template (raw)")
    signed_in.choose("Prompts on /api/generate", "are always code")
    signed_in.fill("Template", "{nonsense}")
    signed_in.click("Save")
    signed_in.until("#code-template[aria-invalid=true]", text="nonsense")
    signed_in.forgive("status of 422")
    template = "{<fim>}{code_prefix}{{}}{code_suffix}{<end>}"
    signed_in.fill("Template", template)
    signed_in.until("[data-template-shown]", text="<fim>def add(a, b):")
    assert "return {}" in signed_in.text("[data-template-shown]")
    save(signed_in)
    code = {"strategy": "raw", "mode": "always", "template": template}
    assert of(site, "qwen2.5-coder")["code"] == code
    signed_in.choose("Prompts on /api/generate", "as its family says")
    save(signed_in)
    del code["mode"]
    assert of(site, "qwen2.5-coder")["code"] == code
    signed_in.until(fact=lambda: '"raw"' in signed_in.text("#sent"))
    site.admin.do("DELETE", "models/qwen2.5-coder")


def test_what_will_be_sent(signed_in: Browser, site: Site) -> None:
    """Each value has its origin, as a key would get it and by an alias."""
    do = site.admin.do
    terms = {"allow_models": ["*"], "max_output_tokens": 77}
    key = do("POST", "keys", {"name": "capped", **terms})
    made = {"name": "by/this:name", "target": "llama3.1:8b", "overrides": {"top_k": 3}}
    do("POST", "aliases", made)
    do("PATCH", "models/llama3.1:8b", {"overrides": {"seed": 5}})
    signed_in.open("/admin/models/llama3.1:8b")
    assert "this model" in signed_in.row("seed").text
    signed_in.fill("By the key", "capped")
    signed_in.press("Tab")
    signed_in.until(fact=lambda: "num_predict" in signed_in.text("#sent"))
    row = signed_in.row("num_predict").text
    assert "77" in row
    assert "at most" in row
    assert "the key capped" in row
    signed_in.choose("Under the name", "by/this:name")
    signed_in.until(fact=lambda: "top_k" in signed_in.text("#sent"))
    assert "key=capped" in signed_in.path
    assert signed_in.audit() == []
    signed_in.fill("By the key", "nobody")
    signed_in.click("Show")
    signed_in.until("#sent .problem", text="nobody")
    signed_in.open("/admin/models/llama3.1:8b?alias=by/this:name")
    signed_in.click("the alias by/this:name")
    signed_in.until("h1", text="Alias by/this:name")
    do("DELETE", f"keys/{key['id']}")
    do("DELETE", "aliases/by/this:name")
    do("DELETE", "models/llama3.1:8b")


def test_forget(signed_in: Browser, site: Site) -> None:
    """What is set is forgotten after a question that names the model."""
    site.admin.do("PATCH", "models/tiny-agent", {"hidden": True})
    signed_in.open("/admin/models/tiny-agent")
    signed_in.click("Forget what is set")
    assert "“tiny-agent:latest”" in signed_in.text("dialog.ask")
    signed_in.click("Forget", within="dialog.ask")
    signed_in.until(fact=lambda: "hidden" not in signed_in.text("#state"))
    assert of(site, "tiny-agent")["is_set"] is False
    signed_in.until("button[data-confirm]:disabled")


def test_an_alias_is_made_beside(signed_in: Browser, site: Site) -> None:
    """The drawer opens over the model, with its name filled in."""
    signed_in.open("/admin/models/tiny-embed")
    signed_in.click("add one")
    signed_in.fill("Name", "beside", within="#drawer")
    signed_in.click("Make the alias")
    signed_in.until(gone="#drawer[open]")
    signed_in.until(fact=lambda: "beside" in signed_in.text("#aliases"))
    assert of(site, "tiny-embed")["aliases"] == ["beside"]
    site.admin.do("DELETE", "aliases/beside")


# ---------------------------------------------------------- hostile, and looks


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_names(
    signed_in: Browser, site: Site, hostile: tuple[str, ...], number: int
) -> None:
    """Whatever a model is called is shown, changed and forgotten as any other."""
    name = hostile[number]
    signed_in.open("/admin/models")
    signed_in.until(text=name)
    assert signed_in.overflow() == []
    signed_in.click(name)
    signed_in.until("h1", text="gone from Ollama")
    assert signed_in.text("h1") == name
    signed_in.check("Hidden: it can be called, and is in no list")
    save(signed_in)
    assert of(site, part(name))["hidden"] is True
    assert signed_in.overflow() == []
    signed_in.emulate(PHONE)
    signed_in.open(f"/admin/models/{part(name)}?key={part(name)}&alias={part(name)}")
    signed_in.until("#sent .problem")
    assert signed_in.audit() == []
    assert signed_in.overflow() == []
    signed_in.click("Forget what is set")
    signed_in.click("Forget", within="dialog.ask")
    signed_in.until(path="/admin/models")
    assert site.admin.ask("GET", f"models/{part(name)}").status == 404


PAGES = ("/admin/models", "/admin/models/qwen3", "/admin/overrides", "/admin/loaded")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("path", PAGES)
def test_everybody_can_use_it(
    signed_in: Browser, site: Site, path: str, size: Size, dark: bool
) -> None:
    """On each kind of screen nothing sticks out, and nobody is shut out."""
    overrides = {"temperature": 1, "stop": ["a"], "think": True, "new": 1}
    site.admin.do("PATCH", "models/qwen3", {"overrides": overrides})
    site.admin.do("POST", "models/qwen3/load")
    signed_in.emulate(size, dark=dark)
    signed_in.open(path)
    signed_in.until("h1, h2")
    assert signed_in.audit() == []
    assert signed_in.overflow() == []
    if path == "/admin/models/qwen3":
        signed_in.click("JSON")
        signed_in.click("How it completes code")
        assert signed_in.audit() == []
        assert signed_in.overflow() == []


@pytest.mark.parametrize("path", PAGES)
def test_it_is_light(signed_in: Browser, path: str) -> None:
    """A first visit loads little."""
    assert signed_in.weigh(path).decoded < 200_000
