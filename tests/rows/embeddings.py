"""Embeddings: the rows of the specification (other endpoints, section 3)."""

from .seen import Case, Ignores, answers, calls, each, lacks, refuses, row, says, sends

#: The table names no classes: what it refuses is E, what it ignores I, all else H.
SPECIFIED = """
H input string
H input array of strings
H input tokens
E input of another type
H model
H dimensions
H encoding_format
I user
H options
H truncate
H keep_alive
H many inputs
"""

ROWS = [
    row(
        "H",
        "input string",
        Case({"input": "a"}, sends(input="a"), each("index", 0)),
        Case({"input": ""}, sends(input=[""]), each("index", 0)),
    ),
    row(
        "H",
        "input array of strings",
        Case(
            {"input": ["a", "", "b"]},
            sends(input=["a", "", "b"]),
            each("index", 0, 1, 2),
        ),
        *[Case({"input": none}, refuses("input")) for none in ([], None)],
    ),
    row(
        "H",
        "input tokens",
        *[
            Case({"input": tokens}, refuses("input", "unsupported_value"))
            for tokens in ([1, 2], [[1], [2, 3]])
        ],
    ),
    row(
        "E",
        "input of another type",
        *[
            Case({"input": other}, refuses("input", "invalid_type"))
            for other in ({}, {"a": 1}, 5, 1.5, True, [None], [{}], ["a", 5])
        ],
    ),
    row(
        "H",
        "model",
        Case({"model": "m:x"}, sends(model="m:x"), answers("model", "m:x")),
    ),
    row(
        "H",
        "dimensions",
        Case({"dimensions": 2}, sends(dimensions=2)),
        Case({"dimensions": 0}, refuses("dimensions", "integer_below_min_value")),
    ),
    row(
        "H",
        "encoding_format",
        Case({"dimensions": 3}, each("embedding", [0.5, 0.25, -1.0])),
        Case(
            {"dimensions": 3, "encoding_format": "Float"},
            each("embedding", [0.5, 0.25, -1.0]),
        ),
        Case(
            {"dimensions": 3, "encoding_format": "base64"},
            each("embedding", "AAAAPwAAgD4AAIC/"),
        ),
        Case(
            {"encoding_format": "int8"},
            refuses("encoding_format"),
            says(
                lambda seen: seen.answer.error["message"].startswith(
                    "Invalid value for 'encoding_format' = int8."
                )
            ),
        ),
    ),
    row("I", "user", Case({"user": "ann"}, Ignores("user"), lacks("user"))),
    row(
        "H",
        "options",
        Case({"options": {"num_ctx": 512}}, sends(options={"num_ctx": 512})),
    ),
    row("H", "truncate", Case({"truncate": False}, sends(truncate=False))),
    row("H", "keep_alive", Case({"keep_alive": "5m"}, sends(keep_alive="5m"))),
    row(
        "H",
        "many inputs",
        Case({"input": ["a"] * 2049}, refuses("input")),
        Case({"input": ["a"] * 3}, refuses("input"), max_embedding_inputs=2),
        Case(
            {"input": list("abcde")},
            calls(input=[["a", "b"], ["c", "d"], ["e"]]),
            each("index", 0, 1, 2, 3, 4),
            answers("usage.total_tokens", 5),
            embedding_batch=2,
        ),
    ),
]
