// What runs now: events once a second, drawn into rows that stay where they are.

import { call } from "./api.js";
import { confirm, toast } from "./dialogs.js";
import { short, size, span } from "./words.js";

const $ = (id) => document.getElementById(id);
const rows = new Map();
let source = null;
let latest = null;
let paused = false;

const nameOf = (one) => `${one.host}/${one.pid}/${one.id}`;
const shown = (value, write) => (value === null || value === undefined ? "–" : write(value));

function tell(text, tone = "") {
  const state = $("state");
  if (state.textContent !== text) state.textContent = text;
  state.dataset.tone = tone;
}

function fits(one, words) {
  const text = [one.model, one.resolved, one.key_name, one.client, one.id, one.endpoint].join("\n").toLowerCase();
  return words.every((word) => text.includes(word));
}

function made(one) {
  const row = document.createElement("tr");
  const cells = {};
  const cell = (name, kind = "td", style = "") => {
    const made = document.createElement(kind);
    if (kind === "th") made.scope = "row";
    made.className = style;
    cells[name] = made;
    row.append(made);
  };
  cell("model", "th");
  cell("key");
  cell("where");
  for (const name of ["age", "tokens", "speed", "sent"]) cell(name, "td", "number");
  cell("client");
  cell("do", "td", "tight");
  const part = (name, style) => {
    const made = document.createElement("span");
    made.className = style;
    cells[name] = made;
    return made;
  };
  cells.where.append(part("state", "badge"), " ", part("endpoint", ""));
  const stop = document.createElement("button");
  stop.type = "button";
  stop.className = "quiet small danger";
  stop.textContent = "Cancel";
  stop.setAttribute("aria-label", `Cancel the request ${one.id.slice(0, 80)}`);
  stop.addEventListener("click", () => cancel(one));
  cells.do.append(stop);
  return { row, cells };
}

function fill({ row, cells }, one) {
  const put = (name, text) => {
    if (cells[name].textContent !== text) cells[name].textContent = text;
  };
  const other = one.resolved && one.resolved !== one.model ? ` → ${one.resolved}` : "";
  put("model", one.model ? one.model + other : "(not known yet)");
  put("key", one.key_name || "–");
  put("endpoint", one.endpoint + (one.stream ? ", stream" : ""));
  put("state", one.state);
  cells.state.dataset.tone = one.state === "answering" ? "good" : "";
  put("age", span(one.age_ms));
  put("tokens", shown(one.tokens, short));
  put("speed", shown(one.tokens_per_s, (value) => value.toFixed(1)));
  put("sent", size(one.bytes_sent));
  put("client", one.client || "–");
  row.title = `Request ${one.id}`;
  cells.client.title = `Worker ${one.pid} on ${one.host}`;
}

function draw() {
  if (!latest) return;
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const some = latest.running.filter((one) => fits(one, words));
  const there = new Set(some.map(nameOf));
  for (const [name, { row }] of rows) {
    if (there.has(name)) continue;
    row.remove();
    rows.delete(name);
  }
  some.forEach((one, index) => {
    const name = nameOf(one);
    if (!rows.has(name)) rows.set(name, made(one));
    const entry = rows.get(name);
    fill(entry, one);
    // Moving a row takes the focus from its button: only what is not in its place.
    const body = $("rows");
    if (body.children[index] !== entry.row) body.insertBefore(entry.row, body.children[index] || null);
  });
  const sum = (name) => latest.running.reduce((all, one) => all + (one[name] || 0), 0);
  $("total").textContent = short(latest.total);
  $("waiting").textContent = short(latest.running.filter((one) => one.state === "waiting").length);
  $("tokens").textContent = short(sum("tokens"));
  $("speed").textContent = sum("tokens_per_s").toFixed(1);
  $("workers").textContent = String(latest.workers);
  const silent = latest.silent ? `${latest.silent} of the workers did not answer in time. ` : "";
  $("note").textContent = silent + latest.note;
  $("note").hidden = !(silent + latest.note);
  $("list").hidden = !some.length;
  $("none").hidden = latest.running.length > 0;
  $("unfit").hidden = some.length > 0 || !latest.running.length;
  $("more").hidden = latest.total <= latest.running.length;
  $("more").textContent = `These are the oldest ${latest.running.length} of ${latest.total}.`;
}

async function cancel(one) {
  const who = one.key_name ? ` of “${one.key_name}”` : "";
  const what = `End the request${who} to ${one.model || "a model"} (${one.id})? Its client is told that an administrator ended it.`;
  if (!(await confirm(what, "End the request"))) return;
  try {
    await call("POST", `live/${encodeURIComponent(one.id)}/cancel`);
    toast("The request was ended.", "good");
  } catch (error) {
    toast(error.status === 404 ? "It had ended already." : error.message, error.status === 404 ? "" : "bad");
  }
}

function stop() {
  source?.close();
  source = null;
}

function start() {
  if (source || paused || document.hidden) return;
  source = new EventSource("/admin/api/v1/live");
  source.onmessage = (event) => {
    tell("Live", "good");
    latest = JSON.parse(event.data);
    draw();
  };
  source.onerror = async () => {
    // Every minute the server ends it, and the browser comes again by itself.
    if (source?.readyState !== EventSource.CLOSED) return;
    stop();
    tell("Not connected", "warn");
    try {
      await call("GET", "me"); // where nobody is signed in any more, this leads there
    } catch (error) {
      tell(error.message, "bad");
    }
    setTimeout(start, 5000);
  };
}

$("filter").addEventListener("input", draw);
$("clear").addEventListener("click", () => {
  $("filter").value = "";
  draw();
  $("filter").focus();
});
$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  $("pause").textContent = paused ? "Go on" : "Pause";
  if (paused) {
    stop();
    tell("Paused");
  } else start();
});
document.addEventListener("visibilitychange", () => (document.hidden ? stop() : start()));
addEventListener("pagehide", stop);
addEventListener("pageshow", start);
start();
