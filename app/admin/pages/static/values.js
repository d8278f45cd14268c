// Values of parameters: as JSON has them, as fields have them, and what is wrong with them.

export const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

// {"value": …, "mode": …} says more than a value.
export function isRule(said) {
  const names = isObject(said) ? Object.keys(said) : [];
  return names.length > 0 && names.every((name) => name === "value" || name === "mode");
}

export function parted(said) {
  return isRule(said) ? { mode: said.mode ?? "default", value: said.value ?? null } : { mode: "default", value: said ?? null };
}

export function joined(mode, value) {
  if (mode === "remove") return { mode };
  return mode === "default" && !isRule(value) ? value : { value, mode };
}

const NUMBERS = ["integer", "number", "milliseconds"];
export const kindOf = (kind) => (["text", "texts", "format", "any"].includes(kind) ? "long" : kind);

// What a field shows of a value; of one of another kind its JSON, so that nothing is lost.
export function written(kind, value) {
  if (value === null || value === undefined) return kind === "choice" || kind === "boolean" ? "null" : "";
  if (kind === "texts" && Array.isArray(value) && value.every((one) => typeof one === "string")) {
    return value.map((one) => one.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\t", "\\t")).join("\n");
  }
  if (kind === "any" || kind === "choice" || kind === "boolean") return JSON.stringify(value);
  return typeof value === "string" ? value : JSON.stringify(value, null, kind === "format" ? 2 : 0);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const ESCAPES = { n: "\n", t: "\t", "\\": "\\" };

// What a field says; what it cannot be stays the text that was typed.
export function read(kind, text) {
  const bare = text.trim();
  if (kind === "text") return text;
  if (kind === "texts") {
    const lines = text.split("\n").filter((line) => line !== "");
    return lines.map((line) => line.replace(/\\([nt\\])/g, (_, one) => ESCAPES[one]));
  }
  if (!bare) return null;
  if (NUMBERS.includes(kind) || kind === "duration") return Number.isNaN(Number(bare)) ? bare : Number(bare);
  if (kind === "format") return bare === "json" ? "json" : parsed(bare);
  return parsed(bare);
}

// What is certainly wrong, in a sentence; Pannier looks at all of it once more.
export function problemOf({ kind, least, most, choices }, { mode, value }) {
  if (mode === "remove") return "";
  if (value === null) return "A value is wanted; or remove it.";
  if (kind === "boolean" && typeof value !== "boolean") return "true or false is wanted.";
  if (kind === "choice" && !choices.includes(value)) return `One of ${choices.join(", ")} is wanted.`;
  if (kind === "text" && typeof value !== "string") return "A text is wanted.";
  if (kind === "format" && value !== "json" && !isObject(value)) return "json, or a JSON schema, is wanted.";
  if (!NUMBERS.includes(kind)) return "";
  if (typeof value !== "number") return "A number is wanted.";
  if (kind === "integer" && !Number.isInteger(value)) return "A whole number is wanted.";
  if (Math.abs(value) > Number.MAX_SAFE_INTEGER) return "No browser can count that far: pannier models set can.";
  if (kind === "milliseconds" && value < 0) return "0 or more is wanted.";
  if (least !== undefined && value < least) return `${least} or more is wanted.`;
  if (most !== undefined && value > most) return `${most} or less is wanted.`;
  return "";
}
