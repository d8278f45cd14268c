// What answers say, in each dialect.
//
// READERS[dialect](said, run): `said` is one event, decoded; the run is told of texts
// (`text`, `thinking`), of calls of tools (`call`), of tokens (`count`), that it has come
// to its end (`finish`), and what went wrong (`fail`).

import { events } from "./api.js";

function failed(error, run) {
  if (typeof error === "string") run.fail(error);
  else run.fail(error.message || "The answer ended with an error.", error.code || error.type);
}

function openai(said, run) {
  if (said.error) return failed(said.error, run);
  const choice = said.choices?.[0];
  const delta = choice?.delta || {};
  run.thinking(delta.reasoning ?? delta.reasoning_content);
  run.text(delta.content ?? choice?.text);
  for (const one of delta.tool_calls || []) {
    run.call(one.index, one.id, one.function?.name, one.function?.arguments);
  }
  if (choice?.finish_reason) run.finish(choice.finish_reason);
  if (said.usage) run.count(said.usage.prompt_tokens, said.usage.completion_tokens);
}

function anthropic(said, run) {
  if (said.type === "error") return failed(said.error, run);
  const { delta, content_block: block } = said;
  if (block?.type === "tool_use") run.call(said.index, block.id, block.name, "");
  if (said.type === "content_block_delta") {
    run.thinking(delta.thinking);
    run.text(delta.text);
    if (delta.type === "input_json_delta") run.call(said.index, "", "", delta.partial_json);
  }
  if (said.type === "message_delta") {
    run.finish(delta.stop_reason);
    run.count(said.usage?.input_tokens, said.usage?.output_tokens);
  }
}

function responses(said, run) {
  if (said.type === "error") return failed(said, run);
  if (said.type === "response.failed") return failed(said.response.error || {}, run);
  if (/^response\.reasoning.*\.delta$/.test(said.type)) run.thinking(said.delta);
  if (said.type === "response.output_text.delta") run.text(said.delta);
  const { item } = said;
  if (said.type === "response.output_item.added" && item.type === "function_call") {
    run.call(said.output_index, item.call_id, item.name, "");
  }
  if (said.type === "response.function_call_arguments.delta") {
    run.call(said.output_index, "", "", said.delta);
  }
  if (said.type === "response.completed" || said.type === "response.incomplete") {
    const { usage, status, incomplete_details: why } = said.response;
    run.finish(why?.reason || status);
    run.count(usage?.input_tokens, usage?.output_tokens);
  }
}

function ollama(said, run) {
  if (said.error) return failed(said.error, run);
  const message = said.message || {};
  run.thinking(message.thinking ?? said.thinking);
  run.text(message.content ?? said.response);
  for (const { id, function: its } of message.tool_calls || []) {
    const index = run.calls.length;
    run.call(index, id || `call_${index}`, its.name, JSON.stringify(its.arguments ?? {}));
  }
  if (said.done) {
    run.finish(said.done_reason || "stop");
    run.count(said.prompt_eval_count, said.eval_count);
  }
}

function llamacpp(said, run) {
  if (said.error) return failed(said.error, run);
  run.text(said.content);
  if (said.stop) {
    run.finish(said.stop_type || "stop");
    run.count(said.tokens_evaluated, said.tokens_predicted);
  }
}

function vectors(said, run) {
  if (said.error) return failed(said.error, run);
  run.vectors = said.data.map((one) => one.embedding);
  run.finish("done");
  run.count(said.usage?.prompt_tokens);
}

export const READERS = { openai, anthropic, responses, ollama, llamacpp, vectors };

async function* lines(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let left = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      const found = (left + (value || "")).split("\n");
      left = done ? "" : found.pop();
      for (const line of found) if (line) yield { data: line, raw: line };
      if (done) return;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function* whole(answer) {
  const text = await answer.text();
  yield { data: text, raw: text };
}

// The pieces of an answer, as they came (`raw`) and what they have to say (`data`).
export function pieces(answer) {
  const kind = answer.headers.get("Content-Type") || "";
  if (kind.startsWith("text/event-stream")) return events(answer);
  return kind.startsWith("application/x-ndjson") ? lines(answer) : whole(answer);
}
