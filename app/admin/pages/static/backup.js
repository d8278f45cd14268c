// Backup: a file down; and one up, of which is shown first what it would do.

import { ApiError, ask, call } from "./api.js";
import { confirm, toast } from "./dialogs.js";
import { clearProblems, tellProblem, Wrong } from "./forms.js";

// Steps that are drawn; more would only fill the page.
const MOST = 500;
const DONE = { add: "added", change: "changed", remove: "removed" };
const TONES = { add: "good", remove: "bad" };
const $ = (id) => document.getElementById(id);

// What a form does, with what went wrong said in it; nothing twice at a time.
async function tried(form, button, job) {
  if (form.getAttribute("aria-busy") === "true") return;
  clearProblems(form);
  form.setAttribute("aria-busy", "true");
  button.disabled = true;
  try {
    await job();
  } catch (error) {
    if (error instanceof Wrong) tellProblem(form, error.message, error.name_);
    else if (error instanceof ApiError) tellProblem(form, error.message, error.param);
    else throw error;
  } finally {
    form.removeAttribute("aria-busy");
    button.disabled = false;
  }
}

async function download(form) {
  const sections = [...form.elements.sections].filter((one) => one.checked).map((one) => one.value);
  if (!sections.length) throw new Wrong("sections", "Choose at least one.");
  const answer = await ask("POST", "export", { sections });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = `pannier-${new Date().toISOString().slice(0, 10)}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  toast(`${link.download} is being downloaded.`, "good");
}

// What was chosen, read once: what is shown is what is done, whatever becomes of the file.
async function read(file, field) {
  try {
    return await file.text();
  } catch {
    throw new Wrong(field, `${file.name} cannot be read any more. Choose it again.`);
  }
}

async function exported(form) {
  const [file] = form.elements.file.files;
  const body = new Blob([await read(file, "file")]);
  return { body, path: "import", query: { mode: form.elements.mode.value }, what: file.name };
}

async function foreign(form) {
  const known = JSON.parse(form.dataset.files);
  const parts = [];
  for (const file of form.elements.files.files) {
    if (!known.includes(file.name)) throw new Wrong("files", `${file.name} is none of its files: ${known.join(", ")}.`);
    const text = await read(file, "files");
    try {
      JSON.parse(text);
    } catch (error) {
      throw new Wrong("files", `${file.name} is no JSON: ${error.message}`);
    }
    // As they are: numbers that are larger than a script's stay what they are.
    parts.push(parts.length ? "," : "", JSON.stringify(file.name), ":", text);
  }
  return { body: new Blob(["{", ...parts, "}"]), path: "migrate", query: {}, what: "the files of Ollama2OpenAI" };
}

function counted(answer, word) {
  const counts = Object.keys(DONE).map((action) => [action, answer.steps.filter((one) => one.action === action).length]);
  const said = counts.filter(([, many]) => many).map(([action, many]) => `${many} ${word(action)}`);
  if (answer.requests) said.push(`${answer.requests} ${answer.requests === 1 ? "request" : "requests"} of its log`);
  return said.join(", ");
}

function row(step) {
  const made = document.createElement("tr");
  const badge = document.createElement("span");
  badge.className = "badge";
  badge.dataset.tone = TONES[step.action] || "";
  badge.textContent = step.action;
  const texts = ["", step.section, step.name, step.fields.join(", ")];
  for (const [column, text] of texts.entries()) {
    const cell = document.createElement("td");
    cell.textContent = text;
    cell.className = column < 2 ? "tight" : "roomy";
    cell.dir = "auto";
    made.append(cell);
  }
  made.firstChild.append(badge);
  return made;
}

function draw(form, answer) {
  const place = form.querySelector("[data-plan]");
  const $$ = (css) => place.querySelector(css);
  const some = counted(answer, (action) => `to ${action}`);
  const done = counted(answer, (action) => DONE[action]);
  const nothing = "Nothing to do: all of it is here already.";
  $$("h3").textContent = answer.dry_run ? some || nothing : `Done: ${done || "nothing"}.`;
  $$("[data-closes]").hidden = !(answer.dry_run && answer.closes);
  $$("[data-opens]").hidden = !(answer.dry_run && answer.opens);
  form.elements.open.checked = false;
  const remarks = (answer.remarks || []).map((text) => Object.assign(document.createElement("li"), { textContent: text }));
  $$("[data-remarks]").replaceChildren(...remarks);
  $$("[data-remarks]").hidden = !remarks.length;
  $$("tbody").replaceChildren(...answer.steps.slice(0, MOST).map(row));
  $$(".table-wrap").hidden = !answer.steps.length;
  $$("[data-more]").hidden = answer.steps.length <= MOST;
  $$("[data-more]").textContent = `These are the first ${MOST} of ${answer.steps.length} steps.`;
  $$(".actions").hidden = !(answer.dry_run && some);
  place.hidden = false;
  $$("h3").focus();
  place.scrollIntoView({ block: "nearest" });
}

function offer(form, take) {
  const place = form.querySelector("[data-plan]");
  let taken = null;
  let shown = null;
  const send = (more) => call("POST", `${taken.path}?${new URLSearchParams({ ...taken.query, ...more })}`, taken.body);
  const drop = () => {
    taken = null;
    place.hidden = true;
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    drop();
    tried(form, event.submitter, async () => {
      taken = await take(form);
      shown = await send({ dry_run: "1" });
      draw(form, shown);
    });
  });
  // What was shown was of another file, or of another way to take it in.
  form.addEventListener("change", (event) => {
    if (!place.contains(event.target)) drop();
  });
  place.querySelector("[data-drop]").addEventListener("click", drop);
  place.querySelector("[data-do]").addEventListener("click", (event) => {
    const button = event.currentTarget;
    tried(form, button, async () => {
      if (shown.opens && !form.elements.open.checked) throw new Wrong("open", "Say that first.");
      const closes = shown.closes ? " From then on every request needs a key." : "";
      const opens = shown.opens ? " From then on nobody needs a key." : "";
      const what = `Take in ${taken.what}: ${counted(shown, (action) => `to ${action}`)}?${closes}${opens}`;
      if (!(await confirm(what, button.textContent))) return;
      draw(form, await send(shown.opens ? { open: "1" } : {}));
      toast("It is taken in.", "good");
    });
  });
}

$("export").addEventListener("submit", (event) => {
  event.preventDefault();
  tried(event.target, event.submitter, () => download(event.target));
});
offer($("import"), exported);
offer($("migrate"), foreign);
