// The live stream of one run. After a loss it is connected again from the last event; where that fails (the
// server answered, but with an error), this asks again. A page that is not looked at holds no stream.

import * as connection from "./connection.js";
import { openSource } from "./source.js";

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 15000;

export class Stream {
  // `handlers`: a function for each event's name; `isOver`: whether the run is known to have
  // ended, asked when the server declines to send anything more.
  constructor(address, position, handlers, isOver) {
    this.address = address;
    this.position = position;
    this.handlers = handlers;
    this.isOver = isOver;
    this.pause = FIRST_PAUSE_MS;
    this.timer = null;
    this.source = null;
    this.ended = false;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.open()));
  }

  open() {
    if (this.ended || this.source || document.hidden) return;
    this.source = openSource(this.address, this.position);
    this.source.addEventListener("open", () => this.#restored());
    this.source.addEventListener("error", () => this.#lost());
    for (const [name, handle] of Object.entries(this.handlers)) {
      this.source.addEventListener(name, (event) => {
        this.position = event.lastEventId || this.position;
        handle(JSON.parse(event.data));
      });
    }
    this.source.addEventListener("end", () => this.end());
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  end() {
    this.ended = true;
    this.close();
    connection.restored();
  }

  #restored() {
    this.pause = FIRST_PAUSE_MS;
    connection.restored();
  }

  async #lost() {
    if (this.source?.readyState !== EventSource.CLOSED) {
      connection.lost(); // the browser is already trying again
      return;
    }
    this.close();
    if (await this.isOver()) {
      this.end();
      return;
    }
    connection.lost();
    this.timer = setTimeout(() => this.open(), this.pause);
    this.pause = Math.min(LONGEST_PAUSE_MS, this.pause * 2);
  }
}
