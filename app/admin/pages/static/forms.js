// Forms and buttons that change something: what they hold goes to the API as JSON, and
// what is wrong is said where it is wrong.
//
//   <form data-api="PATCH keys/abc" data-etag="…" data-then="refresh">
//   <button data-api="POST keys/abc/revoke" data-confirm="Revoke “laptop”?" data-then="refresh">
//
// data-api      method and path; {name} in the path is the value of that control
// data-body     JSON that is sent, of a button
// data-etag     what If-Match is sent with
// data-confirm  what is asked first; data-confirm-button is the word of the button
// data-then     refresh, reload, close, next, go:URL; several with spaces
// data-said     what is said when it is done
//
// A PATCH sends the controls that were changed, all else sends all.  A control says by
// data-type what it is: text, number, bool (a select), list (lines or commas), json, time,
// span (milliseconds by a unit); what is empty is left out, or null with PATCH;
// with data-empty="text" it is "", with "object" {}.
// Dots in names are objects in objects.  When something is done the form sends
// "api:done" with the answer, and all of the page hears "changed".

import { ApiError, call } from "./api.js";
import { closeDrawer, confirm, toast } from "./dialogs.js";

const problems = new WeakMap();

export class Wrong extends Error {
  constructor(name, message) {
    super(message);
    this.name_ = name;
  }
}

function controls(form) {
  return [...form.elements].filter((one) => one.name && !one.disabled && !one.closest("[data-beside]"));
}

function isChanged(control) {
  if (control.type === "checkbox" || control.type === "radio") {
    return control.checked !== control.defaultChecked;
  }
  if (control.tagName === "SELECT") {
    return [...control.options].some((one) => one.selected !== one.defaultSelected);
  }
  return control.value !== control.defaultValue;
}

// What a control holds; undefined is nothing.
export function valueOf(control) {
  const text = control.value.trim();
  const kind = control.dataset.type || control.type;
  if (kind === "checkbox") return control.checked;
  if (kind === "password") return control.value;
  if (kind === "list") return text.split(/[\n,]/).map((one) => one.trim()).filter(Boolean);
  if (kind === "select-multiple") return [...control.selectedOptions].map((one) => one.value);
  if (text === "") return { text: "", object: {} }[control.dataset.empty];
  if (kind === "number") {
    const number = Number(text);
    if (Number.isNaN(number)) throw new Wrong(control.name, "A number is wanted.");
    return number;
  }
  if (kind === "bool") return text === "true";
  if (kind === "time") {
    const at = new Date(text).getTime();
    if (Number.isNaN(at)) throw new Wrong(control.name, "A time is wanted.");
    return at;
  }
  if (kind === "json") {
    try {
      return JSON.parse(text);
    } catch (error) {
      throw new Wrong(control.name, `This is no JSON: ${error.message}`);
    }
  }
  return kind === "textarea" ? control.value : text;
}

function put(body, name, value) {
  const parts = name.split(".");
  const last = parts.pop();
  let place = body;
  for (const part of parts) place = place[part] ??= {};
  place[last] = value;
}

// All that is to be sent of a form.
export function bodyOf(form, method) {
  const body = {};
  const groups = new Map();
  for (const control of controls(form)) {
    if (control.dataset.type === "choices" || control.type === "radio") {
      if (!groups.has(control.name)) groups.set(control.name, []);
      groups.get(control.name).push(control);
      continue;
    }
    if (method === "PATCH" && !isChanged(control)) continue;
    const value = valueOf(control);
    if (value !== undefined) put(body, control.name, value);
    else if (method === "PATCH") put(body, control.name, null);
  }
  for (const [name, members] of groups) {
    if (method === "PATCH" && !members.some(isChanged)) continue;
    const chosen = members.filter((one) => one.checked).map((one) => one.value);
    put(body, name, members[0].type === "radio" ? chosen[0] : chosen);
  }
  return body;
}

export function clearProblems(form) {
  for (const note of form.querySelectorAll(".wrong")) note.remove();
  for (const control of form.querySelectorAll("[aria-invalid]")) {
    control.removeAttribute("aria-invalid");
    const before = problems.get(control);
    if (before) control.setAttribute("aria-describedby", before);
    else control.removeAttribute("aria-describedby");
  }
  const all = form.querySelector(".problem");
  if (all) all.hidden = true;
}

// Say what is wrong at the control that it is about, else over the button.
export function tellProblem(form, message, name = "") {
  const first = name.split(/[.[]/)[0];
  const control = name && (form.elements[name] || form.elements[first]);
  const place = control instanceof RadioNodeList ? control[0] : control;
  if (place) {
    const note = document.createElement("p");
    note.className = "wrong";
    note.id = `wrong-${place.id || place.name}`;
    note.textContent = message;
    (place.closest(".field") || place.parentElement).append(note);
    problems.set(place, place.getAttribute("aria-describedby") || "");
    place.setAttribute("aria-invalid", "true");
    place.setAttribute("aria-describedby", `${note.id} ${problems.get(place)}`.trim());
    place.closest("details")?.setAttribute("open", "");
    place.focus();
    return;
  }
  const all = form.querySelector(".problem");
  if (!all) {
    toast(message, "bad");
    return;
  }
  all.textContent = name ? `${name}: ${message}` : message;
  all.hidden = false;
  all.scrollIntoView({ block: "nearest" });
}

// What was sent is what is set: from now on that alone is a change which differs from it.
function settle(form) {
  for (const control of controls(form)) {
    if (control.type === "checkbox" || control.type === "radio") control.defaultChecked = control.checked;
    else if (control.tagName === "SELECT") {
      for (const one of control.options) one.defaultSelected = one.selected;
    } else if ("defaultValue" in control && control.type !== "file") control.defaultValue = control.value;
  }
}

function then(words, answer) {
  // A page that is left need not hear of it; what it shows may be gone.
  const leaves = /(^|\s)(reload|next|go:)/.test(words || "");
  if (!leaves) document.body.dispatchEvent(new CustomEvent("changed", { detail: answer }));
  for (const word of (words || "").split(/\s+/).filter(Boolean)) {
    if (word === "close") closeDrawer();
    else if (word === "reload") location.reload();
    else if (word === "next") location.assign(nextPage(answer));
    else if (word.startsWith("go:")) location.assign(word.slice(3));
  }
}

// Where somebody wanted to go before signing in; never out of the administration.
function nextPage(me) {
  if (me?.must_change_password) return "/admin/welcome";
  const wanted = new URLSearchParams(location.search).get("next") || "";
  const url = URL.canParse(wanted, location.origin) ? new URL(wanted, location.origin) : null;
  const inside = url?.origin === location.origin && url.pathname.startsWith("/admin/");
  return inside ? url.pathname + url.search : "/admin/";
}

function target(element) {
  const [method, path] = element.dataset.api.split(/\s+(.*)/);
  const form = element.tagName === "FORM" ? element : element.closest("form");
  const filled = path.replace(/\{([\w.]+)\}/g, (_, name) =>
    encodeURIComponent(form.elements[name].value.trim()),
  );
  return [method, filled];
}

async function send(element, button) {
  const form = element.tagName === "FORM" ? element : element.closest("form") || element;
  if (element.tagName === "FORM") clearProblems(element);
  const { confirm: question, confirmButton, etag } = element.dataset;
  if (question && !(await confirm(question, confirmButton || button?.textContent))) return;
  if (element.getAttribute("aria-busy") === "true") return;
  element.setAttribute("aria-busy", "true");
  if (button) button.disabled = true;
  try {
    const [method, path] = target(element);
    let body;
    if (element.tagName === "FORM") body = bodyOf(element, method);
    else if (element.dataset.body) body = JSON.parse(element.dataset.body);
    const ready = new CustomEvent("api:ready", { bubbles: true, cancelable: true, detail: { body, path } });
    if (!element.dispatchEvent(ready)) return;
    const answer = await call(method, ready.detail.path, ready.detail.body, { etag });
    if (answer?.etag && etag) element.dataset.etag = answer.etag;
    if (method === "PATCH" && element.tagName === "FORM") settle(element);
    if (element.dataset.said) toast(element.dataset.said, "good");
    element.dispatchEvent(new CustomEvent("api:done", { bubbles: true, detail: answer }));
    then(element.dataset.then, answer);
  } catch (error) {
    if (error instanceof Wrong) tellProblem(form, error.message, error.name_);
    else if (error instanceof ApiError && element.tagName === "FORM") {
      tellProblem(form, error.message, error.param);
    } else if (error instanceof ApiError) toast(error.message, "bad");
    else throw error;
  } finally {
    element.removeAttribute("aria-busy");
    if (button) button.disabled = false;
  }
}

export function listen() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.dataset.api) return;
    event.preventDefault();
    send(form, event.submitter);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-api]");
    if (button) send(button, button);
  });
  // A switch is sent as soon as it is turned, and turns back where that is refused.
  document.addEventListener("change", async (event) => {
    const box = event.target;
    if (!box.matches("input[type=checkbox][data-switch]")) return;
    const [method, path] = box.dataset.switch.split(/\s+(.*)/);
    const wanted = box.checked;
    const on = path.replace("{enable}", wanted ? "enable" : "disable");
    const body = box.name ? { [box.name]: wanted } : undefined;
    try {
      await call(method, on, body);
      document.body.dispatchEvent(new CustomEvent("changed"));
    } catch (error) {
      box.checked = !wanted;
      toast(error.message, "bad");
    }
  });
}
