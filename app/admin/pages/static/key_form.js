// The form of a key: when it expires, and what its patterns match now.

import { call } from "./api.js";
import { valueOf } from "./forms.js";

const DAY = 86_400_000;
const PAUSE = 300;

// In the words of an <input type="datetime-local">.
function local(moment) {
  const at = new Date(moment);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function preset(select) {
  const field = select.form.querySelector("[data-expires]");
  const input = field.querySelector("input");
  field.hidden = select.value === "never";
  if (select.value === "never") input.value = "";
  else if (select.value !== "at") input.value = local(Date.now() + Number(select.value) * DAY);
  else input.focus();
}

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

function matched(place, found) {
  const many = found.models.length + found.aliases.length;
  if (!many) {
    place.replaceChildren(element("p", "These patterns match no model that there is now.", "hint"));
    return;
  }
  const chips = document.createElement("ul");
  chips.className = "chips";
  chips.tabIndex = 0; // it may scroll
  for (const name of found.models) chips.append(element("li", name, "badge mono"));
  for (const name of found.aliases) chips.append(element("li", `${name} (alias)`, "badge mono"));
  place.replaceChildren(element("p", `Matched now: ${many}`, "hint"), chips);
}

const asked = new WeakMap(); // the last question of a form

async function match(form) {
  const place = form.querySelector("[data-matches]");
  const question = {};
  asked.set(form, question);
  const patterns = {};
  for (const name of ["allow_models", "deny_models"]) patterns[name] = valueOf(form.elements[name]);
  try {
    const found = await call("POST", "keys/matches", patterns);
    if (asked.get(form) === question) matched(place, found);
  } catch (error) {
    if (asked.get(form) === question) place.replaceChildren(element("p", error.message, "wrong"));
  }
}

// All models and aliases, to choose from.
async function offer(form) {
  const found = await call("POST", "keys/matches", { allow_models: ["*"] }).catch(() => null);
  if (!found) return;
  for (const name of [...found.models, ...found.aliases]) {
    for (const place of form.querySelectorAll("[data-add-model], datalist")) {
      const option = element("option", name);
      option.value = name;
      place.append(option);
    }
  }
}

function add(select) {
  const area = select.form.elements.allow_models;
  const before = valueOf(area).filter((one) => one !== "*" && one !== select.value);
  area.value = [...before, select.value].join("\n");
  select.value = "";
  match(select.form);
}

function start(place) {
  for (const form of place.querySelectorAll("form[data-key-form]")) {
    if (!form.elements.allow_models) continue;
    match(form);
    offer(form);
  }
}

let due;
document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (!form?.matches("[data-key-form]") || !/^(allow|deny)_models$/.test(event.target.name)) return;
  clearTimeout(due);
  due = setTimeout(() => match(form), PAUSE);
});
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-preset]")) preset(event.target);
  else if (event.target.matches("[data-add-model]") && event.target.value) add(event.target);
});
start(document);
document.addEventListener("htmx:load", (event) => start(event.target));
