import pytest

from middleware.code import languages
from middleware.code.languages import comment_sign, language_of


@pytest.mark.parametrize(
    ("path", "want"),
    [
        ("a.py", "Python"),
        ("/w/my app/a.test.tsx", "TypeScript"),
        (r"C:\w\A.CPP", "C++"),
        ("~/x.d/lib.rs", "Rust"),
        ("Dockerfile", "Dockerfile"),
        ("/w/Dockerfile.dev", "Dockerfile"),
        ("/w/dev.dockerfile", "Dockerfile"),
        ("src/Makefile", "Makefile"),
        ("CMakeLists.txt", "CMake"),
        (".bashrc", "Bash"),
        ("a.h", "C"),
        ("a.unknown", ""),
        ("notes.txt", ""),
        ("/w/a.py/", ""),
        ("/w.py/a", ""),
        ("py", ""),
        ("go", ""),
        ("a.", ""),
        (".", ""),
        ("", ""),
    ],
)
def test_languages_of_paths(path: str, want: str) -> None:
    """A file's name says its language, whatever the folders are called."""
    assert language_of(path) == want


@pytest.mark.parametrize(
    ("language", "path", "want"),
    [
        ("Python", "", "#"),
        ("Typescript", "", "//"),
        ("typescriptreact", "", "//"),
        ("cpp", "", "//"),
        (" C++ ", "", "//"),
        ("Objective C", "", "//"),
        ("SQL", "", "--"),
        ("lua", "a.py", "--"),
        ("LaTeX", "", "%"),
        ("Emacs Lisp", "", ";"),
        ("Vim script", "", '"'),
        ("BAT file", "", "REM"),
        ("bat", "", "REM"),
        ("Visual Basic", "", "'"),
        ("Klingon", "a.hs", "--"),
        ("", "a.go", "//"),
        ("", "", "#"),
        ("Klingon", "a.tlh", "#"),
    ],
)
def test_comment_signs(language: str, path: str, want: str) -> None:
    """The language counts, as a person or an editor writes it, then the path."""
    assert comment_sign(language, path) == want


def test_no_name_means_two_languages() -> None:
    """Each extension, file and name belongs to one language; all are in lower case."""
    table = languages._LANGUAGES
    names = [each.name.lower() for each in table]
    others = [other for each in table for other in each.also]
    files = [file for each in table for file in each.files.split()]
    for some in (names + others, files):
        assert sorted(set(some)) == sorted(some)
    assert [some for some in others + files if some != some.lower()] == []


@pytest.mark.parametrize("each", languages._LANGUAGES, ids=lambda each: each.name)
def test_a_language_knows_its_own(each: languages._Language) -> None:
    """Each language has the sign of its own name, and each of its files is its own."""
    assert comment_sign(each.name, "") == each.sign
    for file in each.files.split():
        path = f"/w/a{file}" if file.startswith(".") else f"/w/{file}"
        assert language_of(path) == each.name
