// The first steps: a password said twice, an Ollama that answers, a key to copy.

import "./twice.js";
import { call } from "./api.js";
import { clearProblems, tellProblem } from "./forms.js";
import { show } from "./secret.js";
import * as upstream from "./upstream.js";

const $ = (id) => document.getElementById(id);

function told(found) {
  $("ollama").toggleAttribute("data-done", found.ok && !found.is_simulator);
  let text = upstream.told(found);
  if (!found.ok) text += " Start it there (ollama serve), or say where it is.";
  else if (found.is_simulator) text += " Its answers are made up; they are good for trying Pannier.";
  else if (!found.models) text += " Get one: ollama pull llama3.2, or on the page Models.";
  $("found").textContent = text;
}

async function test() {
  const form = $("where");
  clearProblems(form);
  $("test").disabled = true;
  $("found").textContent = `Asking ${$("url").value} …`;
  try {
    told(await call("POST", "upstream/test", { url: $("url").value.trim() }));
  } catch (error) {
    $("found").textContent = "";
    tellProblem(form, error.message, error.param === "url" ? "upstream_url" : "");
  } finally {
    $("test").disabled = false;
  }
}

document.addEventListener("api:ready", (event) => {
  const form = event.target;
  const { body } = event.detail;
  if (form.id === "make") body.allow_models = ["*"];
});
document.addEventListener("api:done", async (event) => {
  if (event.target.id === "where") test();
  if (event.target.id !== "make") return;
  event.target.reset();
  await show(event.detail);
  $("key").toggleAttribute("data-done", true);
  $("done").hidden = false;
  $("done").scrollIntoView({ block: "nearest" });
});

if ($("where")) {
  $("test").addEventListener("click", test);
  test();
}
