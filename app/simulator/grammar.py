"""What Ollama's grammar compiler makes of a schema, as seen at a real one.

It looks at the first keyword it knows and forgets the others
(``json-schema-to-grammar.cpp``); what it cannot read is an error, and what its grammar
cannot say ends the runner.
"""

import re
from typing import Any, Literal

Verdict = Literal["", "invalid", "crash"]

#: More repeats of one thing than this the sampler refuses.
REPEATS = 2000
_TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
_ESCAPES = re.compile(r"\\[a-zA-Z]|\(\?")


def verdict(schema: Any) -> Verdict:
    """Nothing for a schema that compiles; else how it fails."""
    return _Compiler(schema).visit(schema)


class _Compiler:
    """One compilation: each definition is visited once."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self.seen: set[str] = set()

    def visit(self, schema: Any) -> Verdict:
        if not isinstance(schema, dict):
            return "invalid"
        if "$ref" in schema:
            return self._reference(schema["$ref"])
        for key in ("oneOf", "anyOf"):
            if key in schema:
                return self._all(schema[key]) if schema[key] else "crash"
        if isinstance(schema.get("type"), list):
            return self._all([{**schema, "type": kind} for kind in schema["type"]])
        if "const" in schema or "enum" in schema:
            return ""
        return self._typed(schema, schema.get("type"))

    def _typed(self, schema: dict[str, Any], kind: Any) -> Verdict:
        additional = schema.get("additionalProperties", True)
        if kind in (None, "object") and (
            "properties" in schema or additional is not True
        ):
            described = [*schema.get("properties", {}).values()]
            return self._all(described + [additional] * isinstance(additional, dict))
        if kind in (None, "object", "string") and "allOf" in schema:
            return ""
        if kind in (None, "array") and ("items" in schema or "prefixItems" in schema):
            each = schema.get("items", schema.get("prefixItems"))
            found = self._all(each if isinstance(each, list) else [each])
            return found or _counted(schema, "minItems", "maxItems")
        if kind in (None, "string") and "pattern" in schema:
            return _pattern(schema["pattern"])
        if kind == "string":
            return _counted(schema, "minLength", "maxLength")
        return "" if kind in _TYPES or schema == {} else "invalid"

    def _all(self, schemas: list[Any]) -> Verdict:
        return next((found for one in schemas if (found := self.visit(one))), "")

    def _reference(self, reference: Any) -> Verdict:
        if reference in self.seen:
            return ""
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return "invalid"
        self.seen.add(reference)
        node = self.root
        for step in reference.split("/")[1:]:
            node = node.get(step) if isinstance(node, dict) else None
        return self.visit(node)


def _counted(schema: dict[str, Any], *names: str) -> Verdict:
    return "crash" if any(schema.get(name, 0) > REPEATS for name in names) else ""


def _pattern(pattern: str) -> Verdict:
    if not (pattern.startswith("^") and pattern.endswith("$")):
        return "invalid"
    # Classes such as \\d are no escapes of a grammar's.
    return "crash" if _ESCAPES.search(pattern.replace("\\x", "")) else ""
