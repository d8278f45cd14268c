// Settings: found by what they are called and mean, saved by groups, and an address of
// Ollama is tried before it is used.

import { again } from "./app.js";
import { bodyOf, clearProblems, tellProblem } from "./forms.js";
import { test } from "./upstream.js";

const $ = (id) => document.getElementById(id);
const narrow = $("narrow");

function find() {
  const words = narrow.elements.q.value.toLowerCase().split(/\s+/).filter(Boolean);
  const onlySet = narrow.elements.set.checked;
  let some = false;
  for (const group of document.querySelectorAll("#groups > section")) {
    let any = false;
    for (const row of group.querySelectorAll(".setting")) {
      const text = `${row.dataset.field} ${row.querySelector("[data-words]").textContent}`.toLowerCase();
      const found = words.every((word) => text.includes(word)) && (!onlySet || "set" in row.dataset);
      const fits = found || "typed" in row.dataset; // what would be saved is seen
      row.hidden = !fits;
      any ||= fits;
    }
    group.hidden = !any;
    some ||= any;
  }
  $("none").hidden = some;
  $("parameters").hidden = words.length > 0 || onlySet;
}

// The address of the page says what is looked for, so it can be sent to somebody.
function note() {
  const query = new URLSearchParams(new FormData(narrow));
  if (!query.get("q")) query.delete("q");
  history.replaceState(history.state, "", query.size ? `?${query}` : location.pathname);
  find();
}

function isChanged(form) {
  try {
    return Object.keys(bodyOf(form, "PATCH")).length > 0;
  } catch {
    return true; // what is no number is no answer yet, but a change
  }
}

function offer(form) {
  form.querySelector("[data-save]").hidden = !isChanged(form);
}

async function look() {
  const field = $("s-upstream_url");
  clearProblems(field.form);
  $("test").disabled = true;
  $("found").textContent = "Asking …";
  try {
    $("found").textContent = await test(field.value.trim() || field.placeholder);
  } catch (error) {
    $("found").textContent = "";
    tellProblem(field.form, error.message, error.param === "url" ? "upstream_url" : "");
  } finally {
    $("test").disabled = false;
  }
}

narrow.addEventListener("input", note);
narrow.addEventListener("change", note);
narrow.addEventListener("submit", (event) => event.preventDefault());
$("clear").addEventListener("click", () => {
  narrow.elements.q.value = "";
  narrow.elements.set.checked = false;
  note();
  narrow.elements.q.focus();
});
$("anew").addEventListener("click", () => again($("groups")));
for (const kind of ["input", "change"]) {
  document.addEventListener(kind, (event) => {
    const form = event.target.closest("#groups form");
    if (!form) return;
    event.target.closest(".setting").dataset.typed = "";
    offer(form);
  });
}
document.addEventListener("reset", (event) => {
  if (!event.target.matches("#groups form")) return;
  clearProblems(event.target);
  for (const row of event.target.querySelectorAll("[data-typed]")) delete row.dataset.typed;
  setTimeout(() => offer(event.target)); // the fields have their values then
  find();
});
document.addEventListener("click", (event) => {
  if (event.target.id === "test") look();
});
// One tag is of all settings: what is typed elsewhere on the page stays, and can be saved.
document.addEventListener("api:done", async (event) => {
  for (const one of document.querySelectorAll("[data-etag]")) one.dataset.etag = event.detail.etag;
  const { id } = event.target.closest("section");
  await again($(id));
  $(id).querySelector("h2").focus();
  if ($(id).contains($("test"))) look(); // whether there is an Ollama where it is said to be
});
document.addEventListener("htmx:load", find);
find();
