// Whether an Ollama answers at an address.

import { call } from "./api.js";

// What was found, in words.
export function told(found) {
  if (!found.ok) return `Nothing answers at ${found.url}: ${found.error}`;
  const kind = found.is_simulator ? "Pannier's simulator" : "Ollama";
  const models = found.models === 1 ? "1 model" : `${found.models} models`;
  return `${kind} ${found.version} answers at ${found.url}, with ${models}.`;
}

export async function test(url) {
  return told(await call("POST", "upstream/test", { url }));
}
