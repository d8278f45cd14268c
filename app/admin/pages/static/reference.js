// The overrides.json of Ollama2OpenAI, whose names are those of models: what it would do,
// and doing it, as the API's migration has it.

import { call } from "./api.js";
import { toast } from "./dialogs.js";
import { isObject, isRule } from "./values.js";

export function isOfModels(value, isKnown) {
  const entries = Object.entries(value);
  return entries.length > 0 && entries.every(([name, said]) => isObject(said) && !isRule(said) && !isKnown(name));
}

const filesOf = (value) => ({ "overrides.json": value, "models.json": [] });

function element(tag, text = "", given = {}) {
  return Object.assign(document.createElement(tag), { textContent: text, ...given });
}

function table(value, steps) {
  const wrap = element("div", "", { className: "table-wrap", tabIndex: 0, role: "region", ariaLabel: "What it would do" });
  const made = document.createElement("table");
  const head = made.createTHead().insertRow();
  for (const word of ["Model", "Parameters", "What happens"]) head.append(element("th", word, { scope: "col" }));
  const body = made.createTBody();
  const planned = new Map(steps.filter((one) => one.section === "model").map((one) => [one.name, one.action]));
  for (const [name, parameters] of Object.entries(value)) {
    const row = body.insertRow();
    row.append(element("th", name, { scope: "row" }));
    const cell = row.insertCell();
    cell.append(element("code", JSON.stringify(parameters)));
    const action = planned.get(name);
    row.insertCell().textContent = action ? "they are set" : "nothing: what is set for it already stays";
  }
  wrap.append(made);
  return wrap;
}

// Say what it is, show what it would do, and do it; `done` when it is done.
export function offer(place, value, done) {
  const text = JSON.stringify(value);
  if (place.dataset.of === text) return;
  place.dataset.of = text;
  const count = Object.keys(value).length;
  const looks = element("p", `This is the overrides.json of Ollama2OpenAI: parameters of ${count === 1 ? "one model" : `${count} models`}, by their names.`);
  const ask = element("button", "Show what it would do", { type: "button", className: "quiet" });
  const row = element("div", "", { className: "actions" });
  row.append(ask);
  place.replaceChildren(looks, row);
  const attempt = async (button, job) => {
    button.disabled = true;
    place.querySelector(".problem")?.remove();
    try {
      await job();
    } catch (error) {
      place.append(element("p", error.message, { className: "problem", role: "alert" }));
    } finally {
      button.disabled = false;
    }
  };
  ask.addEventListener("click", () => attempt(ask, async () => {
    const plan = await call("POST", "migrate?dry_run=1", filesOf(value));
    const remarks = element("ul");
    for (const remark of plan.remarks) remarks.append(element("li", remark));
    const take = element("button", "Take them over", { type: "button", disabled: !plan.steps.length });
    take.addEventListener("click", () => attempt(take, async () => {
      const { steps } = await call("POST", "migrate", filesOf(value));
      place.replaceChildren();
      delete place.dataset.of;
      toast(`Taken over: parameters of ${steps.length === 1 ? "one model" : `${steps.length} models`}.`, "good");
      done();
      document.body.dispatchEvent(new CustomEvent("changed"));
    }));
    row.replaceChildren(take);
    place.replaceChildren(looks, table(value, plan.steps), ...(plan.remarks.length ? [remarks] : []), row);
  }));
}
