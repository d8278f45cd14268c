// The images of the next message: from files and addresses, shown, and taken back.

import { toast } from "./dialogs.js";
import { picture } from "./talk.js";

const place = document.getElementById("images");
let chosen = [];

function draw() {
  place.replaceChildren(
    ...chosen.map((url, index) => {
      const one = document.createElement("span");
      one.className = "row";
      const button = document.createElement("button");
      button.type = "button";
      button.className = "quiet small";
      button.textContent = "Remove";
      button.setAttribute("aria-label", `Remove image ${index + 1}`);
      button.addEventListener("click", () => {
        chosen = chosen.filter((_, at) => at !== index);
        draw();
      });
      one.append(picture(url), button);
      return one;
    }),
  );
  place.hidden = !chosen.length;
}

function read(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(file);
  });
}

export const images = () => [...chosen];

export function forget() {
  chosen = [];
  draw();
}

export function listen() {
  const files = document.getElementById("files");
  files.addEventListener("change", async () => {
    try {
      chosen.push(...(await Promise.all([...files.files].map(read))));
    } catch (error) {
      toast(`The file cannot be read: ${error.message}`, "bad");
    }
    files.value = "";
    draw();
  });
  const url = document.getElementById("image-url");
  document.getElementById("add-url").addEventListener("click", () => {
    if (!url.value.trim()) return url.focus();
    chosen.push(url.value.trim());
    url.value = "";
    draw();
  });
}
