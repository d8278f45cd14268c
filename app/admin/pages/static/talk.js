// A conversation as it is shown, and texts that grow while they come.

// Characters after which a line ends a block: only the last block is laid out anew.
const BLOCK = 2000;

// Writes into an element once a frame, however many pieces come.
export class Writer {
  constructor(place, after = () => {}) {
    this.place = place;
    this.after = after;
    this.text = "";
    this.waiting = "";
    this.frame = 0;
    this.block = null;
    this.length = 0;
  }

  write(text) {
    this.text += text;
    this.waiting += text;
    this.frame ||= requestAnimationFrame(() => this.flush());
  }

  flush() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    let text = this.waiting;
    this.waiting = "";
    while (text) {
      if (!this.block) {
        this.block = document.createElement("div");
        this.length = 0;
        this.place.append(this.block);
      }
      const end = this.length + text.length > BLOCK ? text.indexOf("\n") : -1;
      const part = end < 0 ? text : text.slice(0, end + 1);
      this.block.append(part);
      this.length += part.length;
      text = text.slice(part.length);
      if (end >= 0) this.block = null;
    }
    this.after();
  }
}

const ROLES = { user: "You", assistant: "Model", tool: "Tool" };
let made = 0;

function element(name, style = "", text = "") {
  const one = document.createElement(name);
  if (style) one.className = style;
  if (text) one.textContent = text;
  return one;
}

export function picture(url) {
  if (!url.startsWith("data:image/")) return element("code", "cut", url);
  const image = element("img", "thumb");
  image.src = url;
  image.alt = "An image of the message";
  return image;
}

// One turn; its texts grow by `said` and `thought`.
export class Turn {
  constructor(role, after) {
    this.element = element("article", "turn");
    this.element.dataset.role = role;
    this.element.append(element("h3", "", ROLES[role]));
    this.thinking = element("details", "thinking");
    this.thinking.hidden = true;
    const thoughts = element("div", "said");
    this.thinking.append(element("summary", "", "Thinking"), thoughts);
    const text = element("div", "said");
    this.calls = element("div", "stack");
    this.element.append(this.thinking, text, this.calls);
    this.said = new Writer(text, after);
    this.thought = new Writer(thoughts, after);
  }

  think(text) {
    if (this.thinking.hidden) {
      this.thinking.hidden = false;
      this.thinking.open = true;
    }
    this.thought.write(text);
  }

  show(images) {
    const row = element("div", "row");
    row.append(...images.map(picture));
    this.element.append(row);
  }

  flush() {
    this.said.flush();
    this.thought.flush();
  }

  get isEmpty() {
    return !this.said.text && !this.thought.text;
  }

  note(text) {
    this.element.append(element("p", "hint", text));
  }

  // The calls of tools, each with a field for its answer; `send` gets them all.
  offer(calls, send) {
    const fields = calls.map((call) => {
      const id = `answer-${(made += 1)}`;
      const name = element("p");
      name.append("Calls ", element("code", "", call.name));
      const input = element("pre", "", call.input);
      input.tabIndex = 0;
      const field = element("div", "field");
      const label = element("label", "", `Answer of ${call.name}`);
      label.htmlFor = id;
      const text = element("textarea", "code");
      text.id = id;
      text.rows = 2;
      field.append(label, text);
      this.calls.append(name, input, field);
      return { call, text };
    });
    const button = element("button", "quiet small", calls.length > 1 ? "Send the answers" : "Send the answer");
    button.type = "button";
    button.addEventListener("click", () => {
      const answers = fields.map(({ call, text }) => ({
        role: "tool",
        id: call.id,
        name: call.name,
        text: text.value,
      }));
      if (send(answers) === false) return;
      button.remove();
      for (const { text } of fields) text.readOnly = true;
    });
    const row = element("div", "actions");
    row.append(button);
    this.calls.append(row);
  }
}
