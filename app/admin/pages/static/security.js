// Where one is signed in.

import "./twice.js";
import { call, leave } from "./api.js";
import { ago } from "./app.js";
import { confirm, toast } from "./dialogs.js";

const $ = (id) => document.getElementById(id);
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
let others = [];

function cell(row, text, kind = "td") {
  const made = document.createElement(kind);
  made.textContent = text;
  row.append(made);
  return made;
}

function drawn(session) {
  const row = document.createElement("tr");
  const program = cell(row, session.user_agent || "(not said)", "th");
  program.scope = "row";
  program.className = "roomy";
  program.dir = "auto";
  if (session.current) {
    const badge = document.createElement("span");
    badge.className = "badge";
    badge.dataset.tone = "good";
    badge.textContent = "this one";
    program.append(" ", badge);
  }
  cell(row, session.ip || "–").className = "tight";
  for (const at of [session.created_at, session.seen_at]) {
    const said = cell(row, ago(at));
    said.className = "tight";
    said.title = exact.format(at);
  }
  cell(row, exact.format(session.ends_at)).className = "tight";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet small danger";
  button.textContent = "End";
  button.setAttribute("aria-label", `End the session from ${session.ip || "an unknown place"}, begun ${exact.format(session.created_at)}${session.current ? " (this one)" : ""}`);
  button.addEventListener("click", () => endOne(session));
  cell(row, "").className = "tight";
  row.lastChild.append(button);
  return row;
}

async function draw() {
  const { sessions } = await call("GET", "me/sessions");
  others = sessions.filter((one) => !one.current);
  $("sessions").replaceChildren(...sessions.map(drawn));
  $("end-others").hidden = !others.length;
}

// All of them: that one of them had ended already keeps nobody else signed in.
async function end(some) {
  let ended = 0;
  try {
    for (const one of some) {
      ended += await call("DELETE", `me/sessions/${one.id}`).then(() => 1, ifGone);
    }
    if (!ended) toast("It had ended already.");
    else toast(ended === 1 ? "The session has ended." : `${ended} sessions have ended.`, "good");
  } catch (error) {
    toast(error.message, "bad");
  }
  await draw();
}

function ifGone(error) {
  if (error.status !== 404) throw error;
  return 0;
}

async function endOne(session) {
  const what = session.current
    ? "End this session, which you are using? You have to sign in again."
    : `End the session of “${session.user_agent}” from ${session.ip}? Whoever uses it has to sign in again.`;
  if (!(await confirm(what, "End it"))) return;
  if (!session.current) return end([session]);
  await call("POST", "logout");
  leave();
}

$("end-others").addEventListener("click", async () => {
  const many = others.length === 1 ? "the other session" : `all ${others.length} other sessions`;
  if (await confirm(`End ${many}? Whoever uses them has to sign in again.`, "End them")) end(others);
});
draw().catch((error) => toast(error.message, "bad"));
