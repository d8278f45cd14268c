"""The official JavaScript clients, ``openai`` and ``ollama``, from npm."""

import json

import pytest
from support import examples
from support.server import Server

pytestmark = pytest.mark.live

OPENAI = """
import OpenAI from 'openai'
const openai = new OpenAI({ baseURL: 'ADDRESS/v1', apiKey: 'x', maxRetries: 0 })
const messages = [{ role: 'user', content: 'Say this is a test' }]
"""


def run(server: Server, code: str) -> list[str]:
    """The lines that a script prints."""
    return examples.javascript(
        (OPENAI + code).replace("ADDRESS", server.url)
    ).splitlines()


def test_stream(server: Server) -> None:
    """A stream is iterated to its end, with usage in its last chunk."""
    text, adds_up = run(
        server,
        """
        const stream = await openai.chat.completions.create({
          model: 'llama3.2', messages, stream: true,
          stream_options: { include_usage: true },
        })
        let text = '', last
        for await (const chunk of stream) {
          text += chunk.choices[0]?.delta?.content ?? ''
          last = chunk
        }
        console.log(text)
        const { prompt_tokens, completion_tokens, total_tokens } = last.usage
        console.log(prompt_tokens + completion_tokens === total_tokens)
        """,
    )
    assert text == "You said “Say this is a test”, and I agree."
    assert adds_up == "true"


def test_tools(server: Server) -> None:
    """The runner of the library calls our function and gets the final answer."""
    lines = run(
        server,
        """
        const runner = openai.chat.completions.runTools({
          model: 'llama3.2', stream: true,
          messages: [{ role: 'user', content: 'What is the weather in Paris?' }],
          tools: [{ type: 'function', function: {
            name: 'get_weather', description: 'The weather.',
            parse: JSON.parse,
            parameters: { type: 'object', required: ['city'],
                          properties: { city: { type: 'string' } } },
            function: ({ city }) => `18 degrees in ${city}`,
          } }],
        })
        console.log(await runner.finalContent())
        """,
    )
    assert lines == ["The get_weather answered: 18 degrees in Paris"]


def test_errors(server: Server) -> None:
    """Errors are of the right class, with code, param and the request's id."""
    kind, code, param, has_id = run(
        server,
        """
        try {
          await openai.chat.completions.create({ model: 'nope', messages })
        } catch (error) {
          console.log(error instanceof OpenAI.NotFoundError)
          console.log(error.code)
          console.log(error.param)
          console.log(error.requestID.startsWith('req_'))
        }
        """,
    )
    assert (kind, code, param, has_id) == ("true", "model_not_found", "model", "true")


def test_failure_in_stream(server: Server) -> None:
    """What came before a failure is delivered, then the iteration throws."""
    text, message = run(
        server,
        """
        let text = ''
        try {
          const stream = await openai.chat.completions.create(
            { model: 'fault-cut-3', messages, stream: true })
          for await (const chunk of stream) text += chunk.choices[0].delta.content
        } catch (error) {
          console.log(text)
          console.log(error instanceof OpenAI.APIError, error.message)
        }
        """,
    )
    assert text == "You said “"
    assert message.startswith("true ")
    assert "ended before it was complete" in message


def test_embeddings(server: Server) -> None:
    """The library asks for base64 and unpacks it."""
    (line,) = run(
        server,
        """
        const both = await Promise.all([undefined, 'float'].map(encoding_format =>
          openai.embeddings.create({
            model: 'all-minilm', input: 'a', dimensions: 3, encoding_format })))
        console.log(JSON.stringify(both.map(each => each.data[0].embedding)))
        """,
    )
    unpacked, floats = json.loads(line)
    assert unpacked == pytest.approx(floats, abs=1e-6)
    assert len(floats) == 3


def test_ollama(server: Server) -> None:
    """Ollama's own library lists, shows, chats, streams, embeds, copies, deletes."""
    code = """
    import { Ollama } from 'ollama'
    const ollama = new Ollama({ host: 'ADDRESS' })
    const messages = [{ role: 'user', content: 'Say this is a test' }]
    console.log((await ollama.list()).models.some(m => m.name === 'llama3.2:latest'))
    console.log((await ollama.show({ model: 'llama3.2' })).capabilities.join())
    console.log((await ollama.chat({ model: 'llama3.2', messages })).message.content)
    let text = ''
    for await (const part of await ollama.chat(
      { model: 'llama3.2', messages, stream: true })) text += part.message.content
    console.log(text)
    console.log((await ollama.embed(
      { model: 'all-minilm', input: 'a' })).embeddings[0].length)
    const copy = { source: 'llama3.2', destination: 'copied-in-javascript' }
    console.log((await ollama.copy(copy)).status)
    console.log((await ollama.delete({ model: 'copied-in-javascript' })).status)
    """
    lines = examples.javascript(code.replace("ADDRESS", server.url)).splitlines()
    said = "You said “Say this is a test”, and I agree."
    assert lines == [
        "true",
        "completion,tools",
        said,
        said,
        "384",
        "success",
        "success",
    ]
