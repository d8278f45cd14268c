// Charts, drawn by uPlot of what stands in data-chart:
//
//   {"x": [Unix ms, …], "kind": "line" | "bars" | "stack", "unit": "number" | "tokens" |
//    "ms" | "bytes" | "speed" | "percent",
//    "series": [{"label": "ok", "values": [1, null, …], "tone": 1…8 | "good" | "bad" | …}]}
//
// or, with "names" in place of "x", one bar for each name.  Colours are those of app.css.
// Behind "Table" is the same in numbers, for those who cannot see it.

import { written } from "./words.js";

const HEIGHT = 200;
const drawn = new Map();
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colour = (tone, index) => style(`--chart-${tone || (index % 8) + 1}`);

function stacked(series) {
  const sums = [];
  return series.map((one) =>
    one.values.map((value, at) => (sums[at] = (sums[at] || 0) + (value || 0))),
  );
}

function options(chart, width) {
  const stack = chart.kind === "stack";
  const grid = { stroke: style("--line"), width: 1 };
  const axis = { stroke: style("--soft"), grid, ticks: { show: false }, font: "12px system-ui" };
  const bars = chart.kind === "line" ? undefined : uPlot.paths.bars({ size: [0.8, 48], radius: 0.1 });
  const named = chart.names;
  const series = chart.series.map((one, index) => ({
    label: one.label,
    stroke: colour(one.tone, index),
    width: chart.kind === "line" ? 2 : 0,
    fill: chart.kind === "line" ? undefined : colour(one.tone, index),
    paths: bars,
    points: { show: chart.kind === "line" && chart.x?.length < 3 },
    spanGaps: false,
    value: (plot, value, at, point) =>
      written(point === null || point === undefined ? null : one.values[point], chart.unit),
  }));
  if (stack) series.reverse();
  return {
    width,
    height: HEIGHT,
    ms: 1,
    cursor: { drag: { x: false, y: false }, points: { show: chart.kind === "line" } },
    legend: { live: true },
    scales: {
      x: { time: !named, range: named || chart.kind !== "line" ? padded : undefined },
      y: { range: (plot, low, high) => [0, high > 0 ? high * 1.05 : 1] },
    },
    axes: [
      named
        ? { ...axis, grid: { show: false }, splits: () => named.map((_, at) => at), values: () => named }
        : { ...axis, grid: { show: false } },
      { ...axis, size: 64, values: (plot, splits) => splits.map((value) => written(value, chart.unit)) },
    ],
    series: [named ? { label: "", value: (plot, at) => named[at] ?? "–" } : {}, ...series],
  };
}

// Bars at the ends need room beside them.
function padded(plot, low, high) {
  const points = plot.data[0].length;
  const step = points > 1 ? (high - low) / (points - 1) : 1;
  return [low - step / 2, high + step / 2];
}

function data(chart) {
  const x = chart.names ? chart.names.map((_, at) => at) : chart.x;
  const values = chart.kind === "stack" ? stacked(chart.series).reverse() : chart.series.map((one) => one.values);
  return [x, ...values];
}

function draw(place) {
  drop(place);
  const chart = JSON.parse(place.dataset.chart);
  const count = (chart.x || chart.names).length;
  if (!count || !chart.series.length) {
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
  place.append(table(chart, place.dataset.title));
}

// The same in numbers, made when somebody wants it.
function table(chart, title) {
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  summary.textContent = "Table";
  summary.setAttribute("aria-label", `${title} as a table`);
  details.append(summary);
  details.addEventListener("toggle", () => {
    if (!details.open || details.querySelector("table")) return;
    const wrap = document.createElement("div");
    wrap.className = "table-wrap";
    wrap.tabIndex = 0;
    wrap.setAttribute("role", "region");
    wrap.setAttribute("aria-label", title);
    const made = document.createElement("table");
    const head = made.createTHead().insertRow();
    const cell = (row, text, name = "td") => {
      const one = document.createElement(name);
      one.textContent = text;
      if (name === "th") one.scope = row === head ? "col" : "row";
      row.append(one);
    };
    cell(head, chart.names ? "what" : "time", "th");
    for (const one of chart.series) cell(head, one.label, "th");
    const body = made.createTBody();
    const time = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "short" });
    (chart.x || chart.names).forEach((at, index) => {
      const row = body.insertRow();
      cell(row, chart.names ? at : time.format(new Date(at)), "th");
      for (const one of chart.series) cell(row, written(one.values[index], chart.unit));
    });
    wrap.append(made);
    details.append(wrap);
  });
  return details;
}

function drop(place) {
  const found = drawn.get(place);
  if (found) {
    found.sized.disconnect();
    found.plot.destroy();
    drawn.delete(place);
  }
  place.replaceChildren();
}

export function drawAll(within = document) {
  for (const place of drawn.keys()) if (!place.isConnected) drop(place);
  for (const place of within.querySelectorAll("[data-chart]")) draw(place);
}

drawAll();
document.addEventListener("htmx:load", (event) => drawAll(event.target));
document.addEventListener("theme", () => drawAll());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll());
