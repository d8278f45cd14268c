"""Anthropic's official JavaScript client, ``@anthropic-ai/sdk``, from npm."""

import json

import pytest
from support import examples
from support.claude import SAID
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

ANTHROPIC = """
import Anthropic from '@anthropic-ai/sdk'
const claude = new Anthropic({ baseURL: 'ADDRESS', apiKey: 'x', maxRetries: 0 })
const messages = [{ role: 'user', content: 'Say this is a test' }]
const plain = { model: 'llama3.2', max_tokens: 200, messages }
const tool = (name, argument) => ({ name, input_schema: { type: 'object',
  required: [argument], properties: { [argument]: { type: 'string' } } } })
const tools = [tool('get_weather', 'city'), tool('get_news', 'at')]
const weather = { ...plain, tools,
  messages: [{ role: 'user', content: 'What is the weather in Paris?' }] }
"""


def run(server: Server, code: str) -> list[str]:
    """The lines that a script prints."""
    return examples.javascript(
        (ANTHROPIC + code).replace("ADDRESS", server.url)
    ).splitlines()


def test_messages(server: Server) -> None:
    """A message is the same whole, iterated, and put together by the helper."""
    whole, pieces, helped, same, id = run(
        server,
        """
        const whole = await claude.messages.create(plain)
        let text = ''
        for await (const event of await claude.messages.create(
          { ...plain, stream: true }))
          if (event.type === 'content_block_delta') text += event.delta.text
        let told = ''
        const stream = claude.messages.stream(plain).on('text', piece => told += piece)
        const final = await stream.finalMessage()
        console.log(whole.content[0].text)
        console.log(text)
        console.log(told)
        console.log(['content', 'usage', 'stop_reason'].every(key =>
          JSON.stringify(final[key]) === JSON.stringify(whole[key])))
        console.log(whole._request_id)
        """,
    )
    assert whole == pieces == helped == SAID
    assert same == "true"
    assert id.startswith("req_")


def test_tools(server: Server) -> None:
    """Calls are parsed, free and forced, and results are answered."""
    free, forced, said = run(
        server,
        """
        const free = await claude.messages.create(weather)
        const forced = await claude.messages.stream({ ...weather,
          tool_choice: { type: 'tool', name: 'get_news' } }).finalMessage()
        for (const { content, stop_reason } of [free, forced])
          console.log(stop_reason, content[0].name, JSON.stringify(content[0].input))
        const result = { type: 'tool_result', tool_use_id: free.content[0].id,
          content: '18 degrees' }
        const last = await claude.messages.create({ ...weather, messages: [
          ...weather.messages, { role: 'assistant', content: free.content },
          { role: 'user', content: [result] }] })
        console.log(last.content[0].text)
        """,
    )
    assert free == 'tool_use get_weather {"city":"Paris"}'
    assert forced == 'tool_use get_news {"at":"Paris"}'
    assert said == "The get_weather answered: 18 degrees"


def test_runner_of_tools(server: Server) -> None:
    """The library runs our function, in whole answers and in streams."""
    lines = run(
        server,
        """
        import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema'
        const get_weather = betaTool({ ...tools[0], description: 'Weather.',
          inputSchema: tools[0].input_schema,
          run: ({ city }) => `18 degrees in ${city}` })
        const final = await claude.beta.messages.toolRunner(
          { ...weather, tools: [get_weather] })
        console.log(final.content[0].text)
        for await (const stream of claude.beta.messages.toolRunner(
          { ...weather, tools: [get_weather], stream: true }))
          console.log((await stream.finalMessage()).stop_reason)
        """,
    )
    said = "The get_weather answered: 18 degrees in Paris"
    assert lines == [said, "tool_use", "end_turn"]


def test_thinking(server: Server) -> None:
    """Thoughts come as a signed block, and are taken back with the next turn."""
    kinds, said = run(
        server,
        """
        const asked = { ...plain, model: 'qwen3',
          thinking: { type: 'enabled', budget_tokens: 1024 } }
        const first = await claude.messages.stream(asked).finalMessage()
        console.log(first.content.map(block => block.type + !!block.signature).join())
        const next = await claude.messages.create({ ...asked, messages: [...messages,
          { role: 'assistant', content: first.content },
          { role: 'user', content: 'And once more' }] })
        console.log(next.content[1].text)
        """,
    )
    assert kinds == "thinkingtrue,textfalse"
    assert "And once more" in said


def test_models_and_counts(server: Server) -> None:
    """Models are listed page by page and found, and tokens are counted."""
    names, found, count = run(
        server,
        """
        const names = []
        for await (const model of claude.models.list({ limit: 3 })) names.push(model.id)
        console.log(JSON.stringify(names))
        console.log((await claude.models.retrieve('llama3.2')).display_name)
        const { model } = plain
        const count = await claude.messages.countTokens({ model, messages })
        console.log(count.input_tokens)
        """,
    )
    listed = json.loads(names)
    assert "llama3.2:latest" in listed
    assert len(listed) == len(set(listed)) > 3
    assert found == "llama3.2"
    assert int(count) > 3


def test_errors(server: Server) -> None:
    """Errors are of the right class, with type and the request's id."""
    lines = run(
        server,
        """
        for (const [model, kind] of [['nope', Anthropic.NotFoundError],
          ['fault-busy', Anthropic.InternalServerError]])
          for (const stream of [false, true])
            try {
              await claude.messages.create({ ...plain, model, stream })
            } catch (error) {
              console.log(error instanceof kind, error.status, error.error.error.type,
                error.requestID.startsWith('req_'))
            }
        """,
    )
    missing, busy = "true 404 not_found_error true", "true 529 overloaded_error true"
    assert lines == [missing, missing, busy, busy]


@pytest.mark.parametrize("fault", ["cut-3", "error-line-3", "reset-body-3"])
def test_failure_in_stream(server: Server, fault: str) -> None:
    """What came before a failure is delivered, then it is thrown, twice."""
    text, iterated, helped = run(
        server,
        """
        const asked = { ...plain, model: 'fault-FAULT' }
        let text = ''
        try {
          for await (const event of await claude.messages.create(
            { ...asked, stream: true }))
            text += event.delta?.text ?? ''
        } catch (error) {
          console.log(text)
          console.log(error instanceof Anthropic.APIError)
        }
        try {
          await claude.messages.stream(asked).finalMessage()
        } catch (error) {
          console.log(error instanceof Anthropic.APIError)
        }
        """.replace("FAULT", fault),
    )
    assert text == "You said “"
    assert (iterated, helped) == ("true", "true")


def test_left_early(server: Server, simulator: Simulator) -> None:
    """Leaving a stream stops the model."""
    (count,) = run(
        server,
        """
        const stream = await claude.messages.create({ ...plain, stream: true,
          model: 'sim-chunks4000-tps200',
          messages: [{ role: 'user', content: 'Left by Anthropic in JavaScript' }] })
        let count = 0
        for await (const event of stream) if (++count === 5) break
        console.log(count)
        """,
    )
    assert count == "5"
    simulator.wait(body="Left by Anthropic in JavaScript", outcome="client-left")
