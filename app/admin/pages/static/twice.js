// A new password is typed twice; the second time, `again`, is for nobody but the browser.

import { tellProblem } from "./forms.js";

document.addEventListener("api:ready", (event) => {
  const { body } = event.detail;
  if (!body || !("again" in body)) return;
  if (body.again !== body.new_password) {
    event.preventDefault();
    tellProblem(event.target, "These are two different ones.", "again");
  }
  delete body.again;
});
