// The same request for others: as a command, as a program.

import { readable } from "./trace.js";

function python(value, depth = 0) {
  const edge = "    ".repeat(depth);
  const inner = `${edge}    `;
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value !== "object") return JSON.stringify(value);
  const list = Array.isArray(value);
  const items = list
    ? value.map((one) => python(one, depth + 1))
    : Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}: ${python(one, depth + 1)}`);
  const [open, close] = list ? "[]" : "{}";
  if (!items.length) return open + close;
  return `${open}\n${items.map((one) => `${inner}${one},\n`).join("")}${edge}${close}`;
}

export const COMMANDS = {
  curl: (url, body) =>
    [
      `curl -N ${url} \\`,
      `  -H "Authorization: Bearer YOUR_KEY" \\`,
      `  -H "Content-Type: application/json" \\`,
      `  -d '${readable(body).replaceAll("'", "'\\''")}'`,
    ].join("\n"),
  python: (url, body) =>
    [
      "import requests",
      "",
      "answer = requests.post(",
      `    ${JSON.stringify(url)},`,
      '    headers={"Authorization": "Bearer YOUR_KEY"},',
      `    json=${python(JSON.parse(readable(body)), 1)},`,
      "    stream=True,",
      ")",
      "for line in answer.iter_lines():",
      "    print(line.decode())",
    ].join("\n"),
};
