"""The Responses API with OpenAI's library for JavaScript."""

import pytest
from support import examples
from support.server import Server

pytestmark = pytest.mark.live

OPENAI = """
import OpenAI from 'openai'
const openai = new OpenAI({ baseURL: 'ADDRESS/v1', apiKey: 'x', maxRetries: 0 })
const model = 'llama3.2', input = 'Say this is a test'
"""
SAY = "Say this is a test"


def run(server: Server, code: str) -> list[str]:
    """The lines that a script prints."""
    script = (OPENAI + code).replace("ADDRESS", server.url)
    return examples.javascript(script).splitlines()


def test_create_and_go_on(server: Server) -> None:
    """A response is made, gone on from, found, and deleted."""
    text, previous, found, items, gone = run(
        server,
        """
        const first = await openai.responses.create({ model, input })
        console.log(first.output_text)
        const second = await openai.responses.create({
          model, input: 'And now?', previous_response_id: first.id,
        })
        console.log(second.previous_response_id === first.id)
        const again = await openai.responses.retrieve(first.id)
        console.log(again.output[0].content[0].text === first.output_text)
        const list = await openai.responses.inputItems.list(first.id)
        console.log(list.data.map((item) => item.content[0].text).join())
        await openai.responses.delete(first.id)
        const error = await openai.responses.retrieve(first.id).catch((e) => e)
        console.log(error.status, error.code)
        """,
    )
    assert SAY in text
    assert (previous, found) == ("true", "true")
    assert items == SAY
    assert gone == "404 response_not_found"


def test_stream(server: Server) -> None:
    """The library's own accumulator takes the stream."""
    deltas, final, kinds = run(
        server,
        """
        const stream = openai.responses.stream({
          model: 'qwen3', input, reasoning: { effort: 'low' },
        })
        let text = '', thought = ''
        stream.on('response.output_text.delta', (event) => { text += event.delta })
        const response = await stream.finalResponse()
        console.log(text)
        console.log(response.output_text)
        console.log(response.output.map((item) => item.type).join())
        """,
    )
    assert deltas == final
    assert SAY in final
    assert kinds == "reasoning,message"


@pytest.mark.parametrize("choice", ["'auto'", "'required'"])
def test_tools(server: Server, choice: str) -> None:
    """A call streams into the library's accumulator, be it forced."""
    (called,) = run(
        server,
        """
        const stream = openai.responses.stream({
          model, input: 'What is the weather in Paris?', tool_choice: CHOICE,
          tools: [{ type: 'function', name: 'get_weather', strict: false,
            parameters: { type: 'object', required: ['city'],
                          properties: { city: { type: 'string' } } } }],
        })
        const { output: [call] } = await stream.finalResponse()
        console.log(call.name, typeof JSON.parse(call.arguments).city)
        """.replace("CHOICE", choice),
    )
    assert called == "get_weather string"


def test_a_failure(server: Server) -> None:
    """A stream that breaks tells of it in an event of its own."""
    (last,) = run(
        server,
        """
        let last
        const stream = await openai.responses.create({
          model: 'fault-error-line-3', input, stream: true,
        })
        for await (const event of stream) last = event
        console.log(last.type, last.response.error.code)
        """,
    )
    assert last == "response.failed upstream_error"
