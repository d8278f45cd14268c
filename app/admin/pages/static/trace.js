// What stands behind a run: its events as they came, headers, figures.

import { span } from "./words.js";

const $ = (id) => document.getElementById(id);
// Events that are kept, the newest, and characters of each.
const MOST = 1000;
const LONGEST = 2000;
const TOLD = /^(x-|content-type$|retry-after$|request-id$|openai-|anthropic-)/;

const cut = (text) =>
  text.length > LONGEST ? `${text.slice(0, LONGEST)}… (${text.length} characters)` : text;

// JSON for people to read, without what is too long for that.
export function readable(value) {
  const short = (_, one) => (typeof one === "string" ? cut(one) : one);
  return JSON.stringify(value, short, 2);
}

export class Trace {
  constructor() {
    this.begun = performance.now();
    this.seen = 0;
    this.waiting = [];
    this.frame = 0;
    $("events").replaceChildren();
    $("events-note").textContent = "None yet.";
    $("headers").replaceChildren();
    for (const one of document.querySelectorAll("[data-figure]")) one.textContent = "–";
  }

  get age() {
    return performance.now() - this.begun;
  }

  event(raw) {
    const at = (this.age / 1000).toFixed(3).padStart(8);
    this.seen += 1;
    this.waiting.push(`${at} s  ${cut(raw).replaceAll("\n", `\n${" ".repeat(12)}`)}\n`);
    if (this.waiting.length > MOST) this.waiting.shift();
    this.frame ||= requestAnimationFrame(() => this.flush());
  }

  flush() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const place = $("events");
    place.append(...this.waiting.splice(0));
    while (place.childNodes.length > MOST) place.firstChild.remove();
    const gone = this.seen - place.childNodes.length;
    const before = gone ? ` The first ${gone} are not kept.` : "";
    $("events-note").textContent = `${this.seen} in all, each with the time since the request.${before}`;
  }

  head(headers) {
    const place = $("headers");
    for (const [name, value] of [...headers].sort()) {
      if (!TOLD.test(name)) continue;
      const term = document.createElement("dt");
      const said = document.createElement("dd");
      term.textContent = name;
      said.textContent = value;
      place.append(term, said);
    }
  }

  figure(name, text, tone = "") {
    const place = document.querySelector(`[data-figure="${name}"]`);
    place.textContent = text;
    place.parentElement.dataset.tone = tone;
  }

  figures({ first, last, input, output }) {
    const number = (value) => (value === undefined ? "–" : value.toLocaleString("en"));
    const took = last - first;
    this.figure("first", first === undefined ? "–" : span(first));
    this.figure("input", number(input));
    this.figure("output", number(output));
    this.figure("took", span(this.age));
    // The first token began before the time that is measured.
    if (output > 1 && took > 0) this.figure("speed", (((output - 1) * 1000) / took).toFixed(1));
  }
}
