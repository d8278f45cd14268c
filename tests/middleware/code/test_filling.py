from typing import Any, NamedTuple

import pytest
from support.coders import Coders

from app.catalog import Catalog
from app.errors import BadRequest
from app.exchange import Exchange, Wish
from app.settings import Settings
from app.wire import ollama
from middleware.aliases import Aliases
from middleware.code import filling as filling_module
from middleware.code.chatting import AROUND, STOP, messages
from middleware.code.families import JOINER, Families
from middleware.code.filling import Filling
from middleware.code.hole import File, Hole
from middleware.code.policy import Fill
from middleware.code.ways import Ways

FAMILIES = Families.load()
#: Some of each text, and where the family's markers must be.
HOLE = Hole("a = ", "\nb", "Python", "/w/a.py")
QWEN = "qwen2.5-coder:7b"
CODELLAMA = "codellama:7b-code"
case = pytest.mark.parametrize


class Filled(NamedTuple):
    """What the policy made of a hole."""

    exchange: Exchange
    filling: Filling
    call: ollama.GenerateRequest

    @property
    def sent(self) -> Any:
        """The call as it is made."""
        return self.filling.call(self.call)


def policy(models: Coders, **settings: Any) -> Fill:
    """The policy over such models."""
    catalog, chosen = Catalog(models), Settings(**settings)
    ways = Ways(FAMILIES, chosen)
    return Fill(catalog, chosen, Aliases(catalog, chosen), ways)


def fill(
    model: str,
    hole: Hole = HOLE,
    prompt: str = "",
    marks: str = "",
    *,
    by: Fill | None = None,
    models: Coders | None = None,
    wish: Wish | None = None,
    options: dict[str, Any] | None = None,
    plain: bool = False,
    **settings: Any,
) -> Filled:
    """Let the policy, or one that is made for this, put a hole into a call."""
    by = by or policy(models or Coders(), **settings)
    filling = Filling(hole, prompt, marks, plain=plain)
    exchange = Exchange(filling=filling, wish=wish)
    call = ollama.GenerateRequest(
        model=model,
        stream=True,
        prompt=hole.prefix,
        suffix=hole.suffix,
        options={"num_predict": 128, **(options or {})},
    )
    by(exchange, call)
    return Filled(exchange, filling, call)


def prompt_of(model: str, hole: Hole) -> str:
    """The raw prompt of a model's family."""
    family = FAMILIES.of(model)
    assert family is not None
    return family.prompt(hole)


# ------------------------------------------------------------------ strategies


@case(
    ("model", "prefix", "strategy"),
    [
        # a family's own template
        (QWEN, "a", "raw"),
        (QWEN, "", "raw"),
        ("starcoder2:3b", "a", "raw"),
        ("thinking-coder", "a", "raw"),  # by details.family
        (CODELLAMA, "a", "raw"),
        # the template that Ollama has, where it knows a suffix
        ("inserter", "a", "suffix"),
        ("older-inserter", "a", "suffix"),
        # which wants something before the hole
        ("inserter", "", "chat"),
        ("older-inserter", "", "chat"),
        # a conversation
        ("talker", "a", "chat"),
        ("talker", "", "chat"),
        ("older-talker", "a", "chat"),
        ("no-inserter", "a", "chat"),
        ("llama3.2", "a", "chat"),
        ("gpt-oss:20b", "a", "chat"),
        # the text before alone
        ("base", "a", "prefix"),
        ("older-base", "a", "prefix"),
        ("codellama:7b-instruct", "a", "prefix"),
        # nobody knows the model
        ("absent", "a", "suffix"),
        ("absent", "", "chat"),
    ],
)
def test_the_strategy_fits_the_model(model: str, prefix: str, strategy: str) -> None:
    """A model is asked in its family's form, else as Ollama says that it can be."""
    assert fill(model, Hole(prefix, "b")).filling.strategy == strategy


def test_a_family_is_known_while_ollama_is_silent() -> None:
    """Names tell the family; for others Ollama has the last word, on the call."""
    silent = Coders(silent=True)
    assert fill(QWEN, models=silent).filling.strategy == "raw"
    assert fill("talker", models=silent).filling.strategy == "suffix"


@case(
    ("setting", "model", "strategy"),
    [
        ("raw", QWEN, "raw"),
        ("raw", "talker", "prefix"),  # no family, so no template
        ("raw", "codellama:7b-instruct", "prefix"),
        ("raw", "llama3.2", "prefix"),
        ("suffix", QWEN, "suffix"),
        ("suffix", "talker", "suffix"),
        ("chat", QWEN, "chat"),
        ("chat", "base", "chat"),
        ("prefix", QWEN, "prefix"),
        ("prefix", "inserter", "prefix"),
    ],
)
def test_a_strategy_can_be_ordered(setting: str, model: str, strategy: str) -> None:
    """The setting counts for every model, as far as it is possible at all."""
    found = fill(model, code_strategy=setting)
    assert found.filling.strategy == strategy


@case(
    ("setting", "model", "strategy"),
    [
        ("suffix", QWEN, "raw"),
        ("suffix", "inserter", "chat"),
        ("suffix", "llama3.2", "chat"),
        ("suffix", "base", "prefix"),
        ("chat", QWEN, "chat"),
        ("prefix", QWEN, "prefix"),
    ],
)
def test_nothing_before_the_hole(setting: str, model: str, strategy: str) -> None:
    """Ollama answers a prompt that is empty with nothing, so it is asked otherwise."""
    found = fill(model, Hole("", "b"), code_strategy=setting)
    assert found.filling.strategy == strategy


@case("model", [QWEN, "starcoder2:3b", CODELLAMA, "codestral", "granite-code:3b"])
@case("hole", [HOLE, Hole("a"), Hole("", "b"), Hole("x", "y", files=(File("f", "t"),))])
def test_a_raw_prompt_is_the_familys(model: str, hole: Hole) -> None:
    """The raw prompt is byte for byte what the family's template makes."""
    sent = fill(model, hole).sent
    assert sent.path == "/api/generate"
    assert (sent.prompt, sent.suffix, sent.raw) == (prompt_of(model, hole), "", True)


def test_by_suffix() -> None:
    """Ollama's own template gets both texts, and a line's end for one that is empty."""
    sent = fill("inserter").sent
    assert (sent.prompt, sent.suffix, sent.raw) == ("a = ", "\nb", None)
    sent = fill("inserter", Hole("a = ")).sent
    assert (sent.prompt, sent.suffix, sent.raw) == ("a = ", "\n", None)


def test_by_prefix() -> None:
    """A model without a suffix goes on from the text before, headed as it learnt it."""
    sent = fill("base").sent
    assert (sent.prompt, sent.suffix, sent.raw) == ("a = ", "", True)
    sent = fill("codellama:7b-instruct").sent
    assert (sent.prompt, sent.raw) == ("# language: Python\na = ", True)
    sent = fill(QWEN, code_strategy="prefix").sent
    assert (sent.prompt, sent.raw) == ("a = ", True)


def test_by_chat() -> None:
    """A model that only chats is asked a question, with all that the call has."""
    found = fill("talker", options={"seed": 1})
    found.call.keep_alive = 5
    sent = found.sent
    assert sent.path == "/api/chat"
    assert sent.messages == messages(HOLE)
    assert (sent.model, sent.stream, sent.keep_alive) == ("talker", True, 5)
    assert sent.options == {"num_predict": 128, "seed": 1, "stop": STOP}


def test_a_plain_prompt_stays() -> None:
    """Where a form has no hole the prompt goes in as it is, whatever the model."""
    for model in (QWEN, "talker", "inserter"):
        found = fill(model, Hole("<|fim_prefix|>x"), plain=True, code_strategy="chat")
        assert (found.sent.prompt, found.sent.raw) == ("<|fim_prefix|>x", True)


def test_other_prompts_of_the_same_request() -> None:
    """Each prompt of a list gets what it would have got alone."""
    for model in (QWEN, "talker", "inserter", "base"):
        found = fill(model)
        for prefix in ("x", HOLE.prefix):
            alone = fill(model, HOLE._replace(prefix=prefix))
            assert found.filling.call(found.call, prefix) == alone.sent


def test_nothing_around_the_hole() -> None:
    """With nothing to go by nothing is done, and nobody asked."""
    models = Coders()
    found = fill("default", Hole(language="Python", path="a.py"), models=models)
    assert found.filling.empty
    assert (found.call.model, found.filling.strategy) == ("default", "")
    assert models.asked == []


def test_what_is_no_filling_is_left_alone() -> None:
    """The policy does nothing where no text is filled in."""
    models = Coders()
    call = ollama.GenerateRequest(model="default", stream=True, prompt="x")
    policy(models)(Exchange(), call)
    assert call == ollama.GenerateRequest(model="default", stream=True, prompt="x")
    assert models.asked == []


# --------------------------------------------------------------------- markers

OWN = [
    (QWEN, "qwen", "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"),
    ("starcoder2:3b", "starcoder", "<fim_prefix>a<fim_suffix>b<fim_middle>"),
    ("codestral", "codestral", "[SUFFIX]b[PREFIX]a"),
    (CODELLAMA, "codellama", "<PRE> a <SUF>b <MID>"),
]


@case(("model", "marks", "prompt"), OWN)
def test_own_markers_stay(model: str, marks: str, prompt: str) -> None:
    """A prompt in the model's own form goes in as it came."""
    found = fill(model, Hole("a", "b"), prompt, marks)
    assert (found.call.prompt, found.call.raw) == (prompt, True)
    assert found.exchange.adjusted == []
    assert not found.filling.joined


@case(("model", "marks", "prompt"), OWN)
@case("other", [model for model, *_ in OWN])
def test_foreign_markers_become_own_ones(
    model: str, marks: str, prompt: str, other: str
) -> None:
    """A prompt in another family's form is put into the model's."""
    if other != model:
        found = fill(other, Hole("a", "b"), prompt, marks)
        assert found.call.prompt == prompt_of(other, Hole("a", "b"))


@case(("context", "stays"), [(8192, True), (2048, False)])
def test_files_in_the_models_own_form(context: int, stays: bool) -> None:
    """They stay where they are if there is room; the text around the hole is first."""
    files = "<|file_sep|>x.py\n" + "y\n" * 4000 + "<|file_sep|>z.py\n"
    plain = "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"
    models = Coders(loaded={QWEN: context})
    found = fill(QWEN, Hole("a", "b"), files + plain, "qwen", models=models)
    assert found.call.prompt == (files + plain if stays else plain)
    assert found.exchange.adjusted == ([] if stays else ["prompt=trimmed"])


def test_files_of_an_editor_stay_files() -> None:
    """Marks of files in the text before the hole are an editor's, and stay."""
    prefix = "<|repo_name|>r\n<|file_sep|>x.py\ny\n<|file_sep|>z.py\na"
    found = fill(QWEN, Hole(prefix, "b"))
    assert found.call.prompt == f"<|fim_prefix|>{prefix}<|fim_suffix|>b<|fim_middle|>"


def test_own_markers_do_not_help_what_is_too_long() -> None:
    """Ollama would cut the markers off, so the texts between them are cut here."""
    hole = Hole("a\n" * 9000, "b\n" * 9000)
    prompt = prompt_of(QWEN, hole)
    found = fill(QWEN, hole, prompt, "qwen", models=Coders(loaded={QWEN: 4096}))
    assert found.exchange.adjusted == ["prompt=trimmed"]
    assert found.call.prompt.startswith("<|fim_prefix|>a\n")
    assert found.call.prompt.endswith("b\n<|fim_middle|>")
    assert len(found.call.prompt) < 3.2 * 4096


@case("strategy", ["chat", "suffix", "prefix"])
def test_own_markers_where_none_are_written(strategy: str) -> None:
    """Asked in another way, a model gets the texts, and nothing of them is cut."""
    found = fill(
        QWEN, Hole("a", "b"), "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>", "qwen",
        code_strategy=strategy,
    )  # fmt: skip
    assert found.call.prompt == "a"
    assert found.exchange.adjusted == []


# ---------------------------------------------------------------- neutralizing


TOKEN, HARMLESS = "<|fim_middle|>", f"<{JOINER}|fim_middle|>"


def test_markers_in_a_text_are_made_harmless() -> None:
    """The family's own markers in any of the texts get a joiner, which comes out."""
    hole = Hole(*[f"{TOKEN}{n}" for n in range(5)], (File(TOKEN, TOKEN),))
    found = fill(QWEN, hole)
    harmless = Hole(*[f"{HARMLESS}{n}" for n in range(5)], (File(HARMLESS, HARMLESS),))
    assert found.call.prompt == prompt_of(QWEN, harmless)
    assert found.call.prompt.count(TOKEN) == 1
    assert found.filling.joined
    trimmer = found.filling.trimmer()
    assert trimmer.feed(f"{HARMLESS}x") + trimmer.finish() == f"{TOKEN}x"


def test_a_text_without_markers_is_not_touched() -> None:
    """Where there was nothing to make harmless nothing is taken out of the answer."""
    found = fill(QWEN, Hole(f"a{JOINER}<fim_prefix>", "b"))
    assert found.call.prompt == prompt_of(QWEN, Hole(f"a{JOINER}<fim_prefix>", "b"))
    assert not found.filling.joined
    trimmer = found.filling.trimmer()
    assert trimmer.feed(f"x{JOINER}y") + trimmer.finish() == f"x{JOINER}y"


def test_markers_can_be_left_in() -> None:
    """With the setting off a text goes in as it is."""
    found = fill(QWEN, Hole(TOKEN, "b"), code_neutralize_markers=False)
    assert found.call.prompt == prompt_of(QWEN, Hole(TOKEN, "b"))
    assert not found.filling.joined


@case("model", ["talker", "inserter", "base"])
def test_markers_are_text_where_none_are_written(model: str) -> None:
    """Only a template of ours has markers that a text could be mistaken for."""
    found = fill(model, Hole(TOKEN, TOKEN))
    assert found.call.prompt == TOKEN
    assert not found.filling.joined


# ----------------------------------------------------------------------- stops


@case(
    ("model", "own", "want"),
    [
        (CODELLAMA, None, ["<EOT>", "<PRE>", "<SUF>", "<MID>"]),
        (CODELLAMA, [], ["<EOT>", "<PRE>", "<SUF>", "<MID>"]),
        (CODELLAMA, ["\n\n"], ["\n\n", "<EOT>", "<PRE>", "<SUF>", "<MID>"]),
        (CODELLAMA, ["x", "<SUF>", "x"], ["x", "<SUF>", "<EOT>", "<PRE>", "<MID>"]),
        ("talker", ["x"], ["x", *STOP]),
        ("talker", None, STOP),
        ("inserter", ["x"], ["x"]),
        ("inserter", None, None),
        ("base", ["x"], ["x"]),
        ("codellama:7b-instruct", ["x"], ["x"]),
    ],
)
def test_stop_strings(model: str, own: list[str] | None, want: Any) -> None:
    """The client's stop strings come first, then the family's, each once."""
    options = {} if own is None else {"stop": own}
    assert fill(model, options=options).call.options.get("stop") == want


def test_stop_strings_with_files() -> None:
    """A family may end elsewhere where there are files, in the answer too."""
    plain, full = Hole("a", "b"), Hole("a", "b", files=(File("f", "t"),))
    assert "\n+++++ " not in fill("codestral", plain).call.options["stop"]
    found = fill("codestral", full)
    assert "\n+++++ " in found.call.options["stop"]
    assert found.filling.trimmer().feed("x\n+++++ b.py") == "x"


def test_the_clients_options_are_not_changed() -> None:
    """A list that a client sent is its own."""
    own = ["x"]
    fill(QWEN, options={"stop": own})
    assert own == ["x"]


# ------------------------------------------------------------------------ think


@case(
    ("model", "wish", "think"),
    [
        ("thinker", None, False),
        ("thinking-coder", None, False),
        ("gpt-oss:20b", None, "low"),
        ("talker", None, None),
        (QWEN, None, None),
        ("older-talker", None, None),
        ("absent", None, None),
        ("thinker", Wish("think", True), None),  # another policy's affair
        ("thinker", Wish("think", False), None),
    ],
)
def test_nobody_thinks_unasked(model: str, wish: Wish | None, think: Any) -> None:
    """A model that can think is told not to, unless the request says otherwise."""
    assert fill(model, wish=wish).call.think == think


# ----------------------------------------------------------------------- models


@case(
    ("name", "settings", "models", "want"),
    [
        ("default", {}, [], QWEN),  # talkers and thinkers are younger
        ("Default", {}, [], QWEN),
        (" default ", {}, [], QWEN),
        ("default", {}, ["talker", "base", "inserter"], "inserter"),
        ("default", {}, ["talker", CODELLAMA, "codellama:7b-instruct"], CODELLAMA),
        ("default", {"code_model": "codestral"}, [], "codestral"),
        ("default", {"code_model": "c", "aliases": "c=codestral"}, [], "codestral"),
        ("default", {"code_model": "not-there"}, [], "not-there"),
        # what answers conversations does not answer this
        ("default", {"default_model": "llama3.2"}, [], QWEN),
        ("default", {"aliases": "default=llama3.2"}, [], QWEN),
        ("c", {"aliases": "c=codestral"}, [], "codestral"),
        ("C", {"aliases": "c=codestral"}, [], "codestral"),
        ("gpt-x", {"aliases": "gpt-*=codestral"}, [], "codestral"),
        ("talker", {"aliases": "t*=codestral"}, [], "talker"),
        ("talker", {"code_model": "codestral"}, [], "talker"),
        ("absent", {}, [], "absent"),
    ],
)
def test_which_model(
    name: str, settings: dict[str, Any], models: list[str], want: str
) -> None:
    """``default`` is the model for code, other names are aliases or models."""
    # Those that come first in the list and could fill in would hide the rest.
    models = models or ["talker", "thinker", "base", QWEN, "codestral", "llama3.2"]
    found = fill(name, models=Coders(*models), **settings)
    assert found.call.model == found.filling.model == want


@case("models", [Coders("talker", "base", "embedder", "llama3.2"), Coders(silent=True)])
def test_no_code_model(models: Coders) -> None:
    """Where none is named, and none can fill in, that is a 404."""
    with pytest.raises(BadRequest) as caught:
        fill("default", models=models)
    error = caught.value
    assert (error.status, error.code) == (404, "model_not_found")
    assert error.message == "no code model is configured"


def test_what_was_used_can_be_told() -> None:
    """The template is the one that was used, or the way where there was none."""
    assert fill(QWEN).filling.template == FAMILIES.of(QWEN).template  # type: ignore[union-attr]
    assert fill("inserter").filling.template == "suffix"
    assert fill("llama3.2").filling.template == "chat"
    assert fill(QWEN, code_strategy="chat").filling.template == "chat"


# ----------------------------------------------------------------------- budget

LONG = Hole("a = 1\n" * 5000, "b = 2\n" * 5000)


@case(
    ("models", "options", "room"),
    [
        (Coders(), {}, 4096),  # Ollama's usual context
        (Coders(num_ctx=8192), {}, 8192),
        (Coders(num_ctx=8192, own=6000), {}, 6000),
        (Coders(own=3000), {}, 3000),
        (Coders(own=131072), {}, 4096),
        (Coders(loaded={QWEN: 16000}, num_ctx=8192), {}, 16000),
        (Coders(loaded={"talker": 16000}), {}, 4096),
        (Coders(silent=True), {}, 4096),
        (Coders(loaded={QWEN: 16000}), {"num_ctx": 10000}, 10000),
        (Coders(), {"num_predict": 1000}, 4096 - 1000 + 128),
        (Coders(), {"num_predict": -1}, 4096 + 128),
        (Coders(), {"num_predict": 100_000}, 2048 + 128 + 64),
        (Coders(), {"num_ctx": 512}, 512),
    ],
)
def test_the_room_is_the_models(
    models: Coders, options: dict[str, int], room: int
) -> None:
    """A hole is cut to the context in force without the answer and some markers."""
    found = fill(QWEN, LONG, models=models, options=options)
    want = int((room - 128 - 64) * 3.2)
    assert found.filling.room == want
    assert found.exchange.adjusted == ["prompt=trimmed"]
    assert want - 100 < len(found.call.prompt) <= want + 100
    before, after = found.call.prompt.split("<|fim_suffix|>")
    assert before.endswith("a = 1\n")
    assert after.startswith("b = 2\n")


@case("options", [{"num_ctx": 0}, {"num_ctx": -5}, {"num_ctx": 4}])
def test_hardly_any_room(options: dict[str, int]) -> None:
    """A context that is none leaves nothing of the texts, and nothing breaks."""
    found = fill(QWEN, HOLE._replace(files=(File("f", "t"),)), options=options)
    assert found.call.prompt.startswith("<|fim_prefix|>")
    assert len(found.call.prompt) < 60


def test_what_is_short_costs_no_question() -> None:
    """Nobody is asked about the context where any would do."""
    models = Coders()
    fits = int((2048 - 128 - 64) * 3.2)
    for model, around in ((QWEN, 0), ("talker", AROUND)):
        found = fill(model, Hole("x" * (fits - around - 9), "y" * 9), models=models)
        assert found.exchange.adjusted == []
    assert "/api/ps" not in models.asked
    for model, around in ((QWEN, 0), ("talker", AROUND)):
        models = Coders()
        found = fill(model, Hole("x" * (fits - around - 8), "y" * 9), models=models)
        assert found.exchange.adjusted == []  # for there is room for more
        assert "/api/ps" in models.asked


@case("model", [QWEN, "talker", "inserter", "base"])
@case("prompt", ["", "short"])
def test_what_is_left_out_is_said(model: str, prompt: str) -> None:
    """A text that was cut is named to the client, however the model is asked."""
    hole = Hole("short", "b\n" * 9000)
    found = fill(model, hole, prompt)
    assert found.exchange.adjusted == ["prompt=trimmed"]
    files = Hole("short", "b", files=(File("f", "t" * 20_000),))
    found = fill(model, files, prompt)
    assert found.exchange.adjusted == ["prompt=trimmed"]
    found = fill(model, Hole("short", "b"), prompt)
    assert found.exchange.adjusted == []


def test_a_models_ratio_is_learnt() -> None:
    """What Ollama counts in a model's prompts decides how much of the next fits."""
    models = Coders(loaded={QWEN: 4096, CODELLAMA: 4096})
    by = policy(models)
    first = fill(QWEN, LONG, by=by)
    begin(first)
    told(first, len(first.call.prompt) // 4)
    second = fill(QWEN, LONG, by=by)
    assert second.filling.room == pytest.approx((4096 - 128 - 64) * 4, rel=0.001)
    assert fill(CODELLAMA, LONG, by=by).filling.room == first.filling.room


def test_a_full_context_tells_that_there_was_more() -> None:
    """Where Ollama counts all that its context holds, less is sent the next time."""
    by = policy(Coders(loaded={QWEN: 4096}))
    first = fill(QWEN, LONG, by=by)
    begin(first)
    told(first, 4096)
    second = fill(QWEN, LONG, by=by)
    assert second.filling.room == pytest.approx(first.filling.room * 0.8, rel=0.001)


@case("model", ["talker", "inserter"])
def test_a_ratio_is_that_of_all_that_was_sent(model: str) -> None:
    """Texts that do not stand in the prompt count too."""
    by = policy(Coders())
    found = fill(model, Hole("short", "b = 2\n" * 500), by=by)
    begin(found)
    sent = found.sent
    texts = (
        [message.content for message in sent.messages]
        if sent.path == "/api/chat"
        else [sent.prompt, sent.suffix]
    )
    told(found, sum(map(len, texts)) // 2)
    room = fill("base", LONG, by=by).filling.room
    assert room == int((4096 - 128 - 64) * 3.2)  # another model's
    around = AROUND if model == "talker" else 0
    room = fill(model, LONG, by=by).filling.room + around
    assert room / (4096 - 128 - 64) == pytest.approx(2, rel=0.01)


def test_a_conversation_has_room_for_its_question() -> None:
    """All of a conversation is within the context, not only the texts of the hole."""
    found = fill("talker", LONG)
    said = sum(len(message.content) for message in found.sent.messages)
    assert 0.95 * 3904 * 3.2 < said <= 3904 * 3.2


def begin(found: Filled) -> None:
    """The call is certain to be made."""
    assert found.exchange.prepare is not None
    found.exchange.prepare()


def told(found: Filled, tokens: int) -> None:
    """Ollama has counted the prompt's tokens."""
    assert found.exchange.counted is not None
    found.exchange.counted(tokens)


# ------------------------------------------------------------------------ time


class Clock:
    """Seconds that pass when they are told to."""

    now = 100.0

    def monotonic(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of fillings."""
    clock = Clock()
    monkeypatch.setattr(filling_module, "time", clock)
    return clock


@case(
    ("line_seconds", "text", "seconds", "want"),
    [
        (0.0, "a\nb", 29.9, False),
        (0.0, "a", 30.0, True),
        (0.5, "a", 0.5, False),  # there is no line yet
        (0.5, "a\nb", 0.4, False),
        (0.5, "a\nb", 0.5, True),
        (0.5, "a", 30.0, True),
    ],
)
def test_enough(line_seconds: float, text: str, seconds: float, want: bool) -> None:
    """A text has 30 seconds from its first token on, or less once it has a line."""
    filling = fill(QWEN).filling
    filling.line_seconds = line_seconds
    trimmer = filling.trimmer()
    trimmer.feed(text)
    assert filling.enough(trimmer, seconds) is want
    assert filling.writing()["until"](seconds) is (seconds == 30.0)


def test_the_beginning(clock: Clock) -> None:
    """It is when the first token came; of several texts it tells no end."""
    filling = fill(QWEN).filling
    assert filling.beginning() is None
    filling.begin()
    began = clock.now
    clock.now += 5
    filling.begin()  # what has begun begins no more
    assert filling.beginning() == began
    filling.alone = False
    assert filling.beginning() == float("inf")


@case(("ahead", "files", "want"), [(0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_files_alone_are_read_ahead(ahead: int, files: int, want: int) -> None:
    """Without a text around it a hole is empty, but for what is only to be read."""
    filling = Filling(Hole(files=(File("f", "t"),) * files))
    filling.ahead = bool(ahead)
    assert filling.empty is bool(want)


class Watched:
    """A watch that only notes what it is told."""

    over = False

    def __init__(self) -> None:
        self.notes: list[Any] = []

    def look_closely(self) -> None:
        """Noted."""
        self.notes.append("closely")

    def after(self, seconds: float, act: Any) -> None:
        """Noted."""
        self.notes.append("after")

    def end_with(self, error: Any) -> None:
        """Noted."""
        self.notes.append(error.code)


def asks(by: Fill, prefix: str, session: tuple[str, ...] = ("me",)) -> Filled:
    """A request of an editor that is certain to be made, watched over."""
    found = fill(QWEN, Hole(prefix, "b"), by=by)
    found.filling.session = session
    found.exchange.watch = Watched()  # type: ignore[assignment]
    found.exchange.prompt = "x"  # type: ignore[assignment]
    begin(found)
    return found


def notes(found: Filled) -> list[Any]:
    """What its watch was told."""
    return found.exchange.watch.notes  # type: ignore[union-attr]


def test_a_newer_request_takes_the_place() -> None:
    """Of the requests of one editor only the newest waits for its first token."""
    by = policy(Coders())
    first, other = asks(by, "a"), asks(by, "a", ("other",))
    assert notes(first) == notes(other) == ["closely", "after"]
    begun = asks(by, "ab")
    assert notes(first)[2:] == ["request_superseded"]
    begun.filling.begin()
    last = asks(by, "abc")
    assert notes(begun) == notes(last) == notes(other) == ["closely", "after"]


def test_nobody_takes_a_place() -> None:
    """With the setting off every request keeps its own."""
    by = policy(Coders(), code_supersede=False)
    first, last = asks(by, "a"), asks(by, "ab")
    assert notes(first) == notes(last) == ["closely", "after"]


def test_without_a_watch() -> None:
    """Where nobody watches over a request there is nobody to tell."""
    begin(fill(QWEN))


@case(("mode", "kept"), [("ollama", False), ("strict", True), ("auto", True)])
def test_who_looks_for_cuts(mode: str, kept: bool) -> None:
    """Nobody looks whether Ollama has cut what was cut here, unless it is told to."""
    found = asks(policy(Coders(), context=mode), "a")
    assert (found.exchange.prompt is not None) is kept


class Warm:
    """Notes who is made way for."""

    def __init__(self) -> None:
        self.ways = 0

    def make_way(self) -> None:
        """Noted."""
        self.ways += 1

    def start(self, environ: Any) -> None:
        """Nothing is read."""


def test_reading_ahead_gives_way_and_takes_none() -> None:
    """What is read ahead ends for any request for code, and ends none itself."""
    models, warm = Coders(), Warm()
    catalog, settings = Catalog(models), Settings()
    ways = Ways(FAMILIES, settings)
    by = Fill(catalog, settings, Aliases(catalog, settings), ways, warm)  # type: ignore[arg-type]
    first = asks(by, "a")
    assert warm.ways == 1
    ahead = fill(QWEN, by=by)
    ahead.filling.ahead, ahead.filling.session = True, ("me",)
    begin(ahead)
    assert warm.ways == 1
    assert notes(first) == ["closely", "after"]
    assert ahead.filling.ticket is None


# ------------------------------------------------------------------------- rest


@case(
    ("options", "ahead", "want"),
    [
        ({"temperature": 0}, False, True),
        ({"temperature": 0.0}, False, True),
        ({"temperature": 0.1}, False, False),
        ({}, False, False),
        ({"temperature": 0}, True, False),
    ],
)
def test_what_may_be_remembered(
    options: dict[str, Any], ahead: bool, want: bool
) -> None:
    """An answer is the same again at temperature 0, if one is wanted at all."""
    by = policy(Coders())
    filling = Filling(HOLE)
    filling.ahead = ahead
    call = ollama.GenerateRequest(model=QWEN, stream=True, prompt="", options=options)
    by(Exchange(filling=filling), call)
    assert filling.repeatable is want
