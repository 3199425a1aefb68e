// The live stream of one run. After a loss it is connected again from the last event; where that fails (the
// server answered, but with an error), this asks again. A page that is not looked at holds no stream.

import * as connection from "./connection.js";
import { openSource } from "./source.js";

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 15000;

export class Stream {
  // `handlers`: a function for each event's name; `isOver`: whether the run is known to have
  // ended, asked when the server declines to send anything more; `ended`: called when it has.
  constructor(address, position, handlers, { isOver, ended }) {
    this.address = address;
    this.position = position;
    this.handlers = handlers;
    this.isOver = isOver;
    this.ended = ended;
    this.pause = FIRST_PAUSE_MS;
    this.timer = null;
    this.source = null;
    this.isAtEnd = false;
    this.isHeld = false;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.open()));
  }

  open() {
    if (this.isAtEnd || this.isHeld || this.source || document.hidden) return;
    this.source = openSource(this.address, this.position);
    this.source.addEventListener("open", () => this.#restored());
    this.source.addEventListener("error", () => this.#lost());
    this.source.addEventListener("heartbeat", ({ data }) => connection.heartbeat(JSON.parse(data)));
    for (const [name, handle] of Object.entries(this.handlers)) {
      this.source.addEventListener(name, (event) => {
        this.position = event.lastEventId || this.position;
        connection.restored();
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

  // Whatever is shown or hidden meanwhile, nothing comes before `continueFrom`.
  hold() {
    this.isHeld = true;
    this.close();
  }

  continueFrom(position) {
    this.position = position;
    this.isHeld = this.isAtEnd = false;
    this.open();
  }

  end() {
    this.isAtEnd = true;
    this.close();
    connection.restored();
    this.ended();
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
