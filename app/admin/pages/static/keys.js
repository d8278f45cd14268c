// The pages of keys: new secrets, and what is done with several keys at once.

import { call } from "./api.js";
import { again } from "./app.js";
import { closeDrawer, confirm, toast } from "./dialogs.js";
import "./key_form.js";
import "./menus.js";
import { show } from "./secret.js";

const list = () => document.getElementById("list");
const bulk = document.getElementById("bulk");
const chosen = new Map(); // names by id

// A form is done: its drawer closes, and what was made is shown.
document.addEventListener("api:done", async (event) => {
  const form = event.target.closest("form[data-key-form]");
  if (!form) return;
  const key = event.detail;
  const inDrawer = form.closest("#drawer");
  const stays = inDrawer && (list() || !("new" in form.dataset));
  if (inDrawer) closeDrawer();
  if (key.key) await show(key);
  else if ("new" in form.dataset) toast(`“${key.name}” is taken in.`);
  if (!stays) location.assign(`/admin/keys/${encodeURIComponent(key.id)}`);
});

const boxes = () => [...(list()?.querySelectorAll("[data-choose]") || [])];

function tell() {
  const many = chosen.size;
  bulk.hidden = !many;
  bulk.querySelector("[data-count]").textContent = `${many} ${many === 1 ? "key" : "keys"} chosen`;
  const all = list().querySelector("[data-choose-all]");
  if (!all) return;
  all.checked = many > 0 && many === boxes().length;
  all.indeterminate = many > 0 && !all.checked;
}

// After the list was fetched anew: what is still there stays chosen.
function keep() {
  const there = new Set(boxes().map((box) => box.dataset.choose));
  for (const id of [...chosen.keys()]) if (!there.has(id)) chosen.delete(id);
  for (const box of boxes()) box.checked = chosen.has(box.dataset.choose);
  tell();
}

function choose(box) {
  if (box.checked) chosen.set(box.dataset.choose, box.dataset.name);
  else chosen.delete(box.dataset.choose);
}

const DEEDS = {
  enable: ["Enable", "enabled", ""],
  disable: ["Disable", "disabled", "Whoever uses them is refused until they are enabled."],
  revoke: ["Revoke", "revoked", "Whoever uses them is refused from now on, for ever."],
  delete: ["Delete", "deleted", "Whoever uses them is refused from now on; what they have used stays in the usage."],
};
const NAMED = 10;

function named(names) {
  const some = names.slice(0, NAMED).map((name) => `“${name}”`).join(", ");
  return names.length > NAMED ? `${some} and ${names.length - NAMED} more` : some;
}

// What becomes of everybody when these are lost.
async function lost(deed) {
  if (deed === "enable" || bulk.dataset.auth === "off") return "";
  const all = async (query) => {
    const found = await call("GET", `keys?limit=${chosen.size + 1}${query}`);
    return found.keys.length > 0 && found.keys.every((key) => chosen.has(key.id));
  };
  if (deed === "delete" && bulk.dataset.auth === "auto" && (await all(""))) {
    return " These are all keys: without them everybody may ask, with no key at all.";
  }
  if (await all("&state=active")) {
    return " No good key is left then: every request is refused until there is another.";
  }
  return "";
}

async function each(deed) {
  const progress = bulk.querySelector("progress");
  const failed = [];
  progress.max = chosen.size;
  progress.hidden = false;
  let done = 0;
  for (const [id, name] of [...chosen]) {
    const at = `keys/${encodeURIComponent(id)}`;
    try {
      await (deed === "delete" ? call("DELETE", at) : call("POST", `${at}/${deed}`));
    } catch (error) {
      failed.push(`“${name}”: ${error.message}`);
    }
    done += 1;
    progress.value = done;
    bulk.querySelector("[data-count]").textContent = `${done} of ${progress.max}`;
  }
  progress.hidden = true;
  return failed;
}

async function together(deed) {
  const [word, past, what] = DEEDS[deed];
  const names = [...chosen.values()];
  const keys = names.length === 1 ? "key" : "keys";
  const question = `${word} ${names.length} ${keys}: ${named(names)}? ${what}${await lost(deed)}`;
  if (!(await confirm(question.trim(), word))) return;
  const buttons = bulk.querySelectorAll("button");
  for (const button of buttons) button.disabled = true;
  const failed = await each(deed);
  for (const button of buttons) button.disabled = false;
  const well = names.length - failed.length;
  if (failed.length) toast(`${well} of ${names.length} ${past}. ${failed.join(" ")}`, "bad");
  else toast(`${well} ${keys} ${past}.`, "good");
  chosen.clear();
  await again(list());
}

if (bulk) {
  document.addEventListener("change", (event) => {
    const box = event.target;
    if (box.matches("[data-choose]")) choose(box);
    else if (box.matches("[data-choose-all]")) {
      for (const one of boxes()) {
        one.checked = box.checked;
        choose(one);
      }
    } else return;
    tell();
  });
  bulk.addEventListener("click", (event) => {
    const deed = event.target.closest("button")?.dataset.bulk;
    if (deed === "none") {
      chosen.clear();
      keep();
    } else if (deed) together(deed).catch((error) => toast(error.message, "bad"));
  });
  document.addEventListener("htmx:load", keep);
}
