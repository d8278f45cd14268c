import json
import socket
import time
from typing import Any

import pytest

from app.errors import BadRequest
from middleware.schema_checks import MAX_SCHEMA, bounded, check, looks_valid

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[A-Z]"},
        "tags": {"type": "array", "items": {"maxLength": 3}},
        "mail": {"type": "string", "format": "email"},
    },
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"name": "Ann", "tags": ["a"]}', None),
        ('{"name": "\\ud800"}', "at name it does not keep 'pattern'"),
        ('{"name": "ann"}', "at name it does not keep 'pattern'"),
        ('{"name": "A", "tags": ["a", "long"]}', "at tags[1] it does not keep"),
        ('{"name": "A", "mail": "nobody"}', "at mail it does not keep 'format'"),
        ('{"name": "A", "more": 1}', "at the top it does not keep 'additionalProp"),
        ("{}", "at the top it does not keep 'required'"),
        ("[]", "at the top it does not keep 'type'"),
        ("", "it is not JSON"),
        ('{"name": "Ann"', "it is not JSON"),
        ('{"name": "Ann"} {}', "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
    ],
)
def test_verdicts(text: str, problem: str | None) -> None:
    """A check says where a text does not fit, without quoting it."""
    found = check(PERSON, "p")(text)
    if problem is None:
        assert found is None
    else:
        assert found is not None
        assert problem in found


@pytest.mark.parametrize(
    ("schema", "word"),
    [
        ({"type": "txt"}, "at type"),
        ({"properties": {"a": 5}}, "at properties.a"),
        ({"required": "a"}, "required"),
        ({"minimum": "x"}, "minimum"),
        ({"pattern": "("}, "pattern"),
        ({"pattern": "(?=a)b"}, "pattern"),
        ({"pattern": "(a)\\1"}, "pattern"),
        ({"$ref": "#/$defs/none"}, "does not exist"),
        ({"$ref": "http://127.0.0.1:1/x"}, "refers"),
        ({"$ref": "file:///etc/passwd"}, "refers"),
        ({"$ref": "other.json#/a"}, "refers"),
        ({"$ref": "#anchor", "$defs": {"a": {"$anchor": "anchor"}}}, "refers"),
        ({"$dynamicRef": "#a"}, "dynamicRef"),
        ({"$schema": "http://127.0.0.1:1/meta"}, "meta-schema"),
        ({"$defs": {"a": {"$id": "b"}}, "$ref": "#/$defs/a"}, "id"),
        ({"enum": ["x" * MAX_SCHEMA]}, "larger"),
    ],
)
def test_what_is_no_schema(schema: Any, word: str) -> None:
    """What is no schema, or refers elsewhere, is a 400 that names the field."""
    with pytest.raises(BadRequest) as caught:
        check(schema, "some.field")
    assert (caught.value.param, caught.value.code) == ("some.field", "invalid_value")
    assert word in caught.value.message


def test_nothing_is_fetched() -> None:
    """A reference to a server is refused without a connection to it."""
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.settimeout(0.2)
        url = f"http://127.0.0.1:{canary.getsockname()[1]}/schema"
        for schema in ({"$ref": url}, {"$schema": url}, {"$id": url, "$ref": "x"}):
            for look in (check, looks_valid):
                with pytest.raises(BadRequest):
                    look(schema, "p")
        with pytest.raises(TimeoutError):
            canary.accept()


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"items": [{"type": "string"}]}, '["a"]', "[1]"),
        ({"minimum": 3, "exclusiveMinimum": True}, "4", "3"),
        (
            {"$schema": "http://json-schema.org/draft-07/schema#", "const": 1},
            "1",
            "2",
        ),
        (True, "1", "x"),
    ],
)
def test_older_drafts(schema: Any, good: str, bad: str) -> None:
    """Schemas of older drafts are read, with or without saying so."""
    verdict = check(schema, "p")
    assert verdict(good) is None
    assert verdict(bad) is not None


def test_patterns_of_any_dialect_look_valid() -> None:
    """What is never checked may have patterns that could not be."""
    looks_valid({"pattern": "(?=a)b"}, "p")
    with pytest.raises(BadRequest):
        looks_valid({"type": 5}, "p")
    with pytest.raises(BadRequest, match="larger"):
        looks_valid({"enum": ["x" * MAX_SCHEMA]}, "p")


def links(length: int) -> dict[str, Any]:
    """Alternatives of alternatives: 2^length ways to fail."""
    defs: dict[str, Any] = {f"d{length}": {"type": "string"}}
    for number in range(length):
        following = {"$ref": f"#/$defs/d{number + 1}"}
        defs[f"d{number}"] = {"anyOf": [following, {"minLength": number, **following}]}
    return {"$ref": "#/$defs/d0", "$defs": defs}


@pytest.mark.parametrize("length", [30, 20_000])
def test_schemas_that_explode(length: int) -> None:
    """A schema that would take for ever to check is refused at once."""
    begun = time.monotonic()
    with pytest.raises(BadRequest, match="Invalid schema"):
        check(links(length), "p")
    assert time.monotonic() - begun < 5


def test_deep_answers() -> None:
    """An answer that would take for ever to explain is only said not to fit."""

    def node(least: int) -> dict[str, Any]:
        x = {"anyOf": [{"$ref": "#"}, {"type": "string"}]}
        return {"type": "object", "properties": {"x": x, "y": {"minLength": least}}}

    schema = {"anyOf": [node(1), node(2)]}
    text = '{"x":' * 60 + "5" + "}" * 60
    begun = time.monotonic()
    assert check(schema, "p")(text) == "it does not fit the schema"
    assert check(schema, "p")('{"x":5}') != "it does not fit the schema"
    assert time.monotonic() - begun < 5


def test_patterns_do_not_backtrack() -> None:
    """An expression that is a trap for other engines takes no time."""
    verdict = check({"pattern": "^(a+)+$"}, "p")
    begun = time.monotonic()
    assert verdict(json.dumps("a" * 50_000 + "b")) is not None
    assert time.monotonic() - begun < 2


def test_compiled_once() -> None:
    """The same schema is compiled once."""
    assert check(PERSON, "p") is check(dict(PERSON), "q")


def of_patterns(*patterns: str) -> dict[str, Any]:
    """A schema with a property for each pattern."""
    return {"properties": {str(n): {"pattern": p} for n, p in enumerate(patterns)}}


TOO_MUCH = [
    of_patterns(*[f"^(a{{150}}){{150}}{n}$" for n in range(4000)]),
    {"patternProperties": {f"^(a{{150}}){{150}}{n}$": {} for n in range(4000)}},
    of_patterns(*[f"^[\\p{{L}}\\d_-]{{1,64}}{n}$" for n in range(500)]),
    of_patterns(*[f"a{n}" for n in range(9000)]),
    {"items": of_patterns("^" + "a" * 100_000 + "$")},
    of_patterns(*["(" * 50 + "a" + "{9})" * 50 + str(n) for n in range(500)]),
]


@pytest.mark.parametrize("schema", TOO_MUCH)
def test_patterns_cost(schema: Any) -> None:
    """Patterns that would take seconds are refused, and passed over if never used."""
    begun = time.process_time()
    with pytest.raises(BadRequest, match="patterns are too many") as caught:
        check(schema, "some.field")
    assert (caught.value.param, caught.value.code) == ("some.field", "invalid_value")
    looks_valid(schema, "p")
    assert time.process_time() - begun < 1


def test_what_is_passed_over_is_a_schema() -> None:
    """With too many patterns all else is looked at, and nothing is fetched."""
    for more in ({"type": 5}, {"required": "a"}):
        with pytest.raises(BadRequest, match="Invalid schema"):
            looks_valid({**TOO_MUCH[0], **more}, "p")
    looks_valid({**TOO_MUCH[0], "items": [{}]}, "p")
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.settimeout(0.2)
        url = f"http://127.0.0.1:{canary.getsockname()[1]}/schema"
        looks_valid({**TOO_MUCH[0], "$schema": url, "$ref": url}, "p")
        with pytest.raises(TimeoutError):
            canary.accept()


@pytest.mark.parametrize(
    ("pattern", "good"),
    [
        ("^[\\p{L}\\d_-]{1,64}$", "Ann_1"),
        ("^(a{150}){150}$", "a" * 22_500),
        (
            "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
            "0" * 8 + "-0000" * 3 + "-" + "0" * 12,
        ),
    ],
)
def test_patterns_that_may_be(pattern: str, good: str) -> None:
    """Patterns as they are written, and a few large ones, are checked."""
    verdict = check(of_patterns(pattern, *[f"^{n}$" for n in range(300)]), "p")
    assert verdict(json.dumps({"0": good})) is None
    assert verdict(json.dumps({"0": "?"})) is not None


def test_patterns_of_several() -> None:
    """Schemas of one request share what their patterns may cost."""
    one = of_patterns("^[\\p{L}\\d_-]{1,64}$")
    bounded([one, one, {}], "tools")
    with pytest.raises(BadRequest, match="'tools': the patterns"):
        bounded([one] * 9, "tools")


def test_few_large_ones_are_kept() -> None:
    """Of schemas that take much memory only the last ones stay."""
    schemas = [of_patterns(f"^(a{{90}}){{90}}{number}$") for number in range(3)]
    first, _, last = [check(schema, "p") for schema in schemas]
    assert check(schemas[2], "p") is last
    assert check(schemas[0], "p") is not first
