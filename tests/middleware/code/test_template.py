import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.gateway.template import FILE_HOLES, HOLES, Template, TemplateError
from middleware.code.hole import Hole

FULL = Hole("pre", "suf", "Python", "a/b.py", "repo")
EMPTY = Hole("pre", "suf")

#: Template, hole, extra, what comes out.
RENDERED = [
    ("{code_prefix}", FULL, "", "pre"),
    ("{code_prefix}{code_suffix}", FULL, "", "presuf"),
    ("{code_prefix}{code_prefix}", FULL, "", "prepre"),
    ("{code_language} {code_file_path} {repo_name} {extra} {code_prefix}", FULL, "X",
     "Python a/b.py repo X pre"),
    # Text, breaks, braces, tokens.
    ("a{\\n}b{\\t}{{c}} {code_prefix}", FULL, "", "a\nb\t{c} pre"),
    ("{{{code_prefix}}}", FULL, "", "{pre}"),
    ("{{code_prefix}} {code_prefix}", FULL, "", "{code_prefix} pre"),
    ("{<fim_prefix>}{code_prefix}{<|x|>}", FULL, "", "<fim_prefix>pre<|x|>"),
    ("{<[fim-prefix]>}{code_prefix}", FULL, "", "<[fim-prefix]>pre"),
    ("{<\uff5cfim\u2581begin\uff5c>}{code_prefix}", FULL, "",
     "<\uff5cfim\u2581begin\uff5c>pre"),
    ("{{<a>}}{code_prefix}", FULL, "", "{<a>}pre"),
    ("{<bos>}{code_prefix}", FULL, "", "<bos>pre"),
    ("{bos}{code_prefix}{eos}", FULL, "", "pre"),
    ("[SUFFIX]{code_suffix}[PREFIX]{code_prefix}", FULL, "", "[SUFFIX]suf[PREFIX]pre"),
    # The original's own templates.
    ("{<file_sep>}{<fim_prefix>}{code_file_path}{\\n}{code_prefix}", FULL, "",
     "<file_sep><fim_prefix>a/b.py\npre"),
    ("{<file_sep>}{<fim_prefix>}{code_file_path}{\\n}{code_prefix}", EMPTY, "",
     "<file_sep><fim_prefix>\npre"),
    ("{bos}#language: {code_language}{\\n}{code_prefix}", FULL, "",
     "#language: Python\npre"),
    ("{bos}#language: {code_language}{\\n}{code_prefix}", EMPTY, "", "pre"),
    # Lines without anything to say.
    ("# language: {code_language}\n{code_prefix}", EMPTY, "", "pre"),
    ("# language: {code_language}\r\n{code_prefix}", EMPTY, "", "pre"),
    ("{code_language} in {code_file_path}{\\n}{code_prefix}",
     EMPTY._replace(path="x"), "", " in x\npre"),
    ("{code_language} in {code_file_path}{\\n}{code_prefix}", EMPTY, "", "pre"),
    ("# nothing{\\n}{code_prefix}", EMPTY, "", "# nothing\npre"),
    ("{\\n}{\\n}{code_prefix}", EMPTY, "", "\n\npre"),
    ("{code_prefix}{\\n}# {code_language}", EMPTY, "", "pre\n"),
    ("{code_prefix}{\\n}{code_suffix}{\\n}end", Hole(), "", "\n\nend"),
    ("{code_language}{code_prefix}{\\n}end", Hole(), "", "\nend"),
    # Extra context has lines of its own.
    ("{extra}# {code_language}{\\n}{code_prefix}", EMPTY, "X\n", "X\npre"),
    ("{extra}# {code_language}{\\n}{code_prefix}", EMPTY, "", "pre"),
    ("{extra}# {code_language}{\\n}{code_prefix}", FULL, "X\n", "X\n# Python\npre"),
    ("{extra}{\\n}{code_prefix}", EMPTY, "", "pre"),
    ("{extra}{\\n}{code_prefix}", EMPTY, "X", "X\npre"),
    ("a {extra} b{\\n}{code_prefix}", EMPTY, "", "pre"),
    ("a {extra} b{\\n}{code_prefix}", EMPTY, "X", "a X b\npre"),
    ("{code_prefix}{\\n}{extra}", EMPTY, "X", "pre\nX"),
]  # fmt: skip

NO_PREFIX = "the template has no {code_prefix}"
NO_IDS = "token ids cannot be sent through Ollama"
#: Template, and a text that the error has.
WRONG = [
    ("", NO_PREFIX),
    ("{code_suffix}", NO_PREFIX),
    ("{{code_prefix}}", NO_PREFIX),
    ("{code_prefix}{query}", "{query} is no hole"),
    ("{code_prefix}{Code_prefix}", "{Code_prefix} is no hole"),
    ("{code_prefix}{ code_suffix }", "{ code_suffix } is no hole"),
    ("{code_prefix}{}", "{} is no hole"),
    ("{code_prefix}" * 3, "{code_prefix} stands more than twice"),
    ("{code_prefix}{extra}{extra}{extra}", "{extra} stands more than twice"),
    ("{code_prefix}{<}", "{<} is no hole"),
    ("{code_prefix}{<a}", "{<a} is no hole"),
    ("{code_prefix}{file_text}", "{file_text} is no hole"),
    ("{code_prefix}{#123}", NO_IDS),
    ("{#64790}{#64792} #language:{code_language}{\\n}{code_prefix}", NO_IDS),
    ("{code_prefix}{code_suffix", "the brace at character 14 is not closed"),
    ("{code_prefix}{", "the brace at character 14 is not closed"),
    ("{code_{code_prefix}", "the brace at character 1 is not closed"),
    ("{code_prefix}}", "the brace at character 14 closes nothing"),
    ("} {code_prefix}", "the brace at character 1 closes nothing"),
]

#: Texts that mean something in a template, and those of code.
texts = st.text(st.sampled_from('{}\\n<>|#\n\r a"%$é\u2028😀')) | st.sampled_from(
    ["{code_suffix}", "{{", "}}", "{\\n}", "{<fim_middle>}", "{#1}", "%s", "{0}", "\\1"]
)


@pytest.mark.parametrize(("template", "hole", "extra", "expected"), RENDERED)
def test_a_template_is_filled(
    template: str, hole: Hole, extra: str, expected: str
) -> None:
    """Text, breaks, braces, tokens, holes come out; a line without words does not."""
    assert Template(template).filled(hole.values(extra)) == expected


@pytest.mark.parametrize(("template", "reason"), WRONG)
def test_a_wrong_template_says_what_is_wrong(template: str, reason: str) -> None:
    """Each mistake is refused in one sentence that names it."""
    with pytest.raises(TemplateError) as caught:
        Template(template)
    message = str(caught.value)
    assert reason in message
    assert "\n" not in message


def test_an_unknown_hole_is_answered_with_the_known_ones() -> None:
    """Who misspells a hole is told the names that there are."""
    with pytest.raises(TemplateError) as caught:
        Template("{code_prefx}")
    assert all(f"{{{hole}}}" in str(caught.value) for hole in HOLES)


def test_another_kind_of_template_has_other_holes() -> None:
    """A template for a file knows the file's path and text, and needs neither."""
    template = Template("# {file_path}{\\n}{file_text}{\\n}", FILE_HOLES, needed="")
    assert template.filled({"file_path": "a", "file_text": "b"}) == "# a\nb\n"
    assert template.filled({"file_path": "", "file_text": ""}) == "\n"
    with pytest.raises(TemplateError, match="is no hole"):
        Template("{code_prefix}", FILE_HOLES, needed="")


@given(prefix=texts, suffix=texts, language=texts, extra=texts)
def test_what_is_put_in_is_never_looked_into(
    prefix: str, suffix: str, language: str, extra: str
) -> None:
    """Braces in code, paths and context are text, whatever they look like."""
    template = Template(
        "{extra}{<P>}{code_prefix}{<S>}{code_suffix}{<L>}{code_language}"
    )
    hole = Hole(prefix, suffix, language)
    values = hole.values(extra)
    assert template.filled(values) == f"{extra}<P>{prefix}<S>{suffix}<L>{language}"


@given(text=st.text(st.sampled_from("{}<>#\\n1a_\n")) | st.text())
def test_any_text_is_a_template_or_a_template_error(text: str) -> None:
    """A template that someone saves is taken or refused, never a fault of ours."""
    try:
        Template(text + "{code_prefix}").filled(FULL.values())
    except TemplateError as error:
        assert str(error)  # noqa: PT017
