import configparser
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path, PurePosixPath

import pytest
from support.server import PATIENCE, Server, clean_environ, free_port

ROOT = Path(__file__).parents[1]
PACKAGES = ("app", "middleware", "writers")

#: Files that a user's directory may hold; loaded instead of ours, each would say so.
HOSTILE = (
    "app.py",
    "wsgi.py",
    "gunicorn.py",
    "gunicorn.conf.py",
    "gevent.py",
    "flask.py",
    "middleware/__init__.py",
    "writers/__init__.py",
    "pannier/__init__.py",
)


@pytest.fixture(scope="module")
def setup_cfg() -> configparser.ConfigParser:
    """What the package says of itself."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source archive and the wheel built from it, of what the image is built of."""
    out = tmp_path_factory.mktemp("dist")
    source = tmp_path_factory.mktemp("source")
    copy_context(source)
    run("-m", "build", "--no-isolation", "--outdir", str(out), str(source))
    return out


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    """The wheel."""
    return next(dist.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of a clean environment with the wheel and the pinned dependencies."""
    venv = tmp_path_factory.mktemp("venv")
    run("-m", "venv", str(venv))
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    pip += ["--disable-pip-version-check"]
    lock = str(ROOT / "requirements.lock")
    call([*pip, "--require-hashes", "-r", lock])
    call([*pip, "--no-deps", "--no-index", str(wheel)])
    return venv / "bin"


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A working directory full of namesakes that end whatever loads them."""
    for name in HOSTILE:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("raise SystemExit('a hostile file was loaded: ' + __file__)\n")
    return tmp_path


def copy_context(target: Path) -> None:
    """What .dockerignore lets through: a build in the checkout would leave traces."""
    lines = (ROOT / ".dockerignore").read_text().split("\n")
    assert "*" in lines, "it names what is let in"
    for name in (line[1:] for line in lines if line.startswith("!")):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=_PYCACHE)
        elif source.exists():
            shutil.copy(source, target / name)


_PYCACHE = shutil.ignore_patterns("__pycache__")


def run(*arguments: str) -> None:
    """Run Python; its output is the failure's text."""
    call([sys.executable, *arguments])


def call(command: list[str], cwd: Path | None = None, **environ: str) -> str:
    """Run a program that must succeed; returns what it printed."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=clean_environ(**environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def package_directories() -> set[str]:
    """Every directory of ours that holds Python files, as the wheel names it."""
    return {
        ".".join(("pannier", *path.parent.relative_to(ROOT).parts))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
    }


def test_every_package_is_listed(setup_cfg: configparser.ConfigParser) -> None:
    """setup.cfg lists each package directory of the tree, and no other."""
    listed = set(setup_cfg["options"]["packages"].split())
    assert listed == {"pannier"} | package_directories()


def test_the_root_holds_two_python_files() -> None:
    """The wheel takes every .py of the root, so there are exactly these."""
    found = {path.name for path in ROOT.glob("*.py")}
    assert found == {"wsgi.py", "gunicorn.conf.py"}


def test_every_import_within_a_package_is_relative() -> None:
    """``pannier.app`` imports itself relatively: installed, it has another name."""
    wrong = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in (ROOT / "app").rglob("*.py")
        for line in path.read_text().split("\n")
        if re.match(r"\s*(from|import) app\b", line)
    ]
    assert not wrong


@pytest.mark.live
def test_the_wheel_has_one_top_level_name(wheel: Path) -> None:
    """Nothing but ``pannier`` appears in site-packages."""
    names = [PurePosixPath(name).parts[0] for name in zipfile.ZipFile(wheel).namelist()]
    assert {name for name in names if not name.endswith(".dist-info")} == {"pannier"}


@pytest.mark.live
def test_the_wheel_holds_every_file(wheel: Path) -> None:
    """Code and data of the tree are in the wheel, byte for byte, and nothing else."""
    tree = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    expected = tree | {"wsgi.py", "gunicorn.conf.py", "py.typed"}
    archive = zipfile.ZipFile(wheel)
    packed = {
        name.removeprefix("pannier/"): archive.read(name)
        for name in archive.namelist()
        if name.startswith("pannier/")
    }
    assert set(packed) == expected
    assert all(packed[name] == (ROOT / name).read_bytes() for name in expected)


@pytest.mark.live
def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    """Name, licence and Python version are in the wheel's metadata, and the licence."""
    archive = zipfile.ZipFile(wheel)
    metadata = next(n for n in archive.namelist() if n.endswith("/METADATA"))
    said = Parser().parsestr(archive.read(metadata).decode())
    assert said["Name"] == "pannier"
    assert said["License-Expression"] == "MIT"
    assert said["Requires-Python"] == ">=3.11"
    assert any(name.endswith("/LICENSE") for name in archive.namelist())


@pytest.mark.live
def test_the_source_archive_builds(dist: Path) -> None:
    """The source archive holds what a build needs (the wheel was made from it)."""
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"setup.cfg", "pyproject.toml", "LICENSE", "wsgi.py"} <= names


@pytest.mark.live
def test_installed_it_serves_from_a_hostile_directory(
    installed: Path, hostile: Path
) -> None:
    """``pannier serve`` loads our files, whatever lies where it is started."""
    command = [str(installed / "pannier"), "serve"]
    with Server(command=command, cwd=hostile) as server:
        assert "hostile" not in server.output()
        assert "Using worker: Worker" in server.output()


@pytest.mark.live
def test_installed_its_settings_are_checked(installed: Path, hostile: Path) -> None:
    """A typo in the directory's .env stops ``pannier serve`` with exit code 2."""
    (hostile / ".env").write_text("PANNIER_PROT=1\n")
    done = subprocess.run(
        [str(installed / "pannier"), "serve"],
        cwd=hostile,
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "pannier: PANNIER_PROT (in .env) is not a setting of Pannier;"
        " did you mean PANNIER_PORT?\n"
    )


@pytest.mark.live
def test_installed_every_command_ignores_a_hostile_directory(
    installed: Path, hostile: Path
) -> None:
    """``--version``, ``config`` and ``simulate --help`` are immune as well."""
    pannier = str(installed / "pannier")
    assert call([pannier, "--version"], cwd=hostile).startswith("pannier ")
    assert "OLLAMA_URL=" in call([pannier, "config"], cwd=hostile)
    assert "--port" in call([pannier, "simulate", "--help"], cwd=hostile)


@pytest.mark.live
def test_installed_it_runs_with_the_simulator(installed: Path, hostile: Path) -> None:
    """``pannier run`` finds its own simulator from a hostile directory, too."""
    command = [str(installed / "pannier"), "run"]
    nobody = f"http://127.0.0.1:{free_port()}"
    with Server({"OLLAMA_URL": nobody}, command=command, cwd=hostile) as server:
        assert "simulator" in server.output()
        assert "hostile" not in server.output()


def locked(name: str) -> dict[str, str]:
    """The versions in a lock file."""
    text = (ROOT / name).read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", text, re.MULTILINE))


def required(setup_cfg: configparser.ConfigParser) -> list[str]:
    """The requirements of setup.cfg."""
    lines = setup_cfg["options"]["install_requires"].splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_the_lock_fits_the_ranges(setup_cfg: configparser.ConfigParser) -> None:
    """Each requirement of setup.cfg is pinned to a version that it allows."""
    requirements = pytest.importorskip("packaging.requirements")
    versions = locked("requirements.lock")
    for line in required(setup_cfg):
        requirement = requirements.Requirement(line)
        assert requirement.specifier.contains(versions[requirement.name])


def test_the_locks_agree() -> None:
    """What both lock files name they pin to the same version."""
    runtime, test = locked("requirements.lock"), locked("requirements-test.lock")
    assert {n: v for n, v in test.items() if n in runtime} == {
        n: v for n, v in runtime.items() if n in test
    }


def test_the_test_lock_holds_what_tests_ask_for() -> None:
    """Each name of requirements-test.in is pinned."""
    lines = (ROOT / "requirements-test.in").read_text().split("\n")
    names = {re.split(r"[^a-z-]", line)[0] for line in lines if line[:1].isalpha()}
    assert names <= set(locked("requirements-test.lock"))
    assert {"pytest", "mypy", "ruff"} <= names


LOCKS = sorted(path.name for path in ROOT.glob("requirements*.lock"))


@pytest.mark.parametrize("name", LOCKS)
def test_the_locks_are_complete_and_anonymous(name: str) -> None:
    """Every pin has hashes; no address and no path of anybody's is in the file."""
    text = (ROOT / name).read_text()
    pins = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    # One name may have two pins, for different Pythons.
    assert {pin.partition("==")[0] for pin in pins} == set(locked(name))
    assert all("--hash=sha256:" in pin for pin in pins)
    assert not re.search(r"https?:|--index|--find|/", text)


@pytest.mark.parametrize("unwanted", ["niquests", "gunicorn-h1c", "gunicorn_h1c"])
def test_the_lock_holds_nothing_unwanted(unwanted: str) -> None:
    """Packages that were decided against do not come in by another's door."""
    assert unwanted not in locked("requirements.lock")
