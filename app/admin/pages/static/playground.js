// The playground: what stands in its form becomes a request, and its answer is shown.

import { ask, call } from "./api.js";
import { COMMANDS } from "./commands.js";
import { DIALECTS } from "./dialects.js";
import { Wrong, clearProblems, tellProblem, valueOf } from "./forms.js";
import * as images from "./images.js";
import { Run } from "./run.js";
import { Turn, Writer } from "./talk.js";
import { readable } from "./trace.js";
import { tellVectors } from "./vectors.js";

const $ = (id) => document.getElementById(id);
const form = $("form");
const fields = form.elements;
const OPTIONS = ["think", "max_tokens", "temperature", "top_p", "seed", "ends"];
const EXAMPLES = {
  tools: [
    {
      type: "function",
      function: {
        name: "get_weather",
        description: "The weather of a city",
        parameters: {
          type: "object",
          properties: { city: { type: "string" } },
          required: ["city"],
        },
      },
    },
  ],
  schema: {
    type: "object",
    properties: { name: { type: "string" }, age: { type: "integer" } },
    required: ["name", "age"],
  },
};

let mode = "chat";
let running = null;
// Turns as they are sent, each with the one that is shown.
let talk = [];

const value = (name) => valueOf(fields[name]);
const dialect = () => DIALECTS[mode][fields.dialect.value];

// What is on the page

function place() {
  for (const one of document.querySelectorAll("[data-in]")) {
    one.hidden = !one.dataset.in.split(" ").includes(mode) || one.dataset.empty === "true";
  }
}

function fill(id, isThere) {
  $(id).dataset.empty = String(!isThere);
  place();
}

function choose(next, wanted = fields.dialect.value) {
  mode = DIALECTS[next] ? next : "chat";
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const isIt = tab.dataset.mode === mode;
    tab.setAttribute("aria-selected", String(isIt));
    tab.tabIndex = isIt ? 0 : -1;
    if (isIt) $("pane").setAttribute("aria-labelledby", tab.id);
  }
  const all = Object.entries(DIALECTS[mode]);
  fields.dialect.replaceChildren(...all.map(([id, { name }]) => new Option(name, id)));
  fields.dialect.value = DIALECTS[mode][wanted] ? wanted : all[0][0];
  place();
  keep();
}

// The address has what is chosen, so that it can be kept, and sent to somebody.
function keep() {
  const query = new URLSearchParams();
  if (mode !== "chat") query.set("mode", mode);
  if (fields.dialect.selectedIndex > 0) query.set("dialect", fields.dialect.value);
  for (const name of ["model", "key"]) if (fields[name].value) query.set(name, fields[name].value);
  history.replaceState(null, "", query.size ? `?${query}` : location.pathname);
  const { lacks } = dialect();
  $("left-out").textContent = `This API has no place for: ${lacks.join(", ")}.`;
  $("left-out").hidden = !lacks.length;
}

function buttons(text = "") {
  $("send").disabled = Boolean(running);
  $("stop").disabled = !running;
  $("retry").disabled = Boolean(running) || !talk.length;
  $("log").setAttribute("aria-busy", String(Boolean(running)));
  $("state").textContent = text;
}

function follow() {
  const log = $("log");
  if (log.scrollHeight - log.scrollTop - log.clientHeight < 160) log.scrollTop = log.scrollHeight;
}

// What is asked

function draft() {
  const text = value("message");
  const added = images.images();
  return text || added.length ? { role: "user", text: text || "", images: added } : null;
}

function need(name, what) {
  const found = value(name);
  if (found === undefined) throw new Wrong(name, what);
  return found;
}

function wish(turns) {
  const common = { model: need("model", "Which model is it to be?") };
  if (mode === "vectors") {
    const [second, dimensions] = [value("second"), value("dimensions")];
    return { ...common, first: need("first", "There is no text yet."), second, dimensions };
  }
  for (const name of OPTIONS) common[name] = value(name);
  if (mode === "text") return { ...common, prompt: need("prompt", "There is no prompt yet.") };
  if (mode === "code") {
    const suffix = value("after");
    return { ...common, prompt: need("before", "There is nothing before the place yet."), suffix };
  }
  const format = value("format");
  const schema = format === "schema" ? need("schema", "There is no schema yet.") : undefined;
  return { ...common, turns, system: value("system"), tools: value("tools"), format, schema };
}

function request(turns) {
  const asked = wish(turns);
  let body;
  try {
    body = dialect().body(asked);
  } catch (error) {
    throw new Wrong(error instanceof TypeError ? "tools" : "message", error.message);
  }
  return { path: dialect().path, key: fields.key.value || null, body };
}

// With what is still to be sent, for those who only want to see it.
function preview() {
  const turns = talk.map(({ turn }) => turn);
  const next = draft();
  if (next) turns.push(next);
  return request(turns.length ? turns : [{ role: "user", text: "Hello", images: [] }]);
}

function say(error) {
  if (error instanceof Wrong) return tellProblem(form, error.message, error.name_);
  const parts = [error.status || "", error.code].filter(Boolean).join(" ");
  return tellProblem(form, parts ? `${parts}: ${error.message}` : error.message, error.param);
}

function tried(job) {
  return async (...given) => {
    clearProblems(form);
    try {
      return await job(...given);
    } catch (error) {
      return say(error);
    }
  };
}

// What runs

async function go(asked, view) {
  running = new Run(dialect(), view);
  buttons("Answering…");
  try {
    await running.go(asked);
  } finally {
    const run = running;
    running = null;
    const why = { stop: "", end_turn: "", completed: "", done: "" }[run.reason] ?? ` (${run.reason})`;
    buttons(run.stopped ? "Stopped." : run.error ? "That did not work." : `Done${why}.`);
    view.end(run);
    if (run.error) say(run.error);
  }
}

function add(turn, shown) {
  talk.push({ turn, shown });
  $("log").append(shown.element);
  fill("log", true);
  fill("none", false);
}

function said(turn) {
  const shown = new Turn(turn.role, follow);
  shown.said.write(turn.role === "tool" ? `${turn.name}: ${turn.text}` : turn.text);
  if (turn.images?.length) shown.show(turn.images);
  shown.flush();
  add(turn, shown);
  $("log").scrollTop = $("log").scrollHeight;
}

async function converse() {
  const asked = request(talk.map(({ turn }) => turn));
  const shown = new Turn("assistant", follow);
  const turn = { role: "assistant", text: "", calls: [] };
  add(turn, shown);
  await go(asked, {
    text: (text) => shown.said.write(text),
    thinking: (text) => shown.think(text),
    end: (run) => {
      shown.flush();
      turn.text = shown.said.text;
      turn.calls = run.stopped || run.error ? [] : run.calls;
      if (turn.calls.length) shown.offer(turn.calls, answer);
      else if (!turn.text) talk = talk.filter((one) => one.turn !== turn); // nothing to send
      if (run.error && shown.isEmpty) shown.element.remove();
      else if (run.error) shown.note("Broken off here.");
      else if (run.stopped) shown.note("Stopped here.");
      buttons($("state").textContent);
      follow();
    },
  });
}

function answer(answers) {
  if (running) return false;
  answers.forEach(said);
  tried(converse)();
  return true;
}

async function complete() {
  const asked = request();
  $("output-text").replaceChildren();
  $("output-thinking").hidden = true;
  $("output-thinking").querySelector(".said").replaceChildren();
  fill("output", true);
  const text = new Writer($("output-text"));
  const thought = new Writer($("output-thinking").querySelector(".said"));
  await go(asked, {
    text: (some) => text.write(some),
    thinking: (some) => {
      $("output-thinking").hidden = false;
      thought.write(some);
    },
    end: (run) => {
      text.flush();
      thought.flush();
      fill("output", !run.forgotten && Boolean(text.text || thought.text));
    },
  });
}

async function embed() {
  const asked = request();
  await go(asked, {
    end: (run) => {
      if (run.vectors) tellVectors($("vectors-facts"), run.vectors);
      fill("vectors", Boolean(run.vectors));
    },
  });
}

const send = tried(async () => {
  if (running) return;
  if (mode === "vectors") return embed();
  if (mode !== "chat") return complete();
  const turn = draft();
  if (!turn) throw new Wrong("message", "Write a message first.");
  request([...talk.map((one) => one.turn), turn]); // what is wrong is said before it is sent
  said(turn);
  fields.message.value = "";
  images.forget();
  await converse();
});

const retry = tried(async () => {
  while (talk.at(-1)?.turn.role === "assistant") talk.pop();
  const last = talk.at(-1);
  // What failed is not among the turns, but still to be seen.
  while (last ? last.shown.element.nextSibling : $("log").firstChild) $("log").lastChild.remove();
  if (last) await converse();
});

function clear() {
  if (running) {
    running.forgotten = true; // what it said is not wanted any more
    running.stop();
  }
  talk = [];
  $("log").replaceChildren();
  $("output-text").replaceChildren();
  fill("log", false);
  fill("none", true);
  fill("output", false);
  fill("vectors", false);
  clearProblems(form);
  buttons();
}

const explain = tried(async () => {
  const asked = preview();
  let found;
  if (asked.path === "/api/chat") {
    const name = asked.body.model.split("/").map(encodeURIComponent).join("/");
    const query = asked.key ? `?key=${encodeURIComponent(asked.key)}` : "";
    const { parameters } = await call("GET", `models/${name}/effective${query}`);
    found = { endpoint: asked.path, requests: [asked.body], and_what_is_set: parameters };
  } else {
    found = await (await ask("POST", "playground", { ...asked, explain: true })).json();
  }
  $("explanation").textContent = readable(found);
  $("explanation").closest(".copied").hidden = false;
});

function command(details) {
  const { command: kind } = details.dataset;
  let text;
  try {
    const { path, body } = preview();
    text = COMMANDS[kind](location.origin + path, body);
  } catch (error) {
    text = error.message;
  }
  $(`command-${kind}`).textContent = text;
}

function commands() {
  for (const one of document.querySelectorAll("details[data-command][open]")) command(one);
}

// Beginning

function listen() {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
  });
  form.addEventListener("input", commands);
  for (const name of ["model", "key", "dialect"]) fields[name].addEventListener("change", keep);
  for (const one of document.querySelectorAll("details[data-command]")) {
    one.addEventListener("toggle", () => command(one));
  }
  $("stop").addEventListener("click", () => running?.stop());
  $("retry").addEventListener("click", retry);
  $("clear").addEventListener("click", clear);
  $("explain").addEventListener("click", explain);
  for (const name of Object.keys(EXAMPLES)) {
    $(`${name}-example`).addEventListener("click", () => {
      fields[name].value = readable(EXAMPLES[name]);
      if (name === "schema") fields.format.value = "schema";
      commands();
    });
  }
  const tabs = [...document.querySelectorAll("[role=tab]")];
  tabs.forEach((tab, index) => {
    const turn = (to) => {
      if (running) running.stop();
      choose(to.dataset.mode);
      to.focus();
      commands();
    };
    tab.addEventListener("click", () => turn(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step) turn(tabs.at((index + step) % tabs.length));
    });
  });
  images.listen();
}

function begin() {
  const query = new URLSearchParams(location.search);
  const key = query.get("key");
  if (key) {
    const known = [...fields.key.options].find((one) => one.value === key || one.dataset.name === key);
    if (!known) fields.key.append(new Option(key, key)); // there are more than fit the list
    fields.key.value = known ? known.value : key;
  }
  if (query.has("model")) fields.model.value = query.get("model");
  for (const id of ["log", "output", "vectors"]) $(id).dataset.empty = "true";
  choose(query.get("mode") || "chat", query.get("dialect") || "");
  listen();
  buttons();
}

begin();
