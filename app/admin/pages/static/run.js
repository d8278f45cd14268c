// One run: what is asked, read as it comes, and what is noted of it.

import { ApiError, ask } from "./api.js";
import { READERS, pieces } from "./answers.js";
import { Trace } from "./trace.js";

// `view` is told of `text` and `thinking`.
export class Run {
  constructor(dialect, view) {
    this.dialect = dialect;
    this.view = view;
    this.trace = new Trace();
    this.leaving = new AbortController();
    this.calls = [];
    this.reason = "";
    this.error = null;
    this.stopped = false;
  }

  stop() {
    this.leaving.abort();
  }

  text(said) {
    if (said) this.mark(), this.view.text(said);
  }

  thinking(said) {
    if (said) this.mark(), this.view.thinking(said);
  }

  // A part of a call: `place` tells calls apart, whatever numbers a dialect gives them.
  call(place, id, name, input = "") {
    this.mark();
    let call = this.calls.find((one) => one.place === place);
    if (!call) this.calls.push((call = { place, id: "", name: "", input: "" }));
    call.id ||= id || "";
    call.name ||= name || "";
    call.input += input;
  }

  count(input, output) {
    this.input = input ?? this.input;
    this.output = output ?? this.output;
  }

  finish(reason) {
    this.reason = reason || "done";
  }

  fail(message, code = "") {
    this.error ||= new ApiError(0, { message, code });
  }

  mark() {
    this.last = this.trace.age;
    this.first ??= this.last;
  }

  async go(asked) {
    try {
      const answer = await ask("POST", "playground", asked, { signal: this.leaving.signal });
      this.status = answer.status;
      this.trace.figure("status", String(answer.status));
      this.trace.head(answer.headers);
      await this.read(answer);
    } catch (error) {
      this.broke(error);
    } finally {
      this.trace.flush();
      this.trace.figures(this);
    }
  }

  async read(answer) {
    for await (const { data, raw } of pieces(answer)) {
      this.trace.event(raw);
      if (data && data !== "[DONE]") READERS[this.dialect.reads](JSON.parse(data), this);
    }
    if (!this.reason) this.fail("The answer was cut off before its end.");
    if (this.error) this.trace.figure("status", `${this.status}, failed`, "bad");
  }

  broke(error) {
    if (error.name === "AbortError") {
      this.stopped = true;
      this.trace.figure("status", this.status ? `${this.status}, stopped` : "stopped", "warn");
      return;
    }
    const known = error instanceof ApiError;
    this.error = known ? error : new ApiError(0, { message: "The answer was cut off, or is none." });
    if (known && error.headers) this.trace.head(error.headers);
    if (known && error.body) this.trace.event(error.body);
    this.trace.figure("status", this.error.status ? String(this.error.status) : "failed", "bad");
  }
}
