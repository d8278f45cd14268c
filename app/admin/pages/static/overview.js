// The heat map: requests by weekday and hour, in the zone of whoever looks.

import { short } from "./words.js";

const HOUR = 3_600_000;
const MONDAY = Date.UTC(2024, 0, 1); // to name weekdays by
const name = (form, options) => new Intl.DateTimeFormat(undefined, options).format(form);

// For each weekday, from Monday on, and hour: the requests, and how many such hours
// there were, since a period rarely has as many of each.
function binned({ from, hours }) {
  const bins = Array.from({ length: 7 }, () =>
    Array.from({ length: 24 }, () => ({ requests: 0, hours: 0 })),
  );
  hours.forEach((requests, number) => {
    const local = new Date(from + number * HOUR);
    const bin = bins[(local.getDay() + 6) % 7][local.getHours()];
    bin.hours += 1;
    bin.requests += requests;
  });
  return bins.map((day) => day.map((bin) => bin.requests / Math.max(bin.hours, 1)));
}

function cell(row, kind, text, hidden = false) {
  const made = document.createElement(kind);
  const place = hidden ? document.createElement("span") : made;
  if (hidden) {
    place.className = "hidden-text";
    made.append(place);
  }
  place.textContent = text;
  row.append(made);
  return made;
}

function drawHeat(place) {
  const days = binned(JSON.parse(place.dataset.heat));
  const most = Math.max(...days.flat());
  const table = document.createElement("table");
  table.className = "heat";
  const head = table.createTHead().insertRow();
  cell(head, "th", "Day", true).scope = "col";
  for (let hour = 0; hour < 24; hour += 1) cell(head, "th", String(hour)).scope = "col";
  const body = table.createTBody();
  let busiest = "";
  days.forEach((hours, day) => {
    const row = body.insertRow();
    const weekday = (form) => name(MONDAY + day * 24 * HOUR, { weekday: form, timeZone: "UTC" });
    cell(row, "th", weekday("short")).scope = "row";
    hours.forEach((value, hour) => {
      const made = cell(row, "td", short(value), true);
      made.className = `heat-${value ? Math.max(1, Math.ceil((9 * value) / most)) : 0}`;
      made.title = `${weekday("long")}, ${hour} to ${hour + 1}: ${short(value)}`;
      if (value === most) busiest = made.title;
    });
  });
  const said = document.createElement("p");
  said.className = "hint";
  said.textContent = `Busiest: ${busiest} requests.`;
  place.replaceChildren(table);
  place.nextElementSibling?.remove();
  place.after(said);
}

function drawAll() {
  for (const place of document.querySelectorAll("[data-heat]:empty")) drawHeat(place);
}

drawAll();
document.addEventListener("htmx:afterSwap", drawAll);
