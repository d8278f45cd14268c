// What comes over a page: questions, the drawer, and short notes.

// Ask before something is lost; true if it shall be done.
export function confirm(question, word = "Do it") {
  const dialog = document.createElement("dialog");
  dialog.className = "ask";
  dialog.setAttribute("aria-labelledby", "ask-text");
  const text = document.createElement("p");
  text.id = "ask-text";
  text.textContent = question;
  const row = document.createElement("div");
  row.className = "actions";
  const no = document.createElement("button");
  no.type = "button";
  no.className = "quiet";
  no.textContent = "Cancel";
  const yes = document.createElement("button");
  yes.type = "button";
  yes.className = "danger";
  yes.textContent = word.trim();
  row.append(no, yes);
  dialog.append(text, row);
  document.body.append(dialog);
  return new Promise((resolve) => {
    let answer = false;
    no.addEventListener("click", () => dialog.close());
    yes.addEventListener("click", () => {
      answer = true;
      dialog.close();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    dialog.showModal();
    no.focus();
  });
}

// A note that goes by itself; what went wrong stays until it is closed.
export function toast(message, tone = "") {
  const note = document.createElement("div");
  note.className = "toast";
  if (tone) note.dataset.tone = tone;
  if (tone === "bad") note.setAttribute("role", "alert");
  const text = document.createElement("span");
  text.textContent = message;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "quiet small";
  close.textContent = "Close";
  close.addEventListener("click", () => note.remove());
  note.append(text, close);
  // Over an open dialog too, which hides all else from the keyboard.
  const open = [...document.querySelectorAll("dialog[open]")].pop();
  (open || document.getElementById("toasts")).append(note);
  if (tone !== "bad") setTimeout(() => note.remove(), 8000);
}

export function closeDrawer() {
  const drawer = document.getElementById("drawer");
  if (drawer.open) drawer.close();
}

// A page in the drawer: what stands in its element #panel, under its title.
export async function openDrawer(url) {
  const drawer = document.getElementById("drawer");
  const body = document.getElementById("drawer-body");
  await window.htmx.ajax("GET", url, { target: body, select: "#panel", swap: "innerHTML" });
  const panel = body.querySelector("#panel");
  if (!panel) return; // what went wrong was said
  document.getElementById("drawer-title").textContent = panel.dataset.title || "";
  if (!drawer.open) drawer.showModal();
}

export function listen() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-drawer]");
    const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.button);
    if (link && plain) {
      event.preventDefault();
      openDrawer(link.href);
    }
    if (event.target.closest("[data-close]")) event.target.closest("dialog").close();
    // A click beside a drawer closes it; what was typed is not lost by a slip there.
    if (event.target === document.getElementById("drawer")) {
      if (!event.target.querySelector("form")) event.target.close();
    }
  });
  document.getElementById("drawer").addEventListener("close", (event) => {
    // What was said over it is still to be read.
    document.getElementById("toasts").append(...event.target.querySelectorAll(":scope > .toast"));
    document.getElementById("drawer-body").replaceChildren();
  });
}
