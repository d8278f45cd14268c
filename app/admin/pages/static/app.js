// What all pages do: times in the reader's zone, light and dark, copying, the menu,
// fragments that are fetched again.  See forms.js for what changes something.

import { ApiError, leave } from "./api.js";
import * as dialogs from "./dialogs.js";
import * as forms from "./forms.js";

const FORMS = {
  both: { dateStyle: "medium", timeStyle: "short" },
  day: { dateStyle: "medium" },
  time: { timeStyle: "medium" },
  exact: { dateStyle: "short", timeStyle: "medium" },
  full: { dateStyle: "full", timeStyle: "long" },
};
const STEPS = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1000],
];

export function ago(at) {
  const past = at - Date.now();
  for (const [unit, size] of STEPS) {
    if (Math.abs(past) >= size || unit === "second") {
      return new Intl.RelativeTimeFormat(undefined, { numeric: "auto" }).format(
        Math.round(past / size),
        unit,
      );
    }
  }
  return "";
}

function tellTimes(place) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  for (const time of place.querySelectorAll("time[data-form]")) {
    const at = new Date(time.dateTime);
    const form = time.dataset.form;
    const write = (name) => new Intl.DateTimeFormat(undefined, FORMS[name]).format(at);
    time.textContent = form === "ago" ? ago(at.getTime()) : write(form);
    time.title = write("full");
  }
  for (const name of place.querySelectorAll("[data-zone]")) name.textContent = zone;
}

// A control of a form for times holds Unix milliseconds in data-at.
function fillTimes(place) {
  for (const input of place.querySelectorAll("input[type=datetime-local][data-at]")) {
    const at = new Date(Number(input.dataset.at));
    const local = new Date(at.getTime() - at.getTimezoneOffset() * 60_000);
    input.defaultValue = local.toISOString().slice(0, 16);
  }
}

async function copy(button) {
  const from = button.closest(".copied").querySelector("code");
  try {
    await navigator.clipboard.writeText(from.textContent);
  } catch {
    // No clipboard without TLS: what is selected can be copied by hand, or the old way.
    getSelection().selectAllChildren(from);
    if (!document.execCommand("copy")) {
      dialogs.toast("Selected: press Ctrl+C (or Cmd+C) to copy it.");
      return;
    }
  }
  if (button.textContent === "Copied") return;
  const label = button.getAttribute("aria-label");
  button.textContent = "Copied";
  button.removeAttribute("aria-label");
  setTimeout(() => {
    button.textContent = "Copy";
    if (label) button.setAttribute("aria-label", label);
  }, 2000);
}

// Light, dark, or as the system has it.
function theme() {
  const button = document.querySelector("[data-theme-switch]");
  if (!button) return;
  const root = document.documentElement;
  const told = () => (button.textContent = `Theme: ${root.dataset.theme || "system"}`);
  told();
  button.addEventListener("click", () => {
    const order = ["", "light", "dark"];
    const next = order[(order.indexOf(root.dataset.theme || "") + 1) % 3];
    if (next) root.dataset.theme = next;
    else delete root.dataset.theme;
    try {
      localStorage.setItem("pannier-theme", next);
    } catch {
      // It counts for this page alone.
    }
    told();
    document.dispatchEvent(new Event("theme"));
  });
}

function menu() {
  const button = document.querySelector("button.menu");
  button?.addEventListener("click", () => {
    const open = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", String(open));
  });
}

// <section id="list" data-again="10"> is fetched anew every ten seconds while somebody
// looks, and, with data-on-change, after every change.  Only this part of the page is.
export function again(element, event) {
  // As its own source: of several that are asked for by the page htmx drops some.
  const values = { source: element, target: element, event, select: `#${element.id}`, swap: "outerHTML" };
  return window.htmx.ajax("GET", element.dataset.from || location.href, values);
}

function isBusy(element) {
  const active = document.activeElement;
  const typing = element.contains(active) && active.matches("input, select, textarea, summary:focus-visible");
  return document.hidden || typing || element.querySelector("details[open], [data-hold]");
}

function watch() {
  setInterval(() => {
    for (const element of document.querySelectorAll("[data-again]")) {
      const due = Number(element.dataset.due ||= Date.now() + element.dataset.again * 1000);
      if (Date.now() < due || isBusy(element)) continue;
      element.dataset.due = Date.now() + element.dataset.again * 1000;
      again(element, new Event("due"));
    }
  }, 1000);
  document.body.addEventListener("changed", () => {
    for (const element of document.querySelectorAll("[data-on-change]")) again(element);
  });
}

function filled(place) {
  tellTimes(place);
  fillTimes(place);
}

filled(document);
theme();
menu();
watch();
dialogs.listen();
forms.listen();
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});
document.addEventListener("htmx:load", (event) => filled(event.target));
// What somebody has begun there, since it was due, is not taken away; it is due again.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { target, requestConfig } = event.detail;
  if (requestConfig.triggeringEvent?.type !== "due" || !isBusy(target)) return;
  event.detail.shouldSwap = false;
  target.dataset.due = 1;
});
document.addEventListener("htmx:responseError", (event) => {
  const { xhr } = event.detail;
  if (xhr.status === 401) return leave();
  let message = `The server answered ${xhr.status}.`;
  try {
    message = JSON.parse(xhr.responseText).error.message;
  } catch {
    // No answer of the API's: the status says what is known.
  }
  dialogs.toast(message, "bad");
});
document.addEventListener("htmx:sendError", () => {
  dialogs.toast("Pannier does not answer. Is it running?", "bad");
});
// What goes wrong where nobody waits for it is told all the same.
addEventListener("unhandledrejection", (event) => {
  if (!(event.reason instanceof ApiError)) return;
  event.preventDefault();
  dialogs.toast(event.reason.message, "bad");
});
