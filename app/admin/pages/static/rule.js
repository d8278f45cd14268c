// A row of the form of parameters: a name, when it counts, and its value.

import { joined, kindOf, parted, problemOf, read, written } from "./values.js";

const MODES = [
  ["default", "if the request says nothing"],
  ["force", "always"],
  ["remove", "never sent"],
];
const BOUNDS = [
  ["min", "at least"],
  ["max", "at most"],
];
const OF_SYSTEM = [
  ["prepend", "before that of the request"],
  ["append", "after that of the request"],
  ["replace", "in its place"],
];

export function made(tag, given = {}, ...children) {
  const { data = {}, ...properties } = given;
  const element = Object.assign(document.createElement(tag), properties);
  Object.assign(element.dataset, data);
  element.append(...children);
  return element;
}

function modes(about, name, mode) {
  const words = [...MODES];
  if (about.kind === "integer" || about.kind === "number") words.push(...BOUNDS);
  if (name === "system") words.push(...OF_SYSTEM);
  // What is wrong is shown all the same, until another is chosen.
  if (!words.some(([key]) => key === mode)) words.push([mode, String(mode)]);
  const options = words.map(([key, text]) => made("option", { value: key, textContent: text, selected: key === mode }));
  return made("select", { ariaLabel: `${name} counts` }, ...options);
}

function hint({ hint: said, loads, kind, least, most }) {
  const words = [said];
  if (least !== undefined && most !== undefined) words.push(`From ${least} to ${most}.`);
  if (kind === "milliseconds") words.push("In milliseconds.");
  if (loads) words.push("Another value loads the model again.");
  if (kind === "any") words.push("Pannier does not know it: it is taken for an option of a newer Ollama.");
  return words.filter(Boolean).join(" ");
}

function control({ kind, choices: known }, name, value) {
  const given = { name: `overrides.${name}`, ariaLabel: name, data: { value: "" } };
  const text = written(kind, value);
  if (kind === "choice" || kind === "boolean") {
    const choices = (known || [true, false]).map((one) => JSON.stringify(one));
    if (!choices.includes(text)) choices.unshift(text);
    const options = choices.map((one) => made("option", { value: one, textContent: one.replaceAll('"', ""), selected: one === text }));
    return made("select", given, ...options);
  }
  const more = { ...given, className: "code", spellcheck: false, value: text };
  return kindOf(kind) === "long" ? made("textarea", { ...more, rows: 3 }) : made("input", { ...more, autocomplete: "off" });
}

// `change` is called with what is said of it now, `remove` when it is to go.
export function row(about, name, said, change, remove) {
  const { mode, value } = parted(said);
  const counts = modes(about, name, mode);
  const field = control(about, name, value);
  const note = made("p", { className: "wrong", hidden: true });
  const cell = made("div", { className: "field" }, field, made("p", { className: "hint", textContent: hint(about) }), note);
  const away = made("button", { type: "button", className: "quiet small", textContent: "Remove", ariaLabel: `Remove ${name}` });
  const tell = (now) => {
    cell.hidden = counts.value === "remove";
    note.textContent = problemOf(about, parted(now));
    note.hidden = !note.textContent;
  };
  const changed = () => {
    const now = joined(counts.value, read(about.kind, field.value));
    change(now);
    tell(now);
  };
  counts.addEventListener("change", changed);
  field.addEventListener(field.tagName === "SELECT" ? "change" : "input", changed);
  away.addEventListener("click", remove);
  tell(said);
  return made("div", { className: "rule", data: { name } }, made("code", { textContent: name }), counts, cell, away);
}
