// Charts, drawn by uPlot of what stands in data-chart:
//
//   {"x": [Unix ms, …], "kind": "line" | "bars" | "stack", "unit": "number" | "tokens" |
//    "ms" | "bytes" | "speed" | "percent",
//    "series": [{"label": "ok", "values": [1, null, …], "tone": 1…8 | "good" | "bad" | …}]}
//
// where x may be {"from": Unix ms, "step": ms, "count": n}, which is shorter;
// or, with "names" in place of "x", one bar for each name.  Bars of several series lie over
// each other: those are for a stack.  Colours are those of app.css.
// Behind "Table" is the same in numbers, for those who cannot see it.
// Each x begins a step; days are those of UTC, all else is in the zone of whoever looks.

import { written } from "./words.js";

const HEIGHT = 200;
const LETTER = 7; // pixels, about
const BESIDE = 58; // pixels for numbers
const HOUR = 3_600_000;
const DAY = 86_400_000;
// What is written below, by what lies between two ticks; the last where it begins anew.
const below = (step, form, year, day = null) => [step, form, year, null, day, null, null, null, 1];
const TIMES = [
  below(28 * DAY, "{MMM}", "\n{YYYY}"),
  below(DAY, "{D} {MMM}", "\n{YYYY}"),
  below(1000, "{HH}:{mm}", "\n{D} {MMM}", "\n{D} {MMM}"),
];
const drawn = new Map();
const left = new Map(); // what was left out of charts, by their titles: it stays so
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colour = (tone, index) => style(`--chart-${tone || (index % 8) + 1}`);
const isDaily = (x) => x.length > 1 && x.every((at) => at % DAY === 0);

// What uPlot draws: x, then the series; of a stack the uppermost first, since those
// below are drawn over it.  What is left out is as if it were not there.
function data(chart) {
  const x = chart.x || chart.names.map((_, at) => at);
  if (chart.kind !== "stack") return [x, ...chart.series.map((one) => one.values)];
  const sums = x.map(() => 0);
  const stacked = chart.series.map((one) =>
    one.values.map((value, at) => (chart.out.has(one.label) ? sums[at] : (sums[at] += value || 0))),
  );
  return [x, ...stacked.reverse()];
}

// A click on what a series is called leaves it out, or takes it in again.
function leaveOut(chart, plot, index) {
  const { label, show } = plot.series[index];
  if (show) chart.out.delete(label);
  else chart.out.add(label);
  if (chart.kind === "stack") plot.setData(data(chart));
}

// Nobody has half a request.
const WHOLE = Array.from({ length: 16 }, (_, power) => [1, 2, 5].map((one) => one * 10 ** power)).flat();
const INCREMENTS = { number: WHOLE, tokens: WHOLE, bytes: Array.from({ length: 54 }, (_, power) => 2 ** power) };

function axes(chart, width) {
  const grid = { stroke: style("--line"), width: 1 };
  const axis = { stroke: style("--soft"), ticks: { show: false }, font: "12px system-ui" };
  const time = { ...axis, grid: { show: false }, values: TIMES };
  if (chart.names) {
    const room = (width - BESIDE - 20) / chart.names.length / LETTER; // in letters
    const every = Math.ceil(6 / room); // so that there are some
    const most = Math.floor(room * every) - 1;
    const cut = (name) => (name.length > most ? `${name.slice(0, most - 1)}…` : name);
    time.splits = () => chart.names.flatMap((_, at) => (at % every ? [] : [at]));
    time.values = (plot, splits) => splits.map((at) => cut(chart.names[at]));
  }
  const beside = { ...axis, grid, size: BESIDE };
  const increments = INCREMENTS[chart.unit || "number"];
  if (increments) beside.incrs = increments;
  beside.values = (plot, splits) => splits.map((value) => written(value, chart.unit));
  return [time, beside];
}

function series(chart) {
  const isLine = chart.kind === "line";
  // A bar is as wide as its step, or in the middle over its name.
  const align = chart.names ? 0 : 1;
  const paths = isLine ? undefined : uPlot.paths.bars({ size: [0.85, 48], align });
  const made = chart.series.map((one, index) => ({
    label: one.label,
    show: !chart.out.has(one.label),
    stroke: colour(one.tone, index),
    width: isLine ? 2 : 0,
    fill: isLine ? undefined : colour(one.tone, index),
    paths,
    points: { show: false, size: 5, filter: isLine ? lonely : undefined },
    value: (plot, value, at, point) => written(one.values[point], chart.unit),
  }));
  return chart.kind === "stack" ? made.reverse() : made;
}

// A value between two gaps is on no line: it is shown as a point.
function lonely(plot, index) {
  const values = plot.data[index];
  const known = (at) => values[at] !== null && values[at] !== undefined;
  return values.flatMap((_, at) => (known(at) && !known(at - 1) && !known(at + 1) ? [at] : []));
}

// How a time is written.
function clock(chart) {
  const form = isDaily(chart.x) ? { timeZone: "UTC" } : { timeStyle: "short" };
  const written = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", ...form });
  return (at) => written.format(new Date(at));
}

function options(chart, width) {
  const daily = chart.x && isDaily(chart.x);
  const called = chart.names ? (at) => chart.names[at] : clock(chart);
  const isLine = chart.kind === "line";
  return {
    width,
    height: HEIGHT,
    ms: 1,
    ...(daily ? { tzDate: (at) => uPlot.tzDate(new Date(at), "Etc/UTC") } : {}),
    cursor: { drag: { x: false, y: false }, points: { show: isLine }, y: false },
    scales: {
      x: { time: !chart.names, range: chart.names ? centred : isLine && chart.x.length > 1 ? undefined : whole },
      y: { range: (plot, low, high) => [0, high > 0 ? high * 1.05 : 1] },
    },
    axes: axes(chart, width),
    series: [
      { label: chart.names ? "What" : "Time", value: (plot, at) => (at == null ? "–" : called(at)) },
      ...series(chart),
    ],
    hooks: {
      setSeries: [
        (plot, index, changed) => {
          if (index && "show" in changed) leaveOut(chart, plot, index);
        },
      ],
    },
  };
}

// The last step has its room too; how long one alone is, nobody knows.
function whole(plot, low, high) {
  const steps = plot.data[0].length - 1;
  return [low, high + (steps ? (high - low) / steps : HOUR)];
}

function centred(plot, low, high) {
  return [low - 0.5, high + 0.5];
}

function read(place) {
  const chart = JSON.parse(place.dataset.chart);
  if (chart.x && !Array.isArray(chart.x)) {
    const { from, step, count } = chart.x;
    chart.x = Array.from({ length: count }, (_, number) => from + number * step);
  }
  const { title } = place.dataset;
  if (!left.has(title)) left.set(title, new Set());
  chart.out = left.get(title);
  return chart;
}

function draw(place) {
  const chart = read(place);
  if (!(chart.x || chart.names).length || !chart.series.length) {
    drawn.set(place, null);
    place.classList.add("nothing");
    place.textContent = "Nothing in this time.";
    return;
  }
  const holder = document.createElement("div");
  holder.setAttribute("role", "img");
  holder.setAttribute("aria-label", `${place.dataset.title}: chart; its numbers are in the table below`);
  place.append(holder);
  const plot = new uPlot(options(chart, place.clientWidth || 300), data(chart), holder);
  const sized = new ResizeObserver(() => {
    if (place.clientWidth && place.clientWidth !== plot.width) {
      plot.setSize({ width: place.clientWidth, height: HEIGHT });
    }
  });
  sized.observe(place);
  drawn.set(place, { plot, sized });
  place.append(details(chart, place.dataset.title));
}

// The same in numbers, made when somebody wants it.
function details(chart, title) {
  const made = document.createElement("details");
  const summary = document.createElement("summary");
  summary.textContent = "Table";
  summary.setAttribute("aria-label", `Table of ${title}`);
  made.append(summary);
  made.addEventListener("toggle", () => {
    if (!made.open || made.querySelector("table")) return;
    const wrap = document.createElement("div");
    wrap.className = "table-wrap";
    wrap.tabIndex = 0;
    wrap.setAttribute("role", "region");
    wrap.setAttribute("aria-label", title);
    wrap.append(table(chart));
    made.append(wrap);
  });
  return made;
}

function table(chart) {
  const made = document.createElement("table");
  const head = made.createTHead().insertRow();
  const body = made.createTBody();
  const cell = (row, text, name = "td", number = false) => {
    const one = document.createElement(name);
    one.textContent = text;
    if (number) one.className = "number";
    if (name === "th") one.scope = row === head ? "col" : "row";
    row.append(one);
  };
  const called = chart.names ? (name) => name : clock(chart);
  cell(head, chart.names ? "What" : isDaily(chart.x) ? "Day (UTC)" : "Time", "th");
  for (const one of chart.series) cell(head, one.label, "th", true);
  (chart.x || chart.names).forEach((at, index) => {
    const row = body.insertRow();
    cell(row, called(at), "th");
    for (const one of chart.series) cell(row, written(one.values[index], chart.unit), "td", true);
  });
  return made;
}

function drop(place) {
  const found = drawn.get(place);
  found?.sized.disconnect();
  found?.plot.destroy();
  drawn.delete(place);
  place.replaceChildren();
}

// Draw what is not drawn yet, and let go of what is not on the page any more.
function drawAll() {
  for (const place of [...drawn.keys()]) if (!place.isConnected) drop(place);
  for (const place of document.querySelectorAll("[data-chart]")) {
    if (!drawn.has(place)) draw(place);
  }
}

function redraw() {
  for (const place of [...drawn.keys()]) drop(place);
  drawAll();
}

drawAll();
// As soon as it is there: later the page would be seen without, and jump.
document.addEventListener("htmx:afterSwap", drawAll);
document.addEventListener("htmx:load", drawAll);
document.addEventListener("theme", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
