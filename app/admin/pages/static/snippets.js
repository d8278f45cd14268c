// The snippets of snippets.html: tabs, and the address of this site in them.

// A model's name goes into commands that somebody runs: none but a plain one does.
const PLAIN = /^[\w.:/@+-]+$/;

// Put a secret and a model into the snippets within a place; without them nothing is.
export function fill(place, { secret = "", model = "" } = {}) {
  const put = (name, text) => {
    for (const one of place.querySelectorAll(`[data-${name}]`)) one.textContent = text;
  };
  put("base", location.origin);
  put("secret", secret || "YOUR_KEY");
  put("model", PLAIN.test(model) ? model : "MODEL");
}

function select(tab) {
  for (const other of tab.parentElement.children) {
    const chosen = other === tab;
    other.setAttribute("aria-selected", String(chosen));
    other.tabIndex = chosen ? 0 : -1;
    document.getElementById(other.getAttribute("aria-controls")).hidden = !chosen;
  }
}

const STEPS = { ArrowRight: 1, ArrowLeft: -1 };

document.addEventListener("click", (event) => {
  const tab = event.target.closest("[data-snippets] [role=tab]");
  if (tab) select(tab);
});
document.addEventListener("keydown", (event) => {
  const tab = event.target.closest("[data-snippets] [role=tab]");
  if (!tab || !STEPS[event.key]) return;
  const tabs = [...tab.parentElement.children];
  const next = tabs[(tabs.indexOf(tab) + STEPS[event.key] + tabs.length) % tabs.length];
  select(next);
  next.focus();
});

const started = (place) => {
  for (const one of place.querySelectorAll("[data-snippets]")) fill(one);
};
started(document);
document.addEventListener("htmx:load", (event) => started(event.target));
