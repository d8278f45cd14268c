import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.code.families import Families, library_name
from middleware.code.hole import File, Hole
from middleware.code.parser import FOREIGN, markers

FAMILIES = Families.load()
NAMED = {family.name: family for family in FAMILIES.known}

#: Nothing is known but the texts.
PLAIN = Hole("p", "s")
#: All but other files.
KNOWN = Hole("p", "s", "Go", "c.go", "R")
#: Other files, without the names of anything.
FILES = Hole("p", "s", files=(File("a.go", "A"), File("b.go", "B\nB")))
#: All.
ALL = KNOWN._replace(files=FILES.files)

#: By family: the prompts for these four holes (specification: code completion, section
#: 5, columns "order and tokens" and "extra context").
_DEEPSEEK = (
    "<\uff5cfim\u2581begin\uff5c>p"
    "<\uff5cfim\u2581hole\uff5c>s"
    "<\uff5cfim\u2581end\uff5c>"
)
_GEEX = "###MODE:BLOCK\n<|code_suffix|>s<|code_prefix|>p<|code_middle|><|assistant|>\n"
_GEEX_FILES = "###REFERENCE:\n###PATH:a.go\nA\n###REFERENCE:\n###PATH:b.go\nB\nB\n"
_LANGUAGE = ("p", "# language: Go\np", "p", "# language: Go\np")
PROMPTS = {
    "qwen-coder": (
        "<|fim_prefix|>p<|fim_suffix|>s<|fim_middle|>",
        "<|fim_prefix|>p<|fim_suffix|>s<|fim_middle|>",
        "<|file_sep|>a.go\nA\n<|file_sep|>b.go\nB\nB\n<|file_sep|>\n"
        "<|fim_prefix|>p<|fim_suffix|>s<|fim_middle|>",
        "<|repo_name|>R\n<|file_sep|>a.go\nA\n<|file_sep|>b.go\nB\nB\n<|file_sep|>c.go\n"
        "<|fim_prefix|>p<|fim_suffix|>s<|fim_middle|>",
    ),
    "codeqwen": (
        "<fim_prefix>p<fim_suffix>s<fim_middle>",
        "<fim_prefix>p<fim_suffix>s<fim_middle>",
        "<file_sep>a.go \nA\n<file_sep>b.go \nB\nB\n<file_sep> \n"
        "<fim_prefix>p<fim_suffix>s<fim_middle>",
        "<reponame>R\n<file_sep>a.go \nA\n<file_sep>b.go \nB\nB\n<file_sep>c.go \n"
        "<fim_prefix>p<fim_suffix>s<fim_middle>",
    ),
    "codellama": (
        "<PRE> p <SUF>s <MID>",
        "<PRE> p <SUF>s <MID>",
        "<PRE> # Path: a.go\n# A\n# Path: b.go\n# B\n# B\np <SUF>s <MID>",
        "<PRE> // Path: a.go\n// A\n// Path: b.go\n// B\n// B\n// Path: c.go\n"
        "p <SUF>s <MID>",
    ),
    "codellama-instruct": _LANGUAGE,
    "deepseek-coder": (
        _DEEPSEEK,
        _DEEPSEEK,
        f"#a.go\nA\n#b.go\nB\nB\n{_DEEPSEEK}",
        f"#a.go\nA\n#b.go\nB\nB\n{_DEEPSEEK}",
    ),
    "deepseek-coder-instruct": _LANGUAGE,
    "starcoder2": (
        "<fim_prefix>p<fim_suffix>s<fim_middle>",
        "<fim_prefix>p<fim_suffix>s<fim_middle>",
        "<file_sep>a.go\nA<file_sep>b.go\nB\nB<file_sep>"
        "<fim_prefix>p<fim_suffix>s<fim_middle>",
        "<repo_name>R<file_sep>a.go\nA<file_sep>b.go\nB\nB<file_sep>"
        "<fim_prefix>p<fim_suffix>s<fim_middle>",
    ),
    "santacoder": ("<fim-prefix>p<fim-suffix>s<fim-middle>",) * 4,
    "starcoder": ("<fim_prefix>p<fim_suffix>s<fim_middle>",) * 4,
    "codestral": (
        "[SUFFIX]s[PREFIX]p",
        "[SUFFIX]s[PREFIX]p",
        "+++++ a.go\nA\n\n+++++ b.go\nB\nB\n\n[SUFFIX]s[PREFIX]p",
        "+++++ a.go\nA\n\n+++++ b.go\nB\nB\n\n[SUFFIX]s[PREFIX]p",
    ),
    "codegemma": (
        "<|fim_prefix|>p<|fim_suffix|>s<|fim_middle|>",
        "<|fim_prefix|>p<|fim_suffix|>s<|fim_middle|>",
        "<|file_separator|>a.go\nA<|file_separator|>b.go\nB\nB<|file_separator|>\n"
        "<|fim_prefix|>p<|fim_suffix|>s<|fim_middle|>",
        "<|file_separator|>a.go\nA<|file_separator|>b.go\nB\nB<|file_separator|>c.go\n"
        "<|fim_prefix|>p<|fim_suffix|>s<|fim_middle|>",
    ),
    "granite-code": ("<fim_prefix>p<fim_suffix>s<fim_middle>",) * 4,
    "granite4": ("<|fim_prefix|>p<|fim_suffix|>s<|fim_middle|>",) * 4,
    "codegeex4": (
        f"<|user|>\n{_GEEX}",
        f"<|user|>\n###PATH:c.go\n###LANGUAGE:Go\n{_GEEX}",
        f"<|user|>\n{_GEEX_FILES}{_GEEX}",
        f"<|user|>\n{_GEEX_FILES}###PATH:c.go\n###LANGUAGE:Go\n{_GEEX}",
    ),
    "codegeex2": _LANGUAGE,
    "seed-coder": ("<[fim-suffix]>s<[fim-prefix]>p<[fim-middle]>",) * 4,
    "yi-coder-base": ("p",) * 4,
}

#: By family: its end strings (section 5, column "stop strings").
STOPS = {
    "qwen-coder": (
        "<|endoftext|> <|fim_prefix|> <|fim_suffix|> <|fim_middle|> <|fim_pad|> "
        "<|repo_name|> <|file_sep|> <|im_start|> <|im_end|>"
    ),
    "codeqwen": "<|endoftext|> <fim_prefix> <fim_suffix> <fim_middle>",
    "codellama": "<EOT> <PRE> <SUF> <MID>",
    "deepseek-coder": (
        "<\uff5cfim\u2581begin\uff5c> <\uff5cfim\u2581hole\uff5c> "
        "<\uff5cfim\u2581end\uff5c> <\uff5cend\u2581of\u2581sentence\uff5c> <|EOT|>"
    ),
    "starcoder2": (
        "<|endoftext|> <file_sep> <repo_name> <fim_prefix> <fim_suffix> <fim_middle>"
    ),
    "santacoder": (
        "<|endoftext|> <file_sep> <repo_name> <fim-prefix> <fim-suffix> <fim-middle>"
    ),
    "starcoder": (
        "<|endoftext|> <file_sep> <repo_name> <fim_prefix> <fim_suffix> <fim_middle>"
    ),
    "codestral": "[PREFIX] [SUFFIX] </s>",
    "codegemma": (
        "<|file_separator|> <|fim_prefix|> <|fim_suffix|> <|fim_middle|> "
        "<end_of_turn> <eos>"
    ),
    "granite-code": "<fim_prefix> <fim_suffix> <fim_middle> <fim_pad> <|endoftext|>",
    "granite4": (
        "<|end_of_text|> <|fim_prefix|> <|fim_suffix|> <|fim_middle|> <|fim_pad|>"
    ),
    "codegeex4": (
        "<|user|> <|code_suffix|> <|code_prefix|> <|code_middle|> <|assistant|> "
        "<|endoftext|>"
    ),
    "seed-coder": "<[fim-prefix]> <[fim-suffix]> <[fim-middle]>",
}

#: By family: names of models that are of it.  None is what nobody knows.
MODELS = {
    "qwen-coder": """
        qwen2.5-coder qwen2.5-coder:7b qwen2.5-coder:1.5b-base qwen3-coder:30b
        qwen2.5-coder:32b-instruct-q4_K_M qwen3-coder-next hhao/qwen2.5-coder-tools:7b
        hf.co/Qwen/Qwen2.5-Coder-7B-Instruct-GGUF:Q4_K_M""",
    "codeqwen": """
        codeqwen codeqwen:7b-code codeqwen:v1.5 hf.co/Qwen/CodeQwen1.5-7B-GGUF""",
    "codellama": """
        codellama:7b-code codellama:13b-code codellama:code codellama:7b-code-q4_K_M
        hf.co/TheBloke/CodeLlama-7B-GGUF:Q4_K_M localhost:5000/me/codellama:7b-code""",
    "codellama-instruct": """
        codellama codellama:latest codellama:7b codellama:7b-instruct codellama:34b-code
        codellama:7b-python codellama:70b-code codellama:34b
        hf.co/TheBloke/CodeLlama-7B-Instruct-GGUF:Q4_K_M""",
    "deepseek-coder": """
        deepseek-coder:1.3b-base deepseek-coder:6.7b-base-q4_K_M deepseek-coder-v2
        deepseek-coder-v2:16b deepseek-coder-v2:16b-lite-base-q8_0 deepseek-v2.5:236b
        hf.co/TheBloke/deepseek-coder-6.7B-base-GGUF:Q4_K_M""",
    "deepseek-coder-instruct": """
        deepseek-coder deepseek-coder:6.7b-instruct deepseek-coder:33b-instruct-q4_0""",
    "starcoder2": "starcoder2 starcoder2:3b starcoder2:15b-q4_K_M me/STARCODER2:7b",
    "santacoder": "santacoder santacoder:1b hf.co/me/gpt_bigcode-santacoder-GGUF:Q8_0",
    "starcoder": """
        starcoder starcoder:1b starcoder:15b-base starcoderbase:3b stable-code
        stable-code:3b-code hf.co/me/stable-code-3b-GGUF:Q4_0""",
    "codestral": "codestral codestral:22b codestral:22b-v0.1-q4_0 me/codestral:latest",
    "codegemma": """
        codegemma:2b codegemma:2b-code codegemma:7b-code codegemma:code
        codegemma:7b-code-q4_K_M hf.co/me/codegemma-2b-GGUF:Q8_0""",
    "codegemma-instruct": """
        codegemma codegemma:7b-instruct codegemma:instruct codegemma:7b
        hf.co/me/codegemma-7b-it-GGUF:Q4_K_M codegemma:7b-v1.1-q4_0""",
    "granite-code": """
        granite-code granite-code:3b granite-code:8b-base
        hf.co/ibm-granite/granite-8b-code-base-4k-GGUF""",
    "granite4": """
        granite4 granite4:micro granite4:tiny-h
        hf.co/unsloth/granite-4.0-h-tiny-GGUF:Q4_K_M""",
    "granite3": """
        granite3.3 granite3.3:8b granite3-dense:2b granite3.1-moe granite3.2:8b""",
    "codegeex4": "codegeex4 codegeex4:9b hf.co/me/codegeex4-all-9b-GGUF:Q4_K_M",
    "codegeex2": "me/codegeex2 codegeex2:6b hf.co/me/CodeGeeX2-6B-GGUF:Q4_0",
    "seed-coder": "seed-coder:8b hf.co/unsloth/Seed-Coder-8B-Base-GGUF me/seed-coder",
    "yi-coder": "yi-coder yi-coder:9b yi-coder:1.5b-chat",
    "yi-coder-base": "yi-coder:9b-base yi-coder:1.5b-base yi-coder:9b-base-q4_K_M",
    "gpt-oss": "gpt-oss gpt-oss:20b gpt-oss:120b-cloud",
    "llama": "llama3.2 llama2:7b llama3.1:8b-instruct-q4_0 llama4:scout",
    "gemma": "gemma3:4b gemma2 gemma:7b gemma3n:e4b",
    "mistral": "mistral mistral-small3.2:24b mistral-nemo devstral:24b mixtral:8x7b",
    "qwen": "qwen2.5:7b qwen3 qwen3:30b-a3b qwen2.5vl:7b qwq:32b",
    None: "phi4 nomic-embed-text deepseek-r1:8b mycoder/base:7b qwen/phi4 command-r",
}
#: Families that only chat.
CHATTING = {
    *("codegemma-instruct", "granite3", "yi-coder"),
    *("gpt-oss", "llama", "gemma", "mistral", "qwen"),
}
MANY = [(name, model) for name, models in MODELS.items() for model in models.split()]


@pytest.mark.parametrize("name", PROMPTS)
def test_the_prompt_of_a_family(name: str) -> None:
    """Bare, with all but files, with files alone, and with everything there is."""
    family = NAMED[name]
    assert tuple(map(family.prompt, (PLAIN, KNOWN, FILES, ALL))) == PROMPTS[name]


@pytest.mark.parametrize("name", PROMPTS)
def test_an_empty_side_stays_empty(name: str) -> None:
    """Without a prefix, or a suffix, the same markers stand around nothing."""
    prompt = NAMED[name].prompt
    form = prompt(Hole("PREFIX-", "-SUFFIX"))
    assert prompt(Hole("", "-SUFFIX")) == form.replace("PREFIX-", "")
    assert prompt(Hole("PREFIX-", "")) == form.replace("-SUFFIX", "")


@pytest.mark.parametrize("name", NAMED)
def test_the_stop_strings_of_a_family(name: str) -> None:
    """Each family ends with its own tokens, codestral's files with a header too."""
    stops = STOPS.get(name, "").split()
    assert NAMED[name].stops(KNOWN) == stops
    more = ["\n+++++ "] if name == "codestral" else []
    assert NAMED[name].stops(ALL) == stops + more


def test_how_families_are_asked() -> None:
    """Those that chat have no form; those that know no suffix are told none."""
    raw = {name for name in NAMED if NAMED[name].strategy == "raw"}
    prefix = {name for name in NAMED if NAMED[name].strategy == "prefix"}
    assert raw == set(STOPS)
    assert raw | prefix == set(PROMPTS)
    assert {name for name in NAMED if NAMED[name].strategy == "chat"} == CHATTING
    better = {name for name in NAMED if NAMED[name].better}
    assert better == {"starcoder2", "granite-code"}


@pytest.mark.parametrize(("name", "model"), MANY)
def test_the_family_of_a_model(name: str | None, model: str) -> None:
    """Models as they are called in the library, and elsewhere."""
    for written in (model, model.upper(), f" {model} "):
        family = FAMILIES.of(written)
        assert (family and family.name) == name


def test_every_family_has_models() -> None:
    """No entry is hidden by those before it."""
    assert {*NAMED, None} == set(MODELS)
    assert all(len(models.split()) > 2 for models in MODELS.values())


@pytest.mark.parametrize(
    ("model", "details", "name"),
    [
        ("mine", "starcoder2", "starcoder2"),
        ("mine:1b", "starcoder", "starcoder"),
        ("mine", "gptoss", "gpt-oss"),
        ("codellama", "starcoder2", "codellama-instruct"),
        ("mine", "llama", None),  # of this architecture are models of all kinds
        ("mine", "qwen2", None),
        ("mine", "starcoder22", None),
        ("mine", "", None),
    ],
)
def test_what_ollama_says_of_a_model_counts_after_its_name(
    model: str, details: str, name: str | None
) -> None:
    """``details.family`` decides where no pattern does."""
    family = FAMILIES.of(model, details)
    assert (family and family.name) == name


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("hf.co/Qwen/Qwen2.5-Coder-7B-GGUF:Q4_K_M", "qwen2.5-coder-7b-gguf:q4_k_m"),
        ("localhost:5000/a/B", "b:latest"),
        ("b", "b:latest"),
        ("", ":latest"),
    ],
)
def test_the_part_of_a_name_that_counts(model: str, name: str) -> None:
    """The last part, in lower case, with a tag."""
    assert library_name(model) == name


def test_looking_up_is_remembered_within_bounds() -> None:
    """Many names, long names: a cache that stays small, and no work for nonsense."""
    families = Families.load()
    first = families.of("qwen2.5-coder:7b")
    assert families.of("qwen2.5-coder:7b") is first
    for number in range(3000):
        families.of(f"model-{number}")
    assert families._cached.cache_info().currsize <= 1024
    assert families.of("qwen2.5-coder:" + "x" * 1_000_000) is None
    assert families._cached.cache_info().currsize <= 1024


@pytest.mark.parametrize("name", STOPS)
def test_a_prompt_in_the_form_is_known_again(name: str) -> None:
    """``markers`` is what the parser says of a prompt in the family's own form."""
    family = NAMED[name]
    assert markers(family.prompt(PLAIN)) == family.markers
    assert family.markers in {*(each.name for each in FOREIGN), "codellama", ""}


def test_the_forms_that_the_parser_knows_are_some_familys() -> None:
    """None of the parser's names is one that no family has, but for one mistake."""
    known = {family.markers for family in FAMILIES.known} | {"prefix-first"}
    assert {each.name for each in FOREIGN} < known


# ------------------------------------------------------------------------- markers


@pytest.mark.parametrize("name", STOPS)
def test_markers_in_a_text_become_harmless(name: str) -> None:
    """Each gets a joiner behind its first character, and taking that out undoes it."""
    family = NAMED[name]
    for token in family.tokens:
        text = f"a{token}{token}b"
        neutral = family.neutral(text)
        assert token not in neutral
        assert neutral == text.replace(token, f"{token[0]}\u200d{token[1:]}")
    # All that stands in a prompt around the texts is among them.
    framed = family.prompt(PLAIN).replace("p", "").replace("s", "")
    assert family.neutral(framed) != framed


@given(text=st.text(st.sampled_from("<|fim_prefx>ab\u200d")) | st.text())
def test_a_neutral_text_is_neutral(text: str) -> None:
    """Nothing that is a marker is left, and a text without any is the same object."""
    family = NAMED["qwen-coder"]
    neutral = family.neutral(text)
    assert not any(token in neutral for token in family.tokens)
    assert neutral.replace("\u200d", "") == text.replace("\u200d", "")
    if not any(token in text for token in family.tokens):
        assert neutral is text


def test_a_family_without_markers_changes_nothing() -> None:
    """What a model that chats is shown has no markers to mind."""
    text = "<fim_prefix><|im_start|>"
    assert NAMED["llama"].neutral(text) is text


# ------------------------------------------------------------------------- /api/show


@pytest.mark.parametrize(
    ("name", "template"),
    [
        (
            "qwen-coder",
            "{{- if .Suffix }}<|fim_prefix|>{{ .Prompt }}<|fim_suffix|>{{ .Suffix }}"
            "<|fim_middle|>{{- else }}ORIGINAL{{- end }}",
        ),
        (
            "codellama",
            "{{- if .Suffix }}<PRE> {{ .Prompt }} <SUF>{{ .Suffix }} <MID>"
            "{{- else }}ORIGINAL{{- end }}",
        ),
        (
            "codestral",
            "{{- if .Suffix }}[SUFFIX]{{ .Suffix }}[PREFIX]{{ .Prompt }}"
            "{{- else }}ORIGINAL{{- end }}",
        ),
        # Its last line break is not to be taken away.
        (
            "codegeex4",
            "{{- if .Suffix }}<|user|>\n###MODE:BLOCK\n<|code_suffix|>{{ .Suffix }}"
            "<|code_prefix|>{{ .Prompt }}<|code_middle|><|assistant|>\n"
            "{{ else }}ORIGINAL{{- end }}",
        ),
        ("codellama-instruct", "ORIGINAL"),
        ("llama", "ORIGINAL"),
    ],
)
def test_the_form_as_ollama_would_have_it(name: str, template: str) -> None:
    """A family's form in Go's language, around the model's own template."""
    assert NAMED[name].ollama_template("ORIGINAL") == template


def test_a_template_that_takes_a_suffix_stays() -> None:
    """What Ollama can fill in itself is shown as it is."""
    own = "{{ if .Suffix }}x{{ end }}"
    assert NAMED["qwen-coder"].ollama_template(own) == own


# ------------------------------------------------------------------------- context


def test_context_is_comments_line_by_line() -> None:
    """However lines end, none of another file's gets out of the comments."""
    text = "a\r\nb\rc\n\n\x0cd\u2028e\n \n"
    hole = Hole("p", "s", "", "x.sql", files=(File("a\nb", text),))
    shown = NAMED["codellama"].prompt(hole)
    lines = shown.removeprefix("<PRE> ").removesuffix("p <SUF>s <MID>").split("\n")
    assert lines.pop() == ""
    assert all(line.startswith("--") and line == line.rstrip() for line in lines)
    assert len(shown.splitlines()) == len(lines) + 1


@given(texts=st.lists(st.text(st.sampled_from("{}<>\\n\n a")), min_size=6, max_size=6))
def test_no_text_is_taken_for_a_template(texts: list[str]) -> None:
    """Braces in any value, those of other files too, come out as they went in."""
    prefix, suffix, path, repo, file_path, file_text = texts
    hole = Hole(prefix, suffix, "", path, repo, (File(file_path, file_text),))
    named = f"<|repo_name|>{repo}\n" if repo else ""
    assert NAMED["qwen-coder"].prompt(hole) == (
        f"{named}<|file_sep|>{file_path}\n{file_text}\n<|file_sep|>{path}\n"
        f"<|fim_prefix|>{prefix}<|fim_suffix|>{suffix}<|fim_middle|>"
    )


def test_a_prompt_is_made_by_joining() -> None:
    """A megabyte takes no more steps than a word: its texts are only joined."""

    def calls(hole: Hole) -> int:
        count = 0

        def counted(*_: object) -> None:
            nonlocal count
            count += 1

        sys.setprofile(counted)
        try:
            NAMED["qwen-coder"].prompt(hole)
        finally:
            sys.setprofile(None)
        return count

    calls(ALL)  # the first time compiles
    large = ALL._replace(prefix="x = {1}\n" * 131_072, suffix="y\n" * 524_288)
    assert calls(large) == calls(ALL)
