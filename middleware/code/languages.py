"""Languages: what a file is written in, and the sign of a line comment there.

Names are as people write them; a name may be asked for as editors write it (``cpp``,
``typescriptreact``, ``BAT file``).
"""

from typing import NamedTuple

#: The sign where nobody knows better.
_DEFAULT = "#"


class _Language(NamedTuple):
    """``files`` are extensions with their dot, and whole names; ``also``, other names.

    All are in lower case and have a blank between them.  An extension without its dot
    is a name too, if no language is called so.
    """

    name: str
    sign: str
    files: str
    also: tuple[str, ...] = ()


_LANGUAGES = (
    _Language("Ada", "--", ".adb .ads"),
    _Language("Assembly", ";", ".asm .s", ("assembler", "nasm")),
    _Language("Awk", "#", ".awk"),
    _Language("Bash", "#", ".bash .bashrc .bash_profile"),
    _Language("Batch", "REM", ".bat .cmd", ("bat file", "batchfile")),
    _Language("Bazel", "#", ".bzl build.bazel workspace.bazel", ("starlark",)),
    _Language("C", "//", ".c .h"),
    _Language("C#", "//", ".cs .csx", ("csharp",)),
    _Language("C++", "//", ".cpp .cc .cxx .c++ .hpp .hh .hxx .h++ .ipp .inl"),
    _Language("Clojure", ";", ".clj .cljs .cljc .edn"),
    _Language("CMake", "#", ".cmake cmakelists.txt"),
    _Language("Common Lisp", ";", ".lisp .lsp .cl", ("lisp",)),
    _Language("Crystal", "#", ".cr"),
    _Language("CSS", "//", ".css"),
    _Language("CUDA", "//", ".cu .cuh", ("cuda-cpp",)),
    _Language("Dart", "//", ".dart"),
    _Language("Dockerfile", "#", ".dockerfile dockerfile containerfile", ("docker",)),
    _Language("Elixir", "#", ".ex .exs"),
    _Language("Elm", "--", ".elm"),
    _Language("Emacs Lisp", ";", ".el"),
    _Language("Erlang", "%", ".erl .hrl"),
    _Language("F#", "//", ".fs .fsi .fsx", ("fsharp",)),
    _Language("Fish", "#", ".fish"),
    _Language("Fortran", "!", ".f90 .f95 .f03 .f08", ("fortran-modern",)),
    _Language("Gleam", "//", ".gleam"),
    _Language("GLSL", "//", ".glsl .vert .frag"),
    _Language("Go", "//", ".go", ("golang",)),
    _Language("GraphQL", "#", ".graphql .gql"),
    _Language("Groovy", "//", ".groovy .gradle jenkinsfile"),
    _Language("Haskell", "--", ".hs .lhs"),
    _Language("HTML", "#", ".html .htm"),
    _Language("INI", ";", ".ini .cfg"),
    _Language("Java", "//", ".java"),
    _Language("JavaScript", "//", ".js .jsx .mjs .cjs", ("javascriptreact",)),
    _Language("JSON", "//", ".json .jsonc .json5"),
    _Language("Julia", "#", ".jl"),
    _Language("Kotlin", "//", ".kt .kts .ktm"),
    _Language("LaTeX", "%", ".tex .sty .cls .bib", ("bibtex",)),
    _Language("Less", "//", ".less"),
    _Language("Lua", "--", ".lua"),
    _Language("Makefile", "#", ".mk makefile gnumakefile", ("make",)),
    _Language("Markdown", "#", ".md .markdown"),
    _Language("MATLAB", "%", "", ("octave",)),
    _Language("Nim", "#", ".nim"),
    _Language("Nix", "#", ".nix"),
    _Language("Objective-C", "//", ".m .mm", ("objective c", "objective-cpp")),
    _Language("OCaml", "#", ".ml .mli"),
    _Language("Pascal", "//", ".pas .pp", ("delphi", "objectpascal")),
    _Language("Perl", "#", ".pl .pm"),
    _Language("PHP", "//", ".php .phtml"),
    _Language("PowerShell", "#", ".ps1 .psm1 .psd1"),
    _Language("Prolog", "%", ".pro .prolog"),
    _Language("Protocol Buffers", "//", ".proto", ("protobuf", "proto3")),
    _Language("Python", "#", ".py .pyi .pyw .pyx"),
    _Language("R", "#", ".r"),
    _Language("Racket", ";", ".rkt"),
    _Language("Ruby", "#", ".rb .rake .gemspec gemfile rakefile vagrantfile"),
    _Language("Rust", "//", ".rs"),
    _Language("Sass", "//", ".sass"),
    _Language("Scala", "//", ".scala .sc .sbt"),
    _Language("Scheme", ";", ".scm .ss"),
    _Language("SCSS", "//", ".scss"),
    _Language("Shell", "#", ".sh .zsh .ksh .profile .zshrc", ("shellscript",)),
    _Language("Solidity", "//", ".sol"),
    _Language("SQL", "--", ".sql"),
    _Language("Svelte", "//", ".svelte"),
    _Language("Swift", "//", ".swift"),
    _Language("Tcl", "#", ".tcl"),
    _Language("Terraform", "#", ".tf .tfvars .hcl"),
    _Language("TOML", "#", ".toml"),
    _Language("TypeScript", "//", ".ts .tsx .mts .cts", ("typescriptreact",)),
    _Language("Verilog", "//", ".v .sv .svh", ("systemverilog",)),
    _Language("VHDL", "--", ".vhd .vhdl"),
    _Language("Vim script", '"', ".vim .vimrc", ("viml", "vimscript")),
    _Language("Visual Basic", "'", ".vb .bas .vbs", ("visualbasic",)),
    _Language("Vue", "//", ".vue"),
    _Language("XML", "#", ".xml .xsd .xsl .svg"),
    _Language("YAML", "#", ".yaml .yml"),
    _Language("Zig", "//", ".zig"),
)

#: By extension with its dot, or whole name of a file.
_BY_FILE = {file: each for each in _LANGUAGES for file in each.files.split()}
#: By name; the language's own name counts before any other.
_BY_NAME = (
    {file.removeprefix("."): each for file, each in _BY_FILE.items()}
    | {other: each for each in _LANGUAGES for other in each.also}
    | {each.name.lower(): each for each in _LANGUAGES}
)


def language_of(path: str) -> str:
    """The language of the file there, by its name alone; nothing if that is unclear."""
    found = _by_path(path)
    return found.name if found else ""


def comment_sign(language: str, path: str) -> str:
    """What begins a line comment: by the language, else by the path, else ``#``."""
    found = _BY_NAME.get(language.strip().lower()) or _by_path(path)
    return found.sign if found else _DEFAULT


def _by_path(path: str) -> _Language | None:
    """By the file's whole name, its extension, or what stands before its first dot.

    The last is for such as ``Dockerfile.dev``.
    """
    name = path.replace("\\", "/").rpartition("/")[2].lower()
    stem, _, _ = name.partition(".")
    dot, extension = name.rpartition(".")[1:]
    return _BY_FILE.get(name) or _BY_FILE.get(dot + extension) or _BY_FILE.get(stem)
