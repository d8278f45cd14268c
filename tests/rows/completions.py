"""Completions: the rows of the specification (other endpoints, section 1)."""

from support.ollama import Ollama

from .chat import schema
from .seen import (
    Case,
    Ignores,
    answers,
    calls,
    each,
    lacks,
    refuses,
    row,
    says,
    sends,
    streams,
)

#: The table names no classes but for W and I.
SPECIFIED = """
H model
H prompt
H suffix
H max_tokens
H temperature
H top_p
H frequency_penalty
H presence_penalty
H seed
H stop
H stream
H stream_options
H logprobs
H echo
H best_of
H n
W logit_bias
I user
H _debug_render_only
H options
H keep_alive
H think
H raw
H template
H system
H response_format
"""

ROWS = [
    row(
        "H",
        "model",
        Case({}, sends(model="m"), answers("model", "m")),
        Case({"model": ""}, refuses("model", "missing_required_parameter")),
    ),
    row(
        "H",
        "prompt",
        Case({"prompt": "a"}, sends(prompt="a")),
        Case(
            {"prompt": ["a", "b"], "n": 2},
            calls(prompt=["a", "a", "b", "b"]),
            each("index", 0, 1, 2, 3),
        ),
        Case({"prompt": [1, 2]}, refuses("prompt", "unsupported_value")),
        Case({"prompt": [[1], [2]]}, refuses("prompt", "unsupported_value")),
        Case({"prompt": ""}, refuses("prompt", "missing_required_parameter")),
        Case({"prompt": None}, refuses("prompt", "missing_required_parameter")),
    ),
    row(
        "H",
        "suffix",
        # Code mode's (decisions, 26): by the model's template, or by Ollama's.
        Case({"suffix": "end"}, sends(suffix="end", stream=True)),
        Case(
            {"suffix": "end"},
            sends(options={"num_predict": 128, "temperature": 0.1, "top_p": 0.95}),
        ),
        Case(
            {"suffix": "end", "model": "qwen2.5-coder"},
            sends(
                prompt="<|fim_prefix|>hi<|fim_suffix|>end<|fim_middle|>",
                suffix=None,
                raw=True,
            ),
        ),
        Case({"suffix": "end"}, sends(suffix="end", stream=False), code_rewrite=False),
        Case(
            {"suffix": "end"},
            says(
                lambda seen: (
                    (seen.answer.error["param"], seen.answer.error["code"])
                    == ("suffix", "unsupported_value")
                )
            ),
            ollama=lambda: Ollama(
                b'{"error":"m does not support insert"}', status="400 Bad Request"
            ),
        ),
    ),
    row(
        "H",
        "max_tokens",
        Case({"max_tokens": 5}, sends(options={"num_predict": 5})),
        Case({}, lacks("num_predict")),
    ),
    row(
        "H",
        "temperature",
        Case({"temperature": 0}, sends(options={"temperature": 0.0})),
        Case({}, sends(options={"temperature": 1.0})),
        Case({}, lacks("temperature"), openai_defaults=False),
    ),
    row(
        "H",
        "top_p",
        Case({"top_p": 0}, sends(options={"top_p": 0.0})),
        Case({}, sends(options={"top_p": 1.0})),
    ),
    *[
        row(
            "H",
            name,
            Case({name: 0.5}, sends(options={name: 0.5})),
            Case({}, lacks(name)),
        )
        for name in ("frequency_penalty", "presence_penalty")
    ],
    row("H", "seed", Case({"seed": 7}, sends(options={"seed": 7}))),
    row(
        "H",
        "stop",
        Case({"stop": "a"}, sends(options={"stop": ["a"]})),
        Case({"stop": ["a", 5]}, refuses("stop[1]", "invalid_type")),
    ),
    row(
        "H",
        "stream",
        Case({"stream": True}, sends(stream=True), streams(len)),
        Case({}, sends(stream=False)),
    ),
    row(
        "H",
        "stream_options",
        Case(
            {"stream": True, "stream_options": {"include_usage": True}},
            streams(
                lambda events: all(one["usage"] is None for one in events[:-1]),
                lambda events: events[-1]["choices"] == [],
                lambda events: events[-1]["usage"]["total_tokens"] == 10,
            ),
        ),
    ),
    row(
        "H",
        "logprobs",
        Case(
            {"logprobs": 2},
            sends(logprobs=True, top_logprobs=2),
            answers(
                "choices.0.logprobs",
                lambda found: (
                    set(found)
                    == {"tokens", "token_logprobs", "top_logprobs", "text_offset"}
                ),
            ),
        ),
        Case({"logprobs": 0}, lacks("logprobs"), answers("choices.0.logprobs", None)),
        Case({"logprobs": 6}, refuses("logprobs", "integer_above_max_value")),
    ),
    row(
        "H",
        "echo",
        Case({"echo": True}, answers("choices.0.text", "hiHello, llama!")),
        Case(
            {"echo": True, "stream": True},
            streams(lambda events: events[0]["choices"][0]["text"].startswith("hi")),
        ),
    ),
    row(
        "H",
        "best_of",
        Case({"best_of": 3}, calls(logprobs=[True] * 3), each("index", 0)),
        Case(
            {"best_of": 3, "n": 2, "stream": True},
            calls(prompt=["hi", "hi"]),
            lacks("logprobs"),
            Ignores("best_of"),
        ),
        Case(
            {"best_of": 3, "n": 2, "stream": True},
            refuses("best_of", "unsupported_parameter"),
            strict=True,
        ),
        Case({"best_of": 1, "n": 2}, refuses("best_of")),
    ),
    row(
        "H",
        "n",
        Case({"n": 2, "seed": 1}, calls(seed=[1, 2]), each("index", 0, 1)),
        Case({"n": 9}, refuses("n", "integer_above_max_value")),
    ),
    row(
        "W",
        "logit_bias",
        Case({"logit_bias": {"50256": -100}}, Ignores("logit_bias")),
        Case({"logit_bias": {}}, Ignores()),
    ),
    row("I", "user", Case({"user": "ann"}, Ignores("user"), lacks("user"))),
    row(
        "H",
        "_debug_render_only",
        Case(
            {"_debug_render_only": True},
            sends(_debug_render_only=True),
            answers("_debug_info.rendered_template", "<user>hi"),
        ),
    ),
    row(
        "H",
        "options",
        Case(
            {"options": {"num_ctx": 512, "temperature": 0.1}, "temperature": 2},
            sends(options={"num_ctx": 512, "temperature": 2}),
        ),
        Case({"options": {"num_ctx": "x"}}, refuses("options.num_ctx", "invalid_type")),
    ),
    row(
        "H",
        "keep_alive",
        Case({"keep_alive": "5m"}, sends(keep_alive="5m")),
        Case({"keep_alive": -1}, sends(keep_alive=-1)),
        Case({"keep_alive": "soon"}, refuses("keep_alive")),
    ),
    row(
        "H",
        "think",
        Case({"model": "unknown", "think": "high"}, sends(think="high")),
        Case({"think": "hard"}, refuses("think")),
    ),
    row("H", "raw", Case({"raw": True}, sends(raw=True)), Case({}, lacks("raw"))),
    row(
        "H",
        "template",
        Case({"template": "{{ .Prompt }}!"}, sends(template="{{ .Prompt }}!")),
    ),
    row("H", "system", Case({"system": "Be kind."}, sends(system="Be kind."))),
    row(
        "H",
        "response_format",
        Case({"response_format": {"type": "json_object"}}, sends(format="json")),
        Case(schema(), sends(format={"type": "object", "required": ["a"]})),
    ),
]
