import pytest

from middleware.code.hole import File, Hole
from middleware.code.parser import FOREIGN, Markers, known, markers, parse

#: Language, path, prefix, suffix.
Read = tuple[str, str, str, str]

LLAMA_TS = "<PRE> // Language: Typescript\n// Path: /w/a.ts\nconst a =  <SUF> ;\n <MID>"
LLAMA_HTML = (
    "<PRE> <!-- Language: HTML -->\n<!-- Path: /w/a.html -->\n<div> <SUF> </div> <MID>"
)
TWINNY = (
    "<PRE> \n\n// Language: TypeScript (typescript) \n"
    "// File uri: file:///w/my%20app/a.ts (typescript) \nlet x =  <SUF> \n <MID>"
)
CMP_AI = "<PRE> def f(n)\n    if <SUF>    return ans\n <MID>"

#: The vectors of the specification (code completion, section 3): what we read, and what
#: the original server does, by its rules (section 1.1) and its source.
VECTORS: list[tuple[str, Read, Read]] = [
    ("def quicksort(", ("", "", "def quicksort(", ""), ("", "", "def quicksort(", "")),
    (
        "# Language: Python\n# Path: ~/code/sort.py\ndef quicksort( <SUF> ) <MID>",
        ("Python", "~/code/sort.py", "def quicksort(", ")"),
        ("Python", "~/code/sort.py", "def quicksort(", ")"),
    ),
    (
        "# Language: Python\ndef f(x):",
        ("Python", "", "def f(x):", ""),
        ("Python", "", "def f(x):", ""),
    ),
    ("# Path: a/b.py\nx = ", ("", "a/b.py", "x = ", ""), ("", "a/b.py", "x = ", "")),
    (
        "<PRE> # Language: Python\n# Path: /w/a.py\ndef f( <SUF> ): pass <MID>",
        ("Python", "/w/a.py", "def f(", "): pass"),
        ("Python", "/w/a.py", "def f(", "): pass"),
    ),
    ("def f( <SUF> )", ("", "", "def f(", ")"), ("", "", "def f(", ")")),
    (" <SUF> tail <MID>", ("", "", "", "tail"), ("", "", "", "tail")),
    ("a <SUF>  <MID>", ("", "", "a", ""), ("", "", "a", "")),
    ("x <MID> y <SUF> z", ("", "", "x <MID> y", "z"), ("", "", "x <MID> y", "z")),
    (
        LLAMA_TS,
        ("Typescript", "/w/a.ts", "const a = ", ";\n"),
        ("", "", LLAMA_TS.partition(" <SUF> ")[0], ";\n"),
    ),
    (
        LLAMA_HTML,
        ("HTML", "/w/a.html", "<div>", "</div>"),
        ("", "", LLAMA_HTML.partition(" <SUF> ")[0], "</div>"),
    ),
    (
        TWINNY,
        ("TypeScript", "/w/my app/a.ts", "let x = ", "\n"),
        ("", "", TWINNY.partition(" <SUF> ")[0], "\n"),
    ),
    (
        CMP_AI,
        ("", "", "def f(n)\n    if", "   return ans\n"),
        ("", "", "<PRE> def f(n)\n    if", "   return ans\n"),
    ),
    (
        "# Path: a.py\n# Language: Python\nx",
        ("Python", "a.py", "x", ""),
        ("", "a.py", "# Language: Python\nx", ""),
    ),
    (
        "# Language: Python",
        ("Python", "", "", ""),
        ("Python", "", "# Language: Python", ""),
    ),
    (
        "# Language: C++\n# Path: a.cpp\nint main() { <SUF> } // <MID> tail <MID>",
        ("C++", "a.cpp", "int main() {", "} // <MID> tail"),
        ("C++", "a.cpp", "int main() {", "} //"),
    ),
    (
        "# Language: Python\r\n# Path: a.py\r\nprint(",
        ("Python", "a.py", "print(", ""),
        ("Python\r", "a.py\r", "print(", ""),
    ),
    (
        "// Path: a.ts\nlet x",
        ("", "", "// Path: a.ts\nlet x", ""),
        ("", "", "// Path: a.ts\nlet x", ""),
    ),
]


def read(prompt: str, suffix: str = "", *, strict: bool = False) -> Read:
    """What is read in a prompt, in the order of the specification's table."""
    hole = parse(prompt, suffix, strict=strict)
    assert hole == Hole(hole.prefix, hole.suffix, hole.language, hole.path)
    return hole.language, hole.path, hole.prefix, hole.suffix


@pytest.mark.parametrize(("prompt", "ours", "original"), VECTORS)
def test_vectors(prompt: str, ours: Read, original: Read) -> None:
    """Every vector is read as it is written down, by either parser."""
    assert read(prompt) == ours
    assert read(prompt, strict=True) == original


@pytest.mark.parametrize(
    ("prompt", "want"),
    [
        pytest.param("a <SUF> b", ("", "", "a", "b"), id="no-mid"),
        pytest.param("a<SUF>b<MID>", ("", "", "a", "b"), id="no-blanks"),
        pytest.param("a  <SUF>  b  <MID>", ("", "", "a ", " b "), id="one-blank-each"),
        pytest.param("a <SUF> <MID>", ("", "", "a", ""), id="a-shared-blank"),
        pytest.param("a <SUF> b <MID> \r\n\t", ("", "", "a", "b"), id="blanks-after"),
        pytest.param("a <SUF> b <SUF> c", ("", "", "a", "b <SUF> c"), id="first-suf"),
        pytest.param("a <MID> b", ("", "", "a <MID> b", ""), id="mid-within"),
        pytest.param("a <MID>", ("", "", "a <MID>", ""), id="mid-alone"),
        pytest.param("a <MID>\n", ("", "", "a <MID>\n", ""), id="mid-alone-blanks"),
        pytest.param("<PRE> a <MID>", ("", "", "a", ""), id="pre-mid"),
        pytest.param("<PRE> a", ("", "", "a", ""), id="pre-alone"),
        pytest.param("<PRE>  a", ("", "", " a", ""), id="pre-two-blanks"),
        pytest.param("<PRE> <MID>", ("", "", "", ""), id="pre-mid-nothing"),
        pytest.param("<PRE><MID>", ("", "", "", ""), id="pre-mid-not-even-blanks"),
        pytest.param("<PRE> <SUF> <MID>", ("", "", "", ""), id="nothing-anywhere"),
        pytest.param("x <PRE> a", ("", "", "x <PRE> a", ""), id="pre-within"),
        pytest.param("<pre> a <suf> b", ("", "", "<pre> a <suf> b", ""), id="case"),
        pytest.param(
            "# Language: C\na <MID>", ("C", "", "a", ""), id="mid-after-header"
        ),
        pytest.param(
            "# Lang: C\n# Path: <SUF>\na", ("C", "", "# Path:", "\na"), id="path"
        ),
        pytest.param("# Language: C\n <SUF> b", ("C", "", "", "b"), id="empty-prefix"),
        pytest.param("a\r\n <SUF> \r\nb", ("", "", "a\r\n", "\r\nb"), id="crlf"),
        pytest.param("", ("", "", "", ""), id="nothing"),
    ],
)
def test_markers_in_the_text(prompt: str, want: Read) -> None:
    """A marker takes one blank on each side with it, and counts where it belongs."""
    assert read(prompt) == want


@pytest.mark.parametrize("line", ["Language: {0}", "lang:{0}", "LANGUAGE : {0}  "])
@pytest.mark.parametrize(
    "comment",
    [
        *("#_", "//_", "--_", ";_", "%_", '"_', "'_", "REM _", "rem _", "*_", "\t#_\t"),
        *("<!--_-->", "/*_*/", "(*_*)", "{-_-}"),
    ],
)
def test_language_lines(line: str, comment: str) -> None:
    """A language may stand in a comment of any kind, with blanks or without."""
    opens, _, closes = comment.partition("_")
    for space in ("", " "):
        header = f"{opens}{space}{line.format('F x')}{space}{closes}"
        assert read(f"{header}\ncode") == ("F x", "", "code", "")


@pytest.mark.parametrize(
    "name", ["Path", "File path", "Filepath", "FILE URI", "File", "filename"]
)
def test_path_lines(name: str) -> None:
    """A path has several names, beside a language line, before it or after it."""
    path, language = f"// {name}: a b.c", "-- Lang: C"
    want = ("C", "a b.c", "code", "")
    assert read(f"{path}\n{language}\ncode") == want
    assert read(f"{language}\n{path}\ncode") == want
    alone = f"{path}\ncode"
    assert read(alone) == ("", "", alone, "")


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("/w/a (typescript)", "/w/a"),
        ("/w/a (objective-c++)", "/w/a"),
        ("/w/a  (b)", "/w/a"),
        ("/w/a (html) -->", "/w/a"),
        ("/w/a (1)", "/w/a (1)"),
        ("/w/a(b)", "/w/a(b)"),
        ("/w/a (b) c", "/w/a (b) c"),
        ("  a\tb \t", "a\tb"),
        ("", ""),
        ("file:///w/%C3%BC%20b.c", "/w/ü b.c"),
        ("File:///w/a%2", "/w/a%2"),
        ("file:///w/%FF", "/w/\ufffd"),
        ("file:///c%3A/w/a.c", "c:/w/a.c"),
        ("file://server/w/a.c", "//server/w/a.c"),
        ("/w/my%20a.c", "/w/my%20a.c"),
        (r"C:\w\a.c", r"C:\w\a.c"),
    ],
)
def test_values(text: str, want: str) -> None:
    """A value is trimmed, freed of an identifier behind it, and a path, not a URI."""
    assert read(f"# Path: {text}\ncode") == ("", want, "code", "")


@pytest.mark.parametrize(
    "prompt",
    [
        "Language: C\nx",
        "# Language C\nx",
        "# My Language: C\nx",
        "REMLanguage: C\nx",
        '"language": "C",\nx',
        "x\n# Language: C\n",
        "\n\n\n\n# Language: C\nx",
        "\n\nx",
        " # Path: a\nx",
        "# path: a\nx",
        "#Path: a\nx",
        "# Path: " + 1017 * "a" + "\nx",
        1024 * " " + " \n# Language: C\nx",
    ],
)
def test_what_is_no_header(prompt: str) -> None:
    """Lines that are none stay in the text, and so do the blank lines before them."""
    assert read(prompt) == ("", "", prompt, "")


@pytest.mark.parametrize(
    ("prompt", "want"),
    [
        ("# Lang: C\n# Lang: D\nx", ("C", "", "# Lang: D\nx", "")),
        ("# Path: a\n# Path: b\nx", ("", "a", "# Path: b\nx", "")),
        ("# Lang: C\n# Path: a\n# Lang: D\n", ("C", "a", "# Lang: D\n", "")),
        ("# Lang: C\n\n# Path: a\n", ("C", "", "\n# Path: a\n", "")),
        ("\n \t\r\n\n# Lang: C\n\nx", ("C", "", "\nx", "")),
        ("\n# Path: a\nx", ("", "a", "x", "")),
        ("# Lang:\nx", ("", "", "x", "")),
        ("# Lang: C\u2028x\ny", ("C\u2028x", "", "y", "")),
        ("# Path: " + 1016 * "a" + "\nx", ("", 1016 * "a", "x", "")),
    ],
)
def test_where_a_header_ends(prompt: str, want: Read) -> None:
    """Each line counts once, in a row; a line ends at its line feed only."""
    assert read(prompt) == want


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("body", ["a <SUF> b <MID>", FOREIGN[0].prefix, "", " a\r\n"])
def test_a_suffix_of_its_own(body: str, strict: bool) -> None:
    """A suffix beside the prompt counts; the prompt's body is the prefix as it is."""
    prompt = f"# Language: C\n# Path: a\n{body}"
    assert read(prompt, " s ", strict=strict) == ("C", "a", body, " s ")
    assert read(body, "s", strict=strict) == ("", "", body, "s")


def test_markers_of_others_beside_a_suffix() -> None:
    """A suffix of its own beats other families' markers too, and ours in a header."""
    assert read("# Language: C <MID>", "s") == ("C <MID>", "", "", "s")
    prompt = "<fim_prefix>a<fim_suffix>b<fim_middle>"
    assert read(prompt, "s") == ("", "", prompt, "s")


@pytest.mark.parametrize(
    ("prompt", "want"),
    [
        # The end is sought in the whole prompt: one that comes too early hides others.
        ("x <MID> y <SUF> z <MID>", ("", "", "x <MID> y", "z <MID>")),
        ("a <SUF> <MID>", ("", "", "a", "<MID>")),
        ("a<SUF>b", ("", "", "a<SUF>b", "")),
        ("# Language: a <SUF> b\nc", ("a <SUF> b", "", "c", "b\nc")),
        ("x # Language:  C \ny", (" C ", "", "y", "")),
        ("\n# Language: C\ny", ("", "", "\n# Language: C\ny", "")),
        ("# Language: C\n# Path: a", ("C", "a", "# Language: C\n# Path: a", "")),
        ("# Path: " + 2000 * "a" + "\nx", ("", 2000 * "a", "x", "")),
    ],
)
def test_the_original_s_oddities(prompt: str, want: Read) -> None:
    """Strict is what the original's source does, where that is odd too."""
    assert read(prompt, strict=True) == want


def put(each: Markers, prefix: str, suffix: str) -> str:
    """A hole in another family's form."""
    if each.suffix_first:
        return f"{each.suffix}{suffix}{each.prefix}{prefix}{each.middle}"
    return f"{each.prefix}{prefix}{each.suffix}{suffix}{each.middle}"


@pytest.mark.parametrize("each", FOREIGN)
def test_markers_of_others(each: Markers) -> None:
    """Another family's prompt is read between its markers, byte for byte."""
    texts = " \r\n a <SUF> ", " b <MID> \n"
    header = "// Language: C\n// Path: a.c\n"
    assert markers(put(each, *texts)) == each.name
    assert read(put(each, *texts)) == ("", "", *texts)
    for above in ("", "\n\n"):  # twinny
        prompt = put(each, above + header + texts[0], texts[1])
        assert read(prompt) == ("C", "a.c", *texts)
    assert read(put(each, "", "")) == ("", "", "", "")
    whole = put(each, "# Path: a", "# Language: C\n# Path: b\n")
    assert read(whole) == ("", "a", "", "# Language: C\n# Path: b\n")
    assert read(whole, strict=True)[2] != ""
    if each.middle:
        assert read(f"{put(each, *texts)} \r\n\t") == ("", "", *texts)


@pytest.mark.parametrize("each", FOREIGN)
def test_markers_of_others_out_of_place(each: Markers) -> None:
    """Text with some of the markers, or with all of them elsewhere, is just text."""
    whole = put(each, "a", "b")
    first, second = each.prefix, each.suffix
    spoilt = [f" {whole}", f"x{whole}", first, second, f"{first}{second[:-1]}"]
    spoilt += [each.middle, f"{first}a{each.middle}", f"a{second}b{each.middle}"]
    if each.middle:
        spoilt += [f"{whole}x", f"{first}a{second}b"]
    if each.middle and "fim-prefix]" not in each.prefix:  # which is known both ways
        spoilt += [f"{second}b{first}a{each.middle}"]
    for prompt in spoilt:
        assert markers(prompt) == "", prompt
        assert read(prompt) == ("", "", prompt, "")


QWEN = "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"
STAR = "<fim_prefix>a<fim_suffix>b<fim_middle>"


@pytest.mark.parametrize(
    ("prompt", "want"),
    [
        (f"<|repo_name|>r\n<|file_sep|>x.py\ny\n<|file_sep|>z.py\n{QWEN}", "qwen"),
        (f"<|file_sep|>x.py\ny\n{QWEN}", "qwen"),
        (f"<repo_name>r<file_sep>x.py\ny<file_sep>{STAR}", "starcoder"),
        ("<|file_sep|>x.py\ny\n", ""),
        (f"<|file_sep|>x.py\ny\n{QWEN} and more", ""),
        (f"x.py\n{QWEN}", ""),
    ],
)
def test_files_before_the_place(prompt: str, want: str) -> None:
    """A prompt may begin with files, in the form that its family has for them."""
    assert markers(prompt) == want
    if want:
        assert read(prompt) == ("", "", "a", "b")


@pytest.mark.parametrize(
    ("prompt", "want"),
    [
        ("<PRE> a <SUF>b <MID>", "codellama"),
        ("<PRE>a<SUF>", "codellama"),
        ("# Language: C\na <SUF> b <MID>\r\n \t", "codellama"),
        ("a <SUF> b", ""),
        ("a <SUF> b <MID> c", ""),
        (" <PRE> a <SUF> b", ""),
        ("<PRE> a <MID>", ""),
        ("<PRE>", ""),
        ("a <MID>", ""),
        ("# Language: C\n# Path: a.c\nx", ""),
        ("What do <PRE>, <SUF> and <MID> mean?", ""),
        ("<fim_prefix>, <fim_suffix> and <fim_middle>: what is that?", ""),
        ("Why?", ""),
        (" \n", ""),
        ("", ""),
    ],
)
def test_whose_markers(prompt: str, want: str) -> None:
    """Only a full set of markers, where an editor puts them, makes a prompt code."""
    assert markers(prompt) == want


def test_a_language_that_nobody_said() -> None:
    """A language is inferred from the path, if there is a path and no language."""
    assert known(Hole(path="/w/a.py")).language == "Python"
    assert known(Hole(path="a.py", language="Cython")).language == "Cython"
    assert known(Hole(path="a.unknown")) == Hole(path="a.unknown")
    full = Hole("p", "s", "", "a.go", "r", (File("f", "t"),))
    assert known(full) == full._replace(language="Go")
