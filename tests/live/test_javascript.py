"""The official JavaScript clients, ``openai`` and ``ollama``, from npm."""

import base64
import json

import pytest
from support import examples
from support.pictures import PNG
from support.recordings import wav
from support.server import Server
from support.simulator import Simulator

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


def test_tool_choice(server: Server) -> None:
    """A forced call streams into the library's accumulator; a free one is parsed."""
    names, city = run(
        server,
        """
        const tool = (name, argument) => ({ type: 'function', function: { name,
          parameters: { type: 'object', required: [argument],
                        properties: { [argument]: { type: 'string' } } } } })
        const asked = {
          model: 'llama3.2',
          tools: [tool('get_weather', 'city'), tool('get_news', 'about')],
          messages: [{ role: 'user', content: 'What is the weather in Paris?' }],
        }
        const forced = await openai.chat.completions.stream({ ...asked,
          tool_choice: { type: 'function', function: { name: 'get_news' } },
        }).finalChatCompletion()
        const free = await openai.chat.completions.create(asked)
        const called = [forced, free].map(one =>
          one.choices[0].message.tool_calls.map(call => call.function))
        console.log(called.flat().map(call => call.name).join())
        console.log(JSON.parse(called[1][0].arguments).city)
        """,
    )
    assert (names, city) == ("get_news,get_weather", "Paris")


def test_several(server: Server) -> None:
    """With n there are as many choices, whole and put together from a stream."""
    whole, streamed = run(
        server,
        """
        const asked = { model: 'llama3.2', messages, n: 3, seed: 1 }
        const shown = answer => JSON.stringify(answer.choices.map(choice =>
          [choice.index, choice.message.content, choice.finish_reason]))
        console.log(shown(await openai.chat.completions.create(asked)))
        const stream = openai.chat.completions.stream(asked)
        console.log(shown(await stream.finalChatCompletion()))
        """,
    )
    # In a stream choices are numbered as they begin.
    texts = [sorted(pair[1:] for pair in json.loads(one)) for one in (whole, streamed)]
    assert texts[0] == texts[1]
    for one in (whole, streamed):
        assert [index for index, _, _ in json.loads(one)] == [0, 1, 2]


def test_structured(server: Server) -> None:
    """An answer keeps to its schema, which parse() reads."""
    (line,) = run(
        server,
        """
        import { makeParseableResponseFormat } from 'openai/lib/parser'
        const schema = { type: 'object', additionalProperties: false,
          required: ['name', 'tags'], properties: { name: { type: 'string' },
            tags: { type: 'array', items: { enum: ['a', 'b'] } } } }
        const response_format = makeParseableResponseFormat({ type: 'json_schema',
          json_schema: { name: 'thing', strict: true, schema } }, JSON.parse)
        const answer = await openai.chat.completions.parse({
          model: 'llama3.2', messages, response_format })
        console.log(JSON.stringify(answer.choices[0].message.parsed))
        """,
    )
    parsed = json.loads(line)
    assert isinstance(parsed["name"], str)
    assert set(parsed["tags"]) <= {"a", "b"}


def test_other_calls(server: Server) -> None:
    """Completions, models, images and recordings go the same ways."""
    text, names, found, seen, heard = run(
        server,
        """
        const prompt = 'Say this is a test'
        let text = ''
        for await (const chunk of await openai.completions.create(
          { model: 'llama3.2', prompt, stream: true })) text += chunk.choices[0].text
        console.log(text)
        const names = []
        for await (const model of openai.models.list()) names.push(model.id)
        console.log(names.includes('llama3.2:latest'))
        console.log((await openai.models.retrieve('llama3.2')).id)
        const seen = await openai.chat.completions.create({ model: 'llava', messages: [
          { role: 'user', content: [{ type: 'text', text: 'What is it?' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,PNG' } },
          ] }] })
        console.log(seen.choices[0].message.content)
        const file = await OpenAI.toFile(Buffer.from('WAV', 'base64'), 'said.wav')
        const heard = await openai.audio.transcriptions.create(
          { model: 'sim-audio', file })
        console.log(heard.text)
        """.replace("PNG", base64.b64encode(PNG).decode()).replace(
            "WAV", base64.b64encode(wav()).decode()
        ),
    )
    assert text == "You said “Say this is a test”, and I agree."
    assert (names, found) == ("true", "llama3.2")
    assert seen == f"I see an image of {len(PNG)} bytes. You ask: What is it?"
    assert heard == "The quick brown fox jumps over the lazy dog."


def test_headers(server: Server) -> None:
    """The raw answer is at hand, with its id and the fields that were ignored."""
    ignored, same = run(
        server,
        """
        const { data, response, request_id } = await openai.chat.completions.create(
          { model: 'llama3.2', messages, user: 'me' }).withResponse()
        console.log(response.headers.get('x-pannier-ignored'))
        console.log(request_id === data._request_id && request_id.startsWith('req_'))
        """,
    )
    assert (ignored, same) == ("user", "true")


def test_time(server: Server, simulator: Simulator) -> None:
    """A limit of time ends the wait, and leaving a stream stops the model."""
    kind, code = run(
        server,
        """
        try {
          await openai.chat.completions.create(
            { model: 'sim-chunks2-load9', messages }, { timeout: 300 })
        } catch (error) {
          console.log(error instanceof OpenAI.APIConnectionTimeoutError)
        }
        const stream = await openai.chat.completions.create({
          model: 'sim-chunks4000-tps200', messages: [
            { role: 'user', content: 'Left early in JavaScript' }], stream: true })
        let count = 0
        for await (const chunk of stream) if (++count === 3) break
        console.log(count)
        """,
    )
    assert (kind, code) == ("true", "3")
    simulator.wait(body="Left early in JavaScript", outcome="client-left")


def test_retry(server: Server, simulator: Simulator) -> None:
    """A 503 is tried again, and the second answer counts."""
    simulator.fault("/api/chat", "busy")
    mend = f"await real('{simulator.url}/simulator/fault', {{ method: 'DELETE' }})"
    try:
        statuses, text = run(
            server,
            """
            const real = fetch, statuses = []
            const watching = async (...asked) => {
              const answer = await real(...asked)
              statuses.push(answer.status)
              MEND
              return answer
            }
            const patient = openai.withOptions({ maxRetries: 2, fetch: watching })
            const answer = await patient.chat.completions.create(
              { model: 'llama3.2', messages })
            console.log(statuses.join())
            console.log(answer.choices[0].message.content)
            """.replace("MEND", mend),
        )
    finally:
        simulator.mend()
    assert statuses == "503,200"
    assert text == "You said “Say this is a test”, and I agree."


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
