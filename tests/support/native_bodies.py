"""Bodies for ``/api/generate`` that are Ollama's own affair, whatever they hold.

None is one of the exceptions, which are code: no model, an empty one or ``default``;
markers at the places where a plugin writes them; a suffix that Ollama would refuse, or
lose (specification: code completion, section 2).  The same ones at every run.
"""

import json
import random
from collections.abc import Iterator
from typing import Any

#: A model that can insert and is of no known family; others that cannot.
INSERTS = "tiny"
MODELS = [INSERTS, "tiny-think", "llama3.2", "gemma3", "nobody-has-this:1b"]

#: Prompts with markers, and headers, that are no plugin's, or not all there.
MENTIONS = [
    "What does <SUF> mean?",
    "What do <PRE>, <SUF> and <MID> mean in Code Llama's prompts?",
    "<PRE>",
    "<PRE> is a marker. What is it for?",
    " <MID>",
    "It ends in <MID>",
    "x <MID> y <SUF> z",
    "def f( <SUF> )",
    "# Language: Python",
    "# Language: Python\n# Path: a/b.py\ndef quicksort(",
    "// Language: TypeScript\n// Path: a.ts\nconst a = ",
    "# Path: a.py\nx = 1\n",
    "<!-- Language: HTML -->\n<p>",
    "<pre> <suf> <mid>",
    "<|fim_prefix|>a",
    "<|fim_prefix|>a<|fim_suffix|>b",
    "a<|fim_prefix|>b<|fim_suffix|>c<|fim_middle|>",
    "<fim_prefix>a<fim_suffix>b<fim_middle>c",
    "Which of <fim_prefix>, <fim_suffix>, <fim_middle> comes first?",
    "Is <\uff5cfim\u2581hole\uff5c> a token?",
    "Write [SUFFIX] before [PREFIX]: why?",
    "<EOT>",
    "{{ .Suffix }} and {{ .Prompt }}",
]
PLAIN = [
    "Hi",
    "",
    " ",
    "\n",
    "def add(a, b):\n    return",
    "tabs\tand\r\nCRLF\r\n",
    "\u00fcml\u00e4ut, \u4e2d\u6587, \U0001f999, \u2028",
    '"quotes" \\ and / and <b>&amp;</b>',
    "\x00\x1f\x7f",
    "word " * 2000,
]
#: Further members of a request.
MORE: list[dict[str, Any]] = [
    {},
    {"stream": False},
    {"stream": True},
    {"raw": True},
    {"raw": True, "stream": False},
    {"raw": False, "suffix": ""},
    {"suffix": None},
    {"options": {"temperature": 0, "num_predict": 5, "stop": ["\n", "x"], "seed": 7}},
    {"options": {"num_ctx": 2048, "unheard_of": [1, {"a": None}], "top_p": 1e-3}},
    {"options": None, "format": "json"},
    {"format": {"type": "object", "properties": {"a": {"type": "integer"}}}},
    {"system": "Be short.", "template": "{{ .System }} {{ .Prompt }}"},
    {"context": [1, 2, 3, 4, 5]},
    {"keep_alive": "5m"},
    {"keep_alive": -1, "think": False},
    {"think": True},
    {"think": "high", "stream": False},
    {"logprobs": True, "top_logprobs": 2},
    {"images": ["iVBORw0KGgo="]},
    {"images": []},
    {"truncate": False, "shift": False},
    {"nobody_knows_this": {"deep": [[[]]]}, "": 1},
    {"language": "Python", "path": "a.py", "extra": [], "max_lines": 3},
]
#: What goes in as text, since no encoder writes it.
ODD: dict[str, str | bytes] = {
    "empty": "",
    "blank": " \r\n\t",
    "not-json": "model=tiny&prompt=x",
    "array": '["tiny"]',
    "string": '"tiny"',
    "null": "null",
    "number": "7",
    "open": '{"model":"tiny","prompt":"x"',
    "open-string": '{"model":"tiny","prompt":"x',
    "trailing": '{"model":"tiny","prompt":"x","stream":false} trailing',
    "two": '{"model":"tiny","prompt":"x","stream":false}{"model":"nobody"}',
    "trailing-comma": '{"model":"tiny","prompt":"x",}',
    "comment": '{"model":"tiny"/**/,"prompt":"x"}',
    "single-quotes": "{'model':'tiny'}",
    "nan": '{"model":"tiny","prompt":"x","options":{"temperature":NaN}}',
    "huge": '{"model":"tiny","prompt":"x","options":{"temperature":1e999}}',
    "long-integer": '{"model":"tiny","prompt":"x","options":{"seed":%s}}' % ("9" * 40),
    "blanks": ' \n{ "model" :\t"tiny" , "prompt" : "x",\r\n"stream" : false }\n ',
    "case": '{"Model":"tiny","PROMPT":"x","Stream":false}',
    "upper-case": '{"MODEL":"tiny","pRoMpT":"x","STREAM":false}',
    "twice": '{"model":"nobody","model":"tiny","prompt":"x","stream":false}',
    "twice-in-case": '{"model":"nobody","Model":"tiny","prompt":"x","stream":false}',
    "prompt-twice": '{"model":"tiny","prompt":"x","prompt":"y","stream":false}',
    "options-twice": '{"model":"tiny","prompt":"x","options":{"seed":1},"stream":false,'
    '"options":{"temperature":0}}',
    "null-last": '{"model":"tiny","Model":null,"prompt":"x","stream":false}',
    "null-first": '{"model":null,"Model":"tiny","prompt":"x","stream":false}',
    "model-number": '{"model":7,"prompt":"x"}',
    "model-array": '{"model":["tiny"],"prompt":"x"}',
    "model-object": '{"model":{"name":"tiny"},"prompt":"x"}',
    "model-bad-name": '{"model":"../../etc/passwd","prompt":"x"}',
    "model-long": '{"model":"%s","prompt":"x"}' % ("m" * 2000),
    "prompt-number": '{"model":"tiny","prompt":7}',
    "prompt-null": '{"model":"tiny","prompt":null,"stream":false}',
    "prompt-array": '{"model":"tiny","prompt":["a","b"]}',
    "suffix-number": '{"model":"tiny","prompt":"x","suffix":7}',
    "stream-string": '{"model":"tiny","prompt":"x","stream":"yes"}',
    "options-string": '{"model":"tiny","prompt":"x","options":"none"}',
    "escapes": '{"model":"tiny","prompt":"\\u003cSUF\\u003e \\/ \\u0026"}',
    "escaped-name": '{"\\u006dodel":"t\\u0069ny","prompt":"x","stream":false}',
    "pair": '{"model":"tiny","prompt":"\\ud83e\\udd99","stream":false}',
    "half-pair": '{"model":"tiny","prompt":"a\\ud83e b","stream":false}',
    "other-half": '{"model":"tiny","prompt":"a\\udd99","stream":false}',
    "bad-escape": '{"model":"tiny","prompt":"\\x41"}',
    "control": '{"model":"tiny","prompt":"a\nb"}',
    "bom": b'\xef\xbb\xbf{"model":"tiny","prompt":"x","stream":false}',
    "not-utf-8": b'{"model":"tiny","prompt":"\xff\xfe","stream":false}',
    "utf-16": '{"model":"tiny","prompt":"x"}'.encode("utf-16"),
    "nul": b'{"model":"tiny","prompt":"x"}\0',
    "deep": '{"model":"tiny","prompt":"x","options":' + "[" * 500 + "]" * 500 + "}",
    "unload": '{"model":"tiny","keep_alive":0}',
    "unload-plain": '{"model":"llama3.2","keep_alive":"0s","stream":false}',
    "load": '{"model":"llama3.2"}',
}


def corpus() -> dict[str, bytes]:
    """Bodies by a name that may be the id of a request."""
    found = {f"odd-{name}": _bytes(body) for name, body in ODD.items()}
    for number, body in enumerate(_made()):
        found[f"made-{number}"] = json.dumps(body).encode()
    for number, body in enumerate(_scrambled(random.Random(8))):
        found[f"any-{number}"] = body
    return found


def _bytes(body: str | bytes) -> bytes:
    return body if isinstance(body, bytes) else body.encode()


def _made() -> Iterator[dict[str, Any]]:
    """Every prompt once, every further member once, and what fills in by Ollama."""
    for number, prompt in enumerate(MENTIONS + PLAIN):
        model = MODELS[number % len(MODELS)]
        yield {"model": model, "prompt": prompt, **MORE[number % 7]}
        yield {"model": INSERTS, "prompt": prompt, "stream": False}
    for number, more in enumerate(MORE):
        yield {"model": MODELS[number % len(MODELS)], "prompt": "Hi", **more}
    for prompt in ["def add(a, b):\n", " ", *MENTIONS[:2]]:
        for stream in ({}, {"stream": False}, {"raw": False}):
            yield {"model": INSERTS, "prompt": prompt, "suffix": "\nadd(1)", **stream}


def _scrambled(chance: random.Random) -> Iterator[bytes]:
    """Bodies of all of these, in an order and a spelling of JSON that are odd."""
    for _ in range(60):
        body = {
            "model": chance.choice(MODELS),
            "prompt": chance.choice(MENTIONS) + chance.choice(PLAIN[4:9]) + "\n.",
            **chance.choice(MORE),
            **chance.choice(MORE),
        }
        names = list(body)
        chance.shuffle(names)
        spaced = (chance.choice([",", " , ", ",\n"]), chance.choice([":", ": ", "\t:"]))
        text = json.dumps(
            {_cased(name, chance): body[name] for name in names},
            ensure_ascii=chance.random() < 0.5,
            separators=spaced,
        )
        yield _escaped(text, chance).encode()


def _cased(name: str, chance: random.Random) -> str:
    """A name in another case, now and then: Go reads it all the same."""
    return chance.choice([name, name, name.title(), name.upper()])


def _escaped(text: str, chance: random.Random) -> str:
    """The same JSON, some of its characters as escapes."""
    for character in "<>&ae":
        if chance.random() < 0.3:
            text = _in_strings(text, character)
    return text


def _in_strings(text: str, character: str) -> str:
    """The text with a character as an escape, inside strings that hold no escapes."""
    parts = text.split('"')
    escape = f"\\u{ord(character):04x}"
    for place in range(1, len(parts), 2):
        if "\\" not in "".join(parts[place - 1 : place + 2]):
            parts[place] = parts[place].replace(character, escape)
    return '"'.join(parts)
