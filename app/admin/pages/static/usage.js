// Usage and records: own times, saved views, and which columns are shown.

import { toast } from "./dialogs.js";

// An address holds Unix milliseconds and nothing that says nothing; both htmx and the
// browser itself ask for the data of a form before they send it.
document.addEventListener("formdata", ({ target, formData }) => {
  if (target.id !== "filters") return;
  for (const [name, text] of [...formData]) if (!text) formData.delete(name);
  const own = formData.get("range") === "own";
  for (const name of ["from", "to"]) {
    const at = new Date(formData.get(name) ?? "").getTime();
    if (own && !Number.isNaN(at)) formData.set(name, at);
    else formData.delete(name);
  }
});

function kept(name) {
  try {
    return JSON.parse(localStorage.getItem(name)) || {};
  } catch {
    return {}; // nothing is kept here, or what is there is none of ours
  }
}

function keep(name, value) {
  try {
    localStorage.setItem(name, JSON.stringify(value));
  } catch {
    toast("This browser keeps nothing for this page.", "bad");
  }
}

const VIEWS = "pannier-usage-views";

function tellViews() {
  const views = kept(VIEWS);
  const items = Object.keys(views).sort().map((name) => {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = `/admin/usage${views[name]}`;
    link.textContent = name;
    const gone = document.createElement("button");
    gone.type = "button";
    gone.className = "quiet small";
    gone.textContent = "Forget";
    gone.setAttribute("aria-label", `Forget the view ${name}`);
    gone.addEventListener("click", () => {
      const left = kept(VIEWS);
      delete left[name];
      keep(VIEWS, left);
      tellViews();
    });
    item.append(link, " ", gone);
    return item;
  });
  document.querySelector("[data-views]").replaceChildren(...items);
}

document.querySelector("[data-save]")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  const name = form.elements.name.value.trim();
  if (!name) return;
  const where = location.pathname.slice("/admin/usage".length) + location.search;
  keep(VIEWS, { ...kept(VIEWS), [name]: where });
  form.reset();
  tellViews();
});

const COLUMNS = "pannier-usage-columns";
const boxes = [...document.querySelectorAll("[data-columns] input")];

function showColumns() {
  const rows = document.querySelectorAll("#records tr");
  for (const row of rows) {
    // The first column is the time, which is always there.
    boxes.forEach((box, at) => (row.cells[at + 1].hidden = !box.checked));
  }
}

function chooseColumns() {
  const chosen = kept(COLUMNS);
  for (const box of boxes) box.checked = chosen[box.value] ?? box.checked;
  showColumns();
}

for (const box of boxes) {
  box.addEventListener("change", () => {
    keep(COLUMNS, { ...kept(COLUMNS), [box.value]: box.checked });
    showColumns();
  });
}

if (document.querySelector("[data-views]")) tellViews();
if (boxes.length) {
  chooseColumns();
  document.addEventListener("htmx:load", showColumns);
}
