// Numbers, sizes and durations, as the templates write them (filters.py).

const rounded = (value) => {
  const whole = Math.abs(value) >= 99.5 || value === Math.trunc(value);
  return value.toFixed(whole ? 0 : 1);
};

function scaled(value, base, names) {
  let step = 0;
  while (Math.abs(value) >= base - 0.5 && step < names.length - 1) {
    value /= base;
    step += 1;
  }
  return rounded(value) + names[step];
}

export const short = (value) => scaled(value, 1000, ["", " k", " M", " G", " T"]);
export const size = (value) => scaled(value, 1024, [" B", " KiB", " MiB", " GiB", " TiB"]);

export function span(milliseconds) {
  if (milliseconds < 999.5) return `${milliseconds.toFixed(0)} ms`;
  if (milliseconds < 9_995) return `${(milliseconds / 1000).toFixed(2)} s`;
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  for (const [unit, name, part, ofPart] of [
    [86_400, "d", 3600, "h"],
    [3600, "h", 60, "min"],
    [60, "min", 1, "s"],
  ]) {
    if (seconds >= unit) {
      const rest = Math.floor((seconds % unit) / part);
      return `${Math.floor(seconds / unit)} ${name}${rest ? ` ${rest} ${ofPart}` : ""}`;
    }
  }
  return `${seconds} s`;
}

const UNITS = {
  number: short,
  tokens: short,
  bytes: size,
  ms: span,
  speed: (value) => `${rounded(value)} tok/s`,
  percent: (value) => `${rounded(value * 100)} %`,
};

export function written(value, unit) {
  return value === null || value === undefined ? "–" : (UNITS[unit] || short)(value);
}
