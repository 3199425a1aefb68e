// An EventSource that does not trust silence: a server that is frozen, or a link of which one half is gone,
// sends nothing and breaks nothing. The server sends a heartbeat where it has nothing else to say; who hears
// none for long enough gives the connection up. Used by pages, and by the worker that all tabs share.

const NAMES = [
  "job", "epochs", "metrics", "logs", "artifacts", "history", "evaluation", "reset", "end", "missing", "happened", "hidden",
];
const LOOKS = 5; // within the longest silence: a machine that has slept hears of it soon

export class WatchedSource {
  // `silence`: the longest, in milliseconds; `listener`: its methods `opened()`, `failed(readyState)`,
  // `silent()`, `heartbeat(data)` and `event(name, event)` are called.
  constructor(address, silence, listener) {
    this.source = new EventSource(address);
    this.timer = setInterval(() => this.#look(silence, listener), silence / LOOKS);
    this.#hear();
    this.source.addEventListener("open", () => {
      this.#hear();
      listener.opened();
    });
    this.source.addEventListener("error", () => {
      this.#hear(); // the browser tries again by itself, and has as long for it
      if (this.source.readyState === EventSource.CLOSED) this.close();
      listener.failed(this.source.readyState);
    });
    this.source.addEventListener("heartbeat", ({ data }) => {
      this.#hear();
      listener.heartbeat(data);
    });
    for (const name of NAMES) {
      this.source.addEventListener(name, (event) => {
        this.#hear();
        listener.event(name, event);
      });
    }
  }

  close() {
    clearInterval(this.timer);
    this.source.close();
  }

  #hear() {
    this.heardAt = Date.now();
  }

  #look(silence, listener) {
    if (Date.now() - this.heardAt < silence) return;
    this.close();
    listener.silent();
  }
}
