// The admin API, as pages ask it.

const PREFIX = "/admin/api/v1/";

export class ApiError extends Error {
  constructor(status, error, answer = {}) {
    super(error.message || `The server answered ${status}.`);
    this.status = status;
    this.code = error.code || error.type || ""; // Anthropic's have a type alone
    this.param = error.param || "";
    this.headers = answer.headers;
    this.body = answer.body;
  }
}

function token() {
  return document.querySelector("meta[name=csrf-token]").content;
}

// The error of an answer; Ollama's own are texts.
function told(text) {
  try {
    const { error } = JSON.parse(text);
    return typeof error === "string" ? { message: error } : error || {};
  } catch {
    return {};
  }
}

const AGAIN =
  "You are not signed in any more. Sign in in another tab, then do this again: what you typed is still here.";

// Whoever signed in again in another tab has another token.
async function renew() {
  const { csrf_token } = await call("GET", "me");
  const known = token();
  document.querySelector("meta[name=csrf-token]").content = csrf_token;
  return csrf_token !== known;
}

// A request below the prefix; the answer of fetch, which may be read piece by piece.  A
// Blob is sent as it is: it is JSON already.
export async function ask(method, path, body, { etag, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRF-Token"] = token();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (etag) headers["If-Match"] = etag;
  let answer;
  try {
    const sent = body === undefined || body instanceof Blob ? body : JSON.stringify(body);
    answer = await fetch(PREFIX + path, { method, headers, body: sent, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { message: "Pannier does not answer. Is it running?" });
  }
  if (!answer.ok) {
    const text = await answer.text();
    const error = told(text);
    if (error.code === "csrf_token_invalid" && (await renew())) {
      return ask(method, path, body, { etag, signal });
    }
    if (error.code === "not_signed_in") {
      if (method === "GET" || path === "logout") leave();
      error.message = AGAIN;
    }
    throw new ApiError(answer.status, error, { headers: answer.headers, body: text });
  }
  return answer;
}

// What is answered, as a value; null where there is no body.
export async function call(method, path, body, options) {
  const answer = await ask(method, path, body, options);
  return answer.status === 204 ? null : answer.json();
}

// Nobody is signed in any more: to the page for that, and back here afterwards.
export function leave() {
  const here = location.pathname + location.search;
  location.assign("/admin/login?next=" + encodeURIComponent(here));
}

// Each event of an answer in text/event-stream: its name and its data.
export async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let left = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (left + value).split("\n\n");
      left = blocks.pop();
      for (const block of blocks) {
        const event = { name: "message", data: "", raw: block };
        for (const line of block.split("\n")) {
          if (line.startsWith("data:")) event.data += line.slice(5).trimStart();
          else if (line.startsWith("event:")) event.name = line.slice(6).trim();
        }
        yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
