// What a button of a row opens beside it:
//
//   <button popovertarget="menu-1">More</button> <div class="menu-list" id="menu-1" popover>
//
// The browser opens and closes it; here it gets its place, and its row is left alone.

function place(menu) {
  const button = document.querySelector(`[popovertarget="${CSS.escape(menu.id)}"]`);
  const at = button.getBoundingClientRect();
  const page = document.documentElement;
  menu.style.left = "auto";
  menu.style.right = `${page.clientWidth - at.right}px`;
  const above = at.bottom > page.clientHeight * 0.65;
  menu.style.top = above ? "auto" : `${at.bottom + 4}px`;
  menu.style.bottom = above ? `${page.clientHeight - at.top + 4}px` : "auto";
}

document.addEventListener(
  "beforetoggle",
  (event) => {
    if (!event.target.matches(".menu-list")) return;
    const opens = event.newState === "open";
    if (opens) place(event.target);
    else event.target.removeAttribute("style"); // which htmx would copy: CSP refuses that
    event.target.toggleAttribute("data-hold", opens);
  },
  true,
);
document.addEventListener("click", (event) => {
  const menu = event.target.closest(".menu-list");
  if (menu && event.target.closest("a, button")) menu.hidePopover();
});
