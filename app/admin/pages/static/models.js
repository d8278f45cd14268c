// Models: pulled while somebody looks, loaded, tried; and how their templates read.

import { ApiError, ask, call, events } from "./api.js";
import { tellProblem, clearProblems } from "./forms.js";
import { size, span } from "./words.js";

const $ = (id) => document.getElementById(id);

// ---------------------------------------------------------------- pulling

let pulling = null;

function part(digest) {
  for (const one of $("pull-parts").children) if (one.dataset.digest === digest) return one;
  const row = document.createElement("div");
  row.dataset.digest = digest;
  const bar = document.createElement("progress");
  bar.setAttribute("aria-label", `Part ${digest.slice(7, 19)}`);
  const text = document.createElement("span");
  text.className = "hint";
  row.append(bar, text);
  row.began = { at: Date.now(), had: null };
  $("pull-parts").append(row);
  return row;
}

function told(event) {
  $("pull-state").textContent = event.status;
  if (!event.digest || !event.total) return;
  const row = part(event.digest);
  const [bar, text] = row.children;
  const done = event.completed || 0;
  row.began.had ??= done;
  bar.max = event.total;
  bar.value = done;
  const speed = (1000 * (done - row.began.had)) / Math.max(Date.now() - row.began.at, 1);
  const left = speed > 0 && done < event.total ? `, ${size(speed)}/s, ${span((1000 * (event.total - done)) / speed)} left` : "";
  text.textContent = `${size(done)} of ${size(event.total)}${left}`;
}

async function pull(form) {
  clearProblems(form);
  const model = form.elements.model.value.trim();
  pulling = new AbortController();
  const button = form.querySelector("[type=submit]");
  button.disabled = true;
  $("pull-stop").hidden = false;
  $("pull-told").hidden = false;
  $("pull-parts").replaceChildren();
  $("pull-state").textContent = `Asking Ollama for ${model}…`;
  try {
    const body = { model, insecure: form.elements.insecure.checked };
    const answer = await ask("POST", "models/pull", body, { signal: pulling.signal });
    let last = "";
    for await (const event of events(answer)) {
      const said = JSON.parse(event.data);
      if (event.name === "error") throw new ApiError(200, said.error);
      last = said.status;
      told(said);
    }
    if (last !== "success") throw new ApiError(0, { message: "Pannier's answer ended before it was complete." });
    $("pull-state").textContent = `${model} is there.`;
    document.body.dispatchEvent(new CustomEvent("changed"));
  } catch (error) {
    if (error.name === "AbortError") $("pull-state").textContent = "Cancelled. What has come by then is kept by Ollama.";
    else {
      $("pull-told").hidden = true;
      tellProblem(form, error.message, error.param);
    }
  } finally {
    pulling = null;
    button.disabled = false;
    $("pull-stop").hidden = true;
  }
}

addEventListener("beforeunload", (event) => {
  if (pulling) event.preventDefault();
});

// ------------------------------------------------- loading, unloading, trying

const DOING = {
  test: "Asking the model something short. If it is not in memory, it is loaded first…",
  load: "Loading the model. That may take minutes…",
};

function said(kind, answer) {
  if (kind === "load") {
    const more = answer.context_length ? `, with a context of ${answer.context_length.toLocaleString("en")} tokens` : "";
    return `Loaded in ${span(answer.load_ms)}${more}.`;
  }
  const loaded = answer.load_ms ? `, after ${span(answer.load_ms)} of loading` : "";
  if (answer.dimensions) return `It answers: a vector of ${answer.dimensions} numbers${loaded}.`;
  const first = answer.ttft_ms === null ? "" : ` First token after ${span(answer.ttft_ms)}${loaded}.`;
  const speed = answer.tokens_per_s ? ` ${answer.tokens_per_s} tok/s.` : "";
  return `It answers: “${answer.text}”${first}${speed}`;
}

async function deed(button) {
  const { deed: kind, path } = button.dataset;
  const place = $("deed");
  const keep = $("keep")?.value.trim();
  const body = kind === "load" && keep ? { keep_alive: Number.isNaN(Number(keep)) ? keep : Number(keep) } : undefined;
  const tell = (text, tone = "") => {
    place.className = "banner";
    place.dataset.tone = tone;
    place.textContent = text;
  };
  const form = $("load");
  clearProblems(form);
  button.disabled = true;
  tell(DOING[kind]);
  try {
    tell(said(kind, await call("POST", path, body)));
    document.body.dispatchEvent(new CustomEvent("changed"));
  } catch (error) {
    tell(error.message, "bad");
    if (error.param === "keep_alive") tellProblem(form, error.message, error.param);
  } finally {
    button.disabled = false;
  }
}

// --------------------------------------------------------- completing code

const EXAMPLE = {
  code_prefix: "def add(a, b):\n    return ",
  code_suffix: "\n\nprint(add(1, 2))\n",
  code_language: "python",
  code_file_path: "sum.py",
  repo_name: "example",
  extra: "",
  "\\n": "\n",
  "\\t": "\t",
  bos: "",
  eos: "",
};

function showTemplate(input) {
  const place = input.form.querySelector("[data-template-shown]");
  place.hidden = !input.value.trim();
  place.querySelector("code").textContent = input.value.replace(/\{\{|\}\}|\{([^{}]*)\}/g, (all, hole) => {
    if (hole === undefined) return all[0];
    return hole.startsWith("<") ? hole : EXAMPLE[hole] ?? all;
  });
}

// All that is set of it is sent: what is not said is not set any more.
function wholeCode(event) {
  const { body } = event.detail;
  if (!body?.code) return;
  const { elements } = event.target;
  const [strategy, mode, template] = ["strategy", "mode", "template"].map((name) => elements[`code.${name}`].value);
  body.code = {};
  if (strategy) body.code.strategy = strategy;
  if (mode !== "unset") body.code.mode = mode;
  if (template) body.code.template = template;
}

document.addEventListener("submit", (event) => {
  if (event.target.id === "pull-form") {
    event.preventDefault();
    if (!pulling) pull(event.target);
  } else if (event.target.id === "load") {
    event.preventDefault();
    deed(event.target.querySelector("[data-deed=load]"));
  }
});
document.addEventListener("click", (event) => {
  const toggle = event.target.closest("[data-toggle]");
  if (toggle) {
    const place = $(toggle.dataset.toggle);
    place.hidden = !place.hidden;
    toggle.setAttribute("aria-expanded", String(!place.hidden));
    if (!place.hidden) place.querySelector("input").focus();
  }
  const button = event.target.closest("button[data-deed]");
  if (button && button.type === "button") deed(button);
  if (event.target.id === "pull-stop") pulling?.abort();
});
document.addEventListener("input", (event) => {
  if (event.target.id === "code-template") showTemplate(event.target);
});
document.addEventListener("api:ready", wholeCode);
// A form of a page of its own leads back; in the drawer it has closed that.
document.addEventListener("api:done", (event) => {
  const { home } = event.target.dataset;
  if (home && !event.target.closest("dialog")) location.assign(home);
});
for (const input of document.querySelectorAll("#code-template")) showTemplate(input);
