// A new secret in a dialog, once: when it is closed the page has it no more.
//
//   import { show } from "./secret.js";

import { call } from "./api.js";
import { fill } from "./snippets.js";

let current = null; // the key whose secret is shown

// The model that a key would rather be tried with, if there is one.
async function modelOf(key) {
  if (key.default_model) return key.default_model;
  const found = await call("GET", `keys/${encodeURIComponent(key.id)}/models`).catch(() => null);
  return found?.models[0] || "";
}

function until(dialog, moment) {
  const note = dialog.querySelector("[data-until]");
  note.hidden = !moment;
  if (moment) note.querySelector("time").textContent = new Date(moment).toLocaleString();
}

// Done when it has been closed.
export function show(key) {
  const dialog = document.getElementById("secret");
  current = key;
  dialog.querySelector("[data-name]").textContent = key.name;
  until(dialog, key.previous_until);
  fill(dialog, { secret: key.key });
  // It may come when this one is closed, or when that of another key is open.
  modelOf(key).then((model) => current === key && fill(dialog, { secret: key.key, model }));
  // Over whatever is open, and not to be lost by a slip of Escape.
  dialog.addEventListener("cancel", keep);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      current = null;
      fill(dialog);
      dialog.querySelector("code[data-secret]").textContent = "";
      resolve();
    }, { once: true });
  });
}

function keep(event) {
  event.preventDefault();
}
