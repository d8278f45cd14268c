// Parameters by name, as a form and as JSON: two views of one value, which is the text
// of the textarea that is sent.  Switching keeps what was typed; JSON that is none stays
// where it is until it is mended.  See models_parts.html, editor.

import { tellProblem, clearProblems } from "./forms.js";
import { isOfModels, offer } from "./reference.js";
import { made, row } from "./rule.js";
import { isObject, parted, problemOf } from "./values.js";

const editors = new WeakMap();

class Editor {
  constructor(root) {
    this.root = root;
    const known = JSON.parse(root.dataset.known);
    this.known = new Map(known.parameters.map((one) => [one.name, one]));
    this.spellings = known.spellings;
    this.text = root.querySelector("textarea");
    this.rows = root.querySelector("[data-rows]");
    this.names = root.querySelector("[data-names]");
    this.reference = root.querySelector("[data-reference]");
    this.view = "form";
    this.listen();
    this.draw();
  }

  listen() {
    for (const button of this.root.querySelectorAll("[data-view]")) {
      button.addEventListener("click", () => this.show(button.dataset.view));
    }
    const name = this.root.querySelector("input[list]");
    this.root.querySelector("[data-add]").addEventListener("click", () => this.add(name));
    name.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault(); // it would send the form
      this.add(name);
    });
    this.text.addEventListener("input", () => this.typed());
    this.text.addEventListener("blur", (event) => {
      if (!this.names.contains(event.relatedTarget)) this.names.hidden = true;
    });
    this.text.form.addEventListener("api:ready", (event) => this.ready(event));
  }

  descriptor(name) {
    return this.known.get(this.spellings[name] || name) || { name, kind: "any" };
  }

  // What the text says; raises SyntaxError.
  value() {
    const found = JSON.parse(this.text.value.trim() || "{}");
    if (!isObject(found)) throw new SyntaxError("An object of parameters by name is wanted.");
    return found;
  }

  set(value) {
    this.text.value = JSON.stringify(value, null, 2);
  }

  wrongText() {
    try {
      this.value();
      return "";
    } catch (error) {
      return `This is no JSON: ${error.message}`;
    }
  }

  isReference() {
    return !this.wrongText() && isOfModels(this.value(), (name) => this.known.has(this.spellings[name] || name));
  }

  show(view) {
    clearProblems(this.text.form);
    const problem = view === "form" && this.view === "json" ? this.wrongText() : "";
    if (problem) return tellProblem(this.text.form, problem, "overrides");
    this.view = view;
    this.text.closest("[data-json]").hidden = view !== "json";
    this.rows.hidden = view !== "form";
    for (const button of this.root.querySelectorAll("[data-view]")) {
      button.setAttribute("aria-pressed", String(button.dataset.view === view));
    }
    if (view === "form") this.draw();
    else this.rows.replaceChildren(); // what is wrong is told at what can be seen
    this.offerReference();
  }

  add(input) {
    const name = input.value.trim();
    if (!name || this.wrongText()) return name && this.show(this.view === "json" ? "form" : "json");
    const value = this.value();
    const spelling = Object.keys(value).find((one) => (this.spellings[one] || one) === (this.spellings[name] || name));
    if (!spelling) this.set(Object.fromEntries([...Object.entries(value), [name, this.first(name)]]));
    input.value = "";
    if (this.view === "json") return this.text.focus();
    this.draw();
    const row = [...this.rows.children].find((one) => one.dataset.name === (spelling || name));
    row?.querySelector("[data-value]").focus();
  }

  // What a parameter is at first: something that it can be.
  first(name) {
    const { kind, choices } = this.descriptor(name);
    if (kind === "choice") return choices[0];
    return { boolean: true, format: "json", texts: [], text: "", duration: "5m" }[kind] ?? null;
  }

  draw() {
    this.rows.replaceChildren();
    const entries = Object.entries(this.value());
    for (const [name, said] of entries) {
      const change = (now) => this.set({ ...this.value(), [name]: now });
      this.rows.append(row(this.descriptor(name), name, said, change, () => this.remove(name)));
    }
    if (!entries.length) {
      this.rows.append(made("p", { className: "hint", textContent: "Nothing is set. Add a parameter by its name." }));
    }
    const there = new Set(entries.map(([name]) => this.spellings[name] || name));
    const left = [...this.known.values()].filter((one) => !there.has(one.name));
    const options = left.map((one) => made("option", { value: one.name, label: one.hint || "" }));
    this.root.querySelector("datalist").replaceChildren(...options);
  }

  remove(name) {
    this.set(Object.fromEntries(Object.entries(this.value()).filter(([one]) => one !== name)));
    this.draw();
    this.root.querySelector("input[list]").focus();
  }

  typed() {
    const problem = this.wrongText();
    clearProblems(this.text.form);
    this.suggest();
    this.offerReference();
    // While somebody types it is no JSON yet; that is said when it is left or sent.
    this.text.setAttribute("aria-invalid", String(Boolean(problem)));
  }

  // Names that begin as what stands before the cursor does.
  suggest() {
    const before = this.text.value.slice(0, this.text.selectionStart);
    const begun = /[{,]\s*"(\w*)$/.exec(before);
    const fit = begun ? [...this.known.keys()].filter((name) => name.startsWith(begun[1]) && name !== begun[1]) : [];
    this.names.replaceChildren(...fit.slice(0, 8).map((name) => {
      const button = made("button", { type: "button", className: "quiet small", textContent: name });
      button.addEventListener("click", () => {
        const start = this.text.selectionStart - begun[1].length;
        const closed = this.text.value[this.text.selectionStart] === '"' ? '"'.length : 0;
        this.text.setRangeText(`${name}": `, start, this.text.selectionStart + closed, "end");
        this.text.focus();
        this.names.hidden = true;
        this.typed();
      });
      return button;
    }));
    this.names.hidden = !fit.length;
  }

  offerReference() {
    const found = this.view === "json" && this.isReference();
    this.reference.hidden = !found;
    if (found) offer(this.reference, this.value(), () => this.reset());
  }

  reset() {
    this.text.value = this.text.defaultValue;
    this.show("form");
  }

  // What is wrong is said before anybody is asked; an empty text is no parameters.
  ready(event) {
    const { body } = event.detail;
    if (body && "overrides" in body) body.overrides ??= {};
    let [name, problem] = ["overrides", this.isReference() ? "These are parameters of several models: take them over below." : ""];
    if (!problem) {
      for (const [one, said] of Object.entries(this.value())) {
        problem = problemOf(this.descriptor(one), parted(said));
        name = `overrides.${one}`;
        if (problem) break;
      }
    }
    if (!problem) return;
    event.preventDefault();
    tellProblem(this.text.form, this.view === "json" ? `${name}: ${problem}` : problem, name);
  }
}

function begin(place) {
  for (const root of place.querySelectorAll("[data-overrides]")) {
    if (!editors.has(root)) editors.set(root, new Editor(root));
  }
}

begin(document);
document.addEventListener("htmx:load", (event) => begin(event.target));
