import os
from pathlib import Path
from socket import gethostname

import msgspec
import pytest

from app.in_force import in_force
from app.settings import Settings, SettingsError, options


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    """Where the settings look for a .env file."""
    return tmp_path / ".env"


@pytest.fixture
def read(env_file: Path):
    """Settings of an environment, and of a .env file's text."""

    def read(environ: dict[str, str] | None = None, text: str = "") -> Settings:
        env_file.write_text(text)
        return Settings.from_environ(environ or {}, env_file)

    return read


def refusal(read, environ=None, text="") -> str:
    """The sentence with which settings are refused."""
    with pytest.raises(SettingsError) as caught:
        read(environ, text)
    return str(caught.value)


def test_defaults(read) -> None:
    """Nothing set means loopback, port 8080, Ollama's own address."""
    settings = read()
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.upstream_url == "http://127.0.0.1:11434"
    assert settings.workers == 1


def test_no_file_is_no_error(tmp_path: Path) -> None:
    """A missing .env means none."""
    assert Settings.from_environ({}, tmp_path / "none").port == 8080


def test_frozen() -> None:
    """Settings cannot be changed once they are read."""
    with pytest.raises(AttributeError):
        Settings().port = 1  # type: ignore[misc]


def test_environment_beats_file(read) -> None:
    """The environment wins over .env, .env over the default."""
    text = "PANNIER_PORT=1\nPANNIER_IDLE_TIMEOUT=7\n"
    settings = read({"PANNIER_PORT": "2"}, text)
    assert (settings.port, settings.idle_timeout) == (2, 7.0)


def test_empty_counts_as_unset(read) -> None:
    """A variable set to nothing, as docker compose passes it, means the default."""
    assert read({"PANNIER_PORT": "", "OLLAMA_URL": " "}) == read()


@pytest.mark.parametrize(
    ("environ", "host"),
    [
        ({"HOST": "0.0.0.0"}, "0.0.0.0"),
        ({"HOST": "localhost"}, "localhost"),
        ({"HOST": "::1"}, "::1"),
        ({"HOST": "[::]"}, "::"),
        ({"HOST": "my-laptop"}, "127.0.0.1"),
        ({"HOST": "x86_64-linux-gnu"}, "127.0.0.1"),
        ({"PANNIER_HOST": "my-laptop"}, "my-laptop"),
        ({"PANNIER_HOST": "::1", "HOST": "0.0.0.0"}, "::1"),
    ],
)
def test_host(read, environ: dict[str, str], host: str) -> None:
    """HOST counts only as an address or localhost, PANNIER_HOST always and first."""
    assert read(environ).host == host


@pytest.mark.parametrize(
    ("environ", "port"),
    [({"PORT": "3000"}, 3000), ({"PORT": "3000", "PANNIER_PORT": "4000"}, 4000)],
)
def test_port(read, environ: dict[str, str], port: int) -> None:
    """PORT counts, PANNIER_PORT counts more."""
    assert read(environ).port == port


@pytest.mark.parametrize(
    ("field", "own", "synonym"),
    [
        ("port", ("PANNIER_PORT", "1"), ("PORT", "2")),
        ("host", ("PANNIER_HOST", "::1"), ("HOST", "0.0.0.0")),
        ("upstream_url", ("OLLAMA_URL", "http://a:1"), ("OLLAMA_HOST", "http://b:2")),
    ],
)
def test_the_place_counts_before_the_name(
    read, field: str, own: tuple[str, str], synonym: tuple[str, str]
) -> None:
    """The environment wins over .env under either name; in one place its own name."""
    (name, value), (other, otherwise) = own, synonym
    both = f"{other}={otherwise}\n{name}={value}\n"
    for settings, wanted in (
        (read({other: otherwise}, f"{name}={value}"), otherwise),
        (read({name: value}, f"{other}={otherwise}"), value),
        (read({other: otherwise, name: value}), value),
        (read(text=both), value),
    ):
        assert str(getattr(settings, field)) == wanted


def test_what_does_not_count_leaves_the_file_its_say(read) -> None:
    """An empty name, or a machine's name as HOST, in the environment hides nothing."""
    environ = {"PORT": "", "PANNIER_PORT": "", "HOST": "my-laptop"}
    settings = read(environ, "PANNIER_PORT=7\nHOST=0.0.0.0\n")
    assert (settings.port, settings.host) == (7, "0.0.0.0")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("10.0.0.7", "http://10.0.0.7:11434"),
        ("box:5555", "http://box:5555"),
        (":5555", "http://127.0.0.1:5555"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8000", "http://127.0.0.1:8000"),
        ("[::]:8000", "http://[::1]:8000"),
        ("::1", "http://[::1]:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("http://box", "http://box:80"),
        ("https://box", "https://box:443"),
        ("https://box:1/ollama/", "https://box:1/ollama"),
        ("box/path", "http://box:11434/path"),
        ('"box:1"', "http://box:1"),
        ("box:nonsense", "http://box:11434"),
        ("box:65536", "http://box:11434"),
        ("ollama.com", "https://ollama.com:443"),
    ],
)
def test_ollama_host(read, host: str, url: str) -> None:
    """OLLAMA_HOST means what it means to Ollama; 'all interfaces' is loopback."""
    assert read({"OLLAMA_HOST": host}).upstream_url == url


def test_ollama_url_beats_ollama_host(read) -> None:
    """OLLAMA_URL is ours and wins; its slash at the end does not count."""
    environ = {"OLLAMA_URL": "https://one/base/", "OLLAMA_HOST": "two"}
    assert read(environ).upstream_url == "https://one/base"


@pytest.mark.parametrize("text", ["true", "1", "on", "Yes", "TRUE"])
def test_true(read, text: str) -> None:
    """A switch is on in every usual spelling."""
    assert read({"PANNIER_ACCESS_LOG": text}).access_log is True


@pytest.mark.parametrize("text", ["false", "0", "off", "No", "FALSE"])
def test_false(read, text: str) -> None:
    """A switch is off in every usual spelling."""
    assert read({"PANNIER_ACCESS_LOG": text}).access_log is False


@pytest.mark.parametrize(
    ("variable", "text", "sentence"),
    [
        (
            "PANNIER_PORT",
            "x",
            "PANNIER_PORT='x': a whole number from 0 to 65535 is wanted.",
        ),
        ("PORT", "65536", "PORT='65536': a whole number from 0 to 65535 is wanted."),
        (
            "WEB_CONCURRENCY",
            "0",
            "WEB_CONCURRENCY='0': a whole number from 1 to 256 is wanted.",
        ),
        (
            "PANNIER_IDLE_TIMEOUT",
            "nan",
            "PANNIER_IDLE_TIMEOUT='nan': a number of seconds above 0,"
            " at most 31536000 is wanted.",
        ),
        (
            "PANNIER_TOTAL_TIMEOUT",
            "-1",
            "PANNIER_TOTAL_TIMEOUT='-1': a number of seconds from 0 to 31536000"
            " is wanted.",
        ),
        (
            "PANNIER_MAX_BODY_BYTES",
            "64m",
            "PANNIER_MAX_BODY_BYTES='64m': a whole number of bytes of 1024 or more"
            " is wanted.",
        ),
        ("PANNIER_THINK", "on", "PANNIER_THINK='on': one of 'auto', 'off' is wanted."),
        (
            "PANNIER_ACCESS_LOG",
            "maybe",
            "PANNIER_ACCESS_LOG='maybe': 'true' or 'false' is wanted.",
        ),
        (
            "PANNIER_HOST",
            "http://x",
            "PANNIER_HOST='http://x': an IP address or a host name is wanted.",
        ),
    ],
)
def test_a_wrong_value_is_named(read, variable, text, sentence) -> None:
    """The sentence names the variable that was set, its value, and what is wanted."""
    assert refusal(read, {variable: text}) == sentence


@pytest.mark.parametrize(
    ("variable", "good", "bad"),
    [
        ("PANNIER_ALLOWED_HOSTS", "*", "https://llm.example.org"),
        ("PANNIER_ALLOWED_HOSTS", "a.example:80, *.lan,[2001:db8::1]", "a b"),
        ("PANNIER_ALLOWED_HOSTS", ",10.0.0.*,", "m\u00fcnchen.example"),
        ("PANNIER_ORIGINS", "*", "app.example.org"),
        ("PANNIER_ORIGINS", "https://*.example:*, app://x", "https://a.example/path"),
        ("PANNIER_ORIGINS", "chrome-extension://*,", "null"),
        ("PANNIER_TRUSTED_PROXIES", "127.0.0.1, unix", "proxy.example.org"),
        ("PANNIER_TRUSTED_PROXIES", "10.0.0.0/8,2001:db8::/32", "10.0.0.1/8"),
        ("PANNIER_TRUSTED_PROXIES", ",", "*"),
    ],
)
def test_lists(read, variable: str, good: str, bad: str) -> None:
    """A list that holds something else is refused in one line that names the entry."""
    assert good in msgspec.to_builtins(read({variable: good})).values()
    sentence = refusal(read, {variable: f"{good},{bad}"})
    assert sentence.startswith(f"{variable}: {bad!r} is no ")
    assert "\n" not in sentence


@pytest.mark.parametrize("text", ["inf", "0", "1e300", "30s", "five"])
def test_seconds(read, text: str) -> None:
    """What is no usable time is refused."""
    refusal(read, {"PANNIER_IDLE_TIMEOUT": text})


@pytest.mark.parametrize(
    "url",
    [
        "localhost:11434",
        "ftp://x",
        "http://",
        "http://x:99999",
        "http://x:0",
        "http://x/?a=secret",
        "http://x/#secret",
        "http://user:secret@x",
        "http://x/ secret",
        "http://[secret",
        "http://x\nsecret",
    ],
)
def test_bad_url(read, url: str) -> None:
    """A URL that cannot be used is refused in one line that does not repeat it."""
    sentence = refusal(read, {"OLLAMA_URL": url})
    assert sentence.startswith("OLLAMA_URL: ")
    assert "secret" not in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("key", ["se cret", "secret\x00", "secrét", "se\ncret"])
def test_bad_api_key(read, key: str) -> None:
    """A key that no header can carry is refused and not shown."""
    sentence = refusal(read, {"OLLAMA_API_KEY": key})
    assert sentence.startswith("OLLAMA_API_KEY: ")
    assert "cr" not in sentence.removeprefix("OLLAMA_API_KEY: ")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("PANNIER_PROT", "PANNIER_PORT"),
        ("PANNIER_IDLE_TIMOUT", "PANNIER_IDLE_TIMEOUT"),
        ("PANNIER_WORKERS", "WEB_CONCURRENCY"),
        ("PANNIER_OLLAMA_URL", "OLLAMA_URL"),
        ("PANNIER_UPSTREAM_URL", "OLLAMA_URL"),
    ],
)
def test_a_wrong_name_suggests_the_right_one(read, name: str, meant: str) -> None:
    """A typo in a name stops the start and says which name was meant."""
    sentence = refusal(read, {name: "1"})
    assert sentence == f"{name} is not a setting of Pannier; did you mean {meant}?"


def test_an_unknown_name(read) -> None:
    """A name like none of ours points to the list."""
    assert "'pannier config'" in refusal(read, {"PANNIER_ZZZ": "1"})


def test_other_names_are_others(read) -> None:
    """Names without our prefix are nobody's typo."""
    assert read({"APP_SECRET": "x", "OLLAMA_MODELS": "/x"}) == read()


def test_mistakes_in_the_file_say_so(read) -> None:
    """A mistake of .env is looked for in .env."""
    assert refusal(read, text="PANNIER_PORT=x").startswith("PANNIER_PORT (in .env)='x'")
    assert refusal(read, text="PANNIER_PROT=1").startswith("PANNIER_PROT (in .env) is")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("OLLAMA_API_KEY=abc", "abc"),
        ("export OLLAMA_API_KEY=abc", "abc"),
        ("  OLLAMA_API_KEY = abc  ", "abc"),
        ("OLLAMA_API_KEY=abc  # a comment", "abc"),
        ("OLLAMA_API_KEY= # only a comment", ""),
        ("OLLAMA_API_KEY=abc#def", "abc#def"),
        ("OLLAMA_API_KEY='abc#def' # a comment", "abc#def"),
        ('OLLAMA_API_KEY="abc"', "abc"),
        ("OLLAMA_API_KEY=a=b", "a=b"),
        ("\ufeffOLLAMA_API_KEY=abc\r", "abc"),
        ("#OLLAMA_API_KEY=abc", ""),
        ("\n\n", ""),
        ("OLLAMA_API_KEY=abc\nOLLAMA_API_KEY=def", "def"),
    ],
)
def test_env_file(read, line: str, value: str) -> None:
    """.env is read as docker compose reads it."""
    assert read(text=line + "\n").upstream_api_key == value


@pytest.mark.parametrize("line", ["secret", "=secret", "A-B=secret", "A='secret"])
def test_bad_env_file(read, env_file: Path, line: str) -> None:
    """A line that is none is named by its number and not shown."""
    sentence = refusal(read, text=f"# first\n{line}\n")
    assert sentence == f"Line 2 of {env_file} is not of the form NAME=value."


def test_unreadable_env_file(tmp_path: Path) -> None:
    """A .env that cannot be read is a sentence, too."""
    with pytest.raises(SettingsError, match="cannot be read"):
        Settings.from_environ({}, tmp_path)


def test_the_example_file_is_valid(read) -> None:
    """.env.example names settings that exist, with values that are the defaults."""
    root = Path(__file__).parents[2]
    lines = (root / ".env.example").read_text().splitlines()
    given = "\n".join(line[1:] for line in lines if "=" in line.partition(" ")[0])
    assert given.count("\n") >= 4
    assert read(text=given) == read()


def test_state_dir(read, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state directory follows XDG, and only ~ is expanded in it."""
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert read().state_dir == "/home/me/.local/state/pannier"
    assert read({"PANNIER_STATE_DIR": "~/x/$Y"}).state_dir == "/home/me/x/$Y"
    assert read({"PANNIER_STATE_DIR": "x/../y"}).state_dir == "x/../y"
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert read().state_dir == "/state/pannier"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert read().state_dir == "/home/me/.local/state/pannier"


def test_every_option_is_documented() -> None:
    """Each field of the struct has its variable and a help text, once."""
    rows = options()
    assert [row.field for row in rows] == list(Settings.__struct_fields__)
    assert len({row.variable for row in rows}) == len(rows)
    assert all(row.help for row in rows)


def test_in_force(env_file: Path) -> None:
    """What is in force is shown with its source, and secrets are masked."""
    env_file.write_text("OLLAMA_API_KEY=geheim\n")
    rows = {r.option.field: r for r in in_force({"PORT": "1"}, env_file)}
    assert (rows["port"].shown, rows["port"].source) == ("1", "PORT in the environment")
    assert rows["access_log"].shown == "true"
    assert rows["access_log"].source == "default"
    key = rows["upstream_api_key"]
    assert (key.shown, key.source) == ("********", "OLLAMA_API_KEY in .env")


def test_defaults_fit_their_own_types() -> None:
    """Every default passes the check that a user's value must pass."""
    msgspec.convert(msgspec.to_builtins(Settings()), Settings)


def test_the_real_environment_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without arguments the process's environment and ./.env count."""
    for name in [n for n in os.environ if n.startswith(("PANNIER_", "OLLAMA_"))]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("PORT", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PANNIER_IDLE_TIMEOUT", "3")
    (tmp_path / ".env").write_text("PANNIER_PORT=9\n")
    settings = Settings.from_environ()
    assert (settings.port, settings.idle_timeout) == (9, 3.0)


@pytest.mark.parametrize(
    "environ",
    [
        {"OLLAMA_HOST": "127.0.0.1:8080"},
        {"OLLAMA_URL": "http://localhost:8080"},
        {"OLLAMA_URL": "http://127.0.0.1:9", "PANNIER_PORT": "9"},
        {"OLLAMA_HOST": "0.0.0.0:8080", "PANNIER_HOST": "0.0.0.0"},
        {"OLLAMA_URL": "http://10.1.2.3:8080", "PANNIER_HOST": "10.1.2.3"},
        {"OLLAMA_URL": "http://127.0.0.2:8080"},
        {"OLLAMA_URL": "http://LOCALHOST.:8080"},
        {"OLLAMA_URL": "http://a.localhost:8080"},
        {"OLLAMA_URL": "http://2130706433:8080"},
        {"OLLAMA_URL": "http://0x7f.1:8080"},
        {"OLLAMA_URL": "http://0:8080"},
        {"OLLAMA_URL": "http://[::ffff:127.0.0.1]:8080"},
        {"OLLAMA_URL": "http://[::1]:8080"},
        {"OLLAMA_URL": "http://127.9.9.9:8080", "PANNIER_HOST": "0.0.0.0"},
        {"OLLAMA_URL": f"http://{gethostname()}.:8080", "PANNIER_HOST": "0.0.0.0"},
    ],
)
def test_pannier_is_not_its_own_upstream(read, environ: dict[str, str]) -> None:
    """An upstream that is Pannier's own address would call itself without end."""
    with pytest.raises(SettingsError, match="Pannier itself listens"):
        read(environ)


@pytest.mark.parametrize(
    "environ",
    [
        {"OLLAMA_URL": "http://127.0.0.1:11434"},
        {"OLLAMA_URL": "http://ollama.example:8080", "PANNIER_HOST": "0.0.0.0"},
        {"OLLAMA_URL": "http://192.0.2.7:8080", "PANNIER_HOST": "0.0.0.0"},
        {"OLLAMA_URL": "http://10.1.2.4:8080", "PANNIER_HOST": "10.1.2.3"},
        {"OLLAMA_URL": "http://127.0.0.1:8080", "PANNIER_HOST": "10.1.2.3"},
        {"OLLAMA_URL": f"http://{gethostname()}x:8080", "PANNIER_HOST": "0.0.0.0"},
    ],
)
def test_what_is_no_address_of_panniers(read, environ: dict[str, str]) -> None:
    """An upstream on another port or machine is taken as it is."""
    assert read(environ).upstream_url == environ["OLLAMA_URL"]


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/api", "/x/api/"])
def test_the_address_of_an_api_is_not_ollamas(read, path: str) -> None:
    """The commonest mistake in the URL has a sentence of its own."""
    with pytest.raises(SettingsError, match="without /v1 or /api"):
        read({"OLLAMA_URL": f"http://127.0.0.1:11434{path}"})
