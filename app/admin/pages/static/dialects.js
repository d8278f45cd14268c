// Requests in each dialect, made of what stands on the page.
//
// body(wish): `wish` has model, system, turns, tools (as OpenAI has them), format, schema,
// and the options; what is undefined is not sent.  `lacks` are options that the dialect
// has no place for.  A turn is {role: "user", text, images}, {role: "assistant", text,
// calls: [{id, name, input}]} with its input as JSON, or {role: "tool", id, name, text}.

// Those that say something.
function given(values) {
  const says = (value) => value !== undefined && value !== "" && value?.length !== 0;
  return Object.fromEntries(Object.entries(values).filter(([, value]) => says(value)));
}

function parsed(json) {
  try {
    return JSON.parse(json || "{}");
  } catch {
    return {};
  }
}

// The kind and the bytes of an image that is in its own address; null for any other.
function inside(url) {
  const found = /^data:([^;,]+);base64,(.*)$/s.exec(url);
  return found && { kind: found[1], data: found[2] };
}

const functions = (tools) => tools?.map((tool) => tool.function || tool);

function sampling({ temperature, top_p, seed, ends, max_tokens }) {
  return given({ temperature, top_p, seed, stop: ends, max_tokens });
}

function ollamaOptions(wish) {
  const { max_tokens, ...rest } = sampling(wish);
  return given({ ...rest, num_predict: max_tokens });
}

const effort = (think) => (think === "off" ? "none" : think);
const ollamaThink = (think) => (think === "off" ? false : think);

function openaiMessage(turn) {
  if (turn.role === "tool") return { role: "tool", tool_call_id: turn.id, content: turn.text };
  if (turn.role === "user") {
    const parts = turn.images.map((url) => ({ type: "image_url", image_url: { url } }));
    const content = parts.length ? [{ type: "text", text: turn.text }, ...parts] : turn.text;
    return { role: "user", content };
  }
  const calls = turn.calls.map(({ id, name, input }) => ({
    id,
    type: "function",
    function: { name, arguments: input },
  }));
  return { role: "assistant", content: turn.text, ...given({ tool_calls: calls }) };
}

function openaiFormat({ format, schema }) {
  if (format === "json") return { type: "json_object" };
  if (format === "schema") return { type: "json_schema", json_schema: { name: "answer", schema } };
  return undefined;
}

function openaiChat(wish) {
  const system = wish.system ? [{ role: "system", content: wish.system }] : [];
  return {
    model: wish.model,
    messages: [...system, ...wish.turns.map(openaiMessage)],
    ...sampling(wish),
    ...given({
      reasoning_effort: effort(wish.think),
      tools: wish.tools,
      response_format: openaiFormat(wish),
    }),
    stream: true,
    stream_options: { include_usage: true },
  };
}

function anthropicImage(url) {
  const own = inside(url);
  if (!own) return { type: "image", source: { type: "url", url } };
  return { type: "image", source: { type: "base64", media_type: own.kind, data: own.data } };
}

function anthropicMessage(turn) {
  if (turn.role === "tool") {
    const result = { type: "tool_result", tool_use_id: turn.id, content: turn.text };
    return { role: "user", content: [result] };
  }
  if (turn.role === "user") {
    const images = turn.images.map(anthropicImage);
    const text = { type: "text", text: turn.text };
    return { role: "user", content: images.length ? [...images, text] : turn.text };
  }
  const calls = turn.calls.map(({ id, name, input }) => ({
    type: "tool_use",
    id,
    name,
    input: parsed(input),
  }));
  const text = turn.text ? [{ type: "text", text: turn.text }] : [];
  return { role: "assistant", content: [...text, ...calls] };
}

// Answers of several tools are one message.
function anthropicMessages(turns) {
  const messages = [];
  turns.forEach((turn, index) => {
    const made = anthropicMessage(turn);
    const joins = turn.role === "tool" && turns[index - 1]?.role === "tool";
    if (joins) messages.at(-1).content.push(...made.content);
    else messages.push(made);
  });
  return messages;
}

function anthropicChat(wish) {
  const { seed, stop, max_tokens, ...rest } = sampling(wish);
  const tools = functions(wish.tools)?.map(({ name, description, parameters }) => ({
    name,
    ...given({ description }),
    input_schema: parameters || { type: "object" },
  }));
  const thinks = wish.think && wish.think !== "off";
  const config = given({
    effort: thinks ? wish.think : undefined,
    format: wish.format === "schema" ? { type: "json_schema", schema: wish.schema } : undefined,
  });
  return {
    model: wish.model,
    max_tokens: max_tokens ?? 4096,
    messages: anthropicMessages(wish.turns),
    ...rest,
    ...given({
      system: wish.system,
      stop_sequences: stop,
      tools,
      thinking: wish.think === "off" ? { type: "disabled" } : undefined,
      output_config: Object.keys(config).length ? config : undefined,
    }),
    stream: true,
  };
}

function responsesItems(turn) {
  if (turn.role === "tool") {
    return [{ type: "function_call_output", call_id: turn.id, output: turn.text }];
  }
  if (turn.role === "user") {
    const images = turn.images.map((url) => ({ type: "input_image", image_url: url }));
    return [{ role: "user", content: [{ type: "input_text", text: turn.text }, ...images] }];
  }
  const calls = turn.calls.map(({ id, name, input }) => ({
    type: "function_call",
    call_id: id,
    name,
    arguments: input,
  }));
  const said = { role: "assistant", content: [{ type: "output_text", text: turn.text }] };
  return turn.text ? [said, ...calls] : calls;
}

function responsesFormat({ format, schema }) {
  if (format === "json") return { format: { type: "json_object" } };
  if (format === "schema") return { format: { type: "json_schema", name: "answer", schema } };
  return undefined;
}

function responsesChat(wish) {
  const { temperature, top_p, max_tokens } = sampling(wish);
  return {
    model: wish.model,
    input: wish.turns.flatMap(responsesItems),
    ...given({
      instructions: wish.system,
      temperature,
      top_p,
      max_output_tokens: max_tokens,
      reasoning: wish.think ? { effort: effort(wish.think) } : undefined,
      tools: functions(wish.tools)?.map((one) => ({ type: "function", ...one })),
      text: responsesFormat(wish),
    }),
    store: false,
    stream: true,
  };
}

function ollamaMessage(turn) {
  if (turn.role === "tool") return { role: "tool", tool_name: turn.name, content: turn.text };
  if (turn.role === "user") {
    const images = turn.images.map((url) => {
      const own = inside(url);
      if (!own) throw new Error("Ollama's own API takes images from files only.");
      return own.data;
    });
    return { role: "user", content: turn.text, ...given({ images }) };
  }
  const calls = turn.calls.map(({ name, input }) => ({
    function: { name, arguments: parsed(input) },
  }));
  return { role: "assistant", content: turn.text, ...given({ tool_calls: calls }) };
}

function ollamaCommon(wish) {
  const options = ollamaOptions(wish);
  return given({
    think: ollamaThink(wish.think),
    options: Object.keys(options).length ? options : undefined,
  });
}

function ollamaChat(wish) {
  const system = wish.system ? [{ role: "system", content: wish.system }] : [];
  const formats = { json: "json", schema: wish.schema };
  return {
    model: wish.model,
    messages: [...system, ...wish.turns.map(ollamaMessage)],
    ...given({ tools: wish.tools, format: formats[wish.format] }),
    ...ollamaCommon(wish),
    stream: true,
  };
}

function openaiText({ prompt, suffix, ...wish }) {
  return {
    model: wish.model,
    prompt,
    ...given({ suffix }),
    ...sampling(wish),
    ...given({ think: ollamaThink(wish.think) }),
    stream: true,
    stream_options: { include_usage: true },
  };
}

function ollamaText({ prompt, suffix, ...wish }) {
  return {
    model: wish.model,
    prompt,
    ...given({ suffix }),
    ...ollamaCommon(wish),
    stream: true,
  };
}

function infill({ prompt, suffix, ...wish }) {
  const { max_tokens, ...rest } = sampling(wish);
  return {
    model: wish.model,
    input_prefix: prompt,
    input_suffix: suffix || "",
    ...rest,
    ...given({ n_predict: max_tokens }),
    stream: true,
  };
}

function vectors({ model, first, second, dimensions }) {
  return { model, input: second ? [first, second] : [first], ...given({ dimensions }) };
}

const OPENAI_TEXT = { name: "OpenAI Completions", path: "/v1/completions", body: openaiText, reads: "openai", lacks: [] };
const OLLAMA_TEXT = { name: "Ollama generate", path: "/api/generate", body: ollamaText, reads: "ollama", lacks: [] };

export const DIALECTS = {
  chat: {
    openai: { name: "OpenAI Chat", path: "/v1/chat/completions", body: openaiChat, reads: "openai", lacks: [] },
    anthropic: {
      name: "Anthropic Messages",
      path: "/v1/messages",
      body: anthropicChat,
      reads: "anthropic",
      lacks: ["Seed", "any JSON"],
    },
    responses: {
      name: "OpenAI Responses",
      path: "/v1/responses",
      body: responsesChat,
      reads: "responses",
      lacks: ["Seed", "Stop at"],
    },
    ollama: { name: "Ollama chat", path: "/api/chat", body: ollamaChat, reads: "ollama", lacks: [] },
  },
  text: { openai: OPENAI_TEXT, ollama: OLLAMA_TEXT },
  code: {
    openai: OPENAI_TEXT,
    llamacpp: { name: "llama.cpp infill", path: "/infill", body: infill, reads: "llamacpp", lacks: ["Thinking"] },
    ollama: OLLAMA_TEXT,
  },
  vectors: {
    openai: { name: "OpenAI Embeddings", path: "/v1/embeddings", body: vectors, reads: "vectors", lacks: [] },
  },
};
