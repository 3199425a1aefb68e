// Live streams with the interface of an EventSource. All tabs of a browser share one connection, which a
// SharedWorker holds (shared_streams.js); where there is none, each tab has a connection of its own. Where
// nothing is heard for too long, either connects again by itself, and says so by an "error".

import { ask } from "./ask.js";
import { WatchedSource } from "./watched_source.js";

const WORKER = new URL("./shared_streams.js", import.meta.url);
const HAS_ACCOUNTS = Boolean(document.querySelector("header .me"));
const ASK_WHO_EVERY_MS = 5000;
const SILENCE_MS = Number(document.documentElement.dataset.silenceMs);

let port = null; // to the worker; undefined: there is none
let number = 0;
let askedWhoAt = -Infinity;
const sources = new Map();

// `address`: of a run's events, or of those of all runs; `position`: the id of the last event seen, or
// nothing for what happens from now on.
export function openSource(address, position) {
  return connect() ? new SharedSource(address, position) : new OwnSource(address, position);
}

// A stream that is refused does not say why: its login may have ended, which leads to the login.
function askWho() {
  if (!HAS_ACCOUNTS || performance.now() - askedWhoAt < ASK_WHO_EVERY_MS) return;
  askedWhoAt = performance.now();
  ask("/api/v1/me").catch(() => {}); // the server is away
}

function connect() {
  if (port === null) {
    port = undefined;
    if (window.SharedWorker) {
      try {
        start(new SharedWorker(WORKER, { name: "trainyard", type: "module" }));
      } catch {
        // a browser that keeps them from us
      }
    }
  }
  return port;
}

function start(worker) {
  port = worker.port;
  worker.addEventListener("error", () => {
    port = undefined;
    for (const source of sources.values()) source.fail();
  });
  port.addEventListener("message", ({ data }) => sources.get(data.source)?.take(data));
  port.start();
  addEventListener("pagehide", () => port?.postMessage({ leave: true }));
  beMissed();
}

// A tab that crashes says no goodbye. It holds a lock as long as it lives; the worker waits for the lock.
function beMissed() {
  const lock = `trainyard-tab-${crypto.getRandomValues(new Uint32Array(4)).join("-")}`;
  // (not there on pages that are neither of this machine nor https)
  const hold = () => {
    port?.postMessage({ lock });
    return new Promise(() => {});
  };
  navigator.locks?.request(lock, hold).catch(() => {}); // a browser that keeps them from us
}

class SharedSource extends EventTarget {
  constructor(address, position) {
    super();
    this.readyState = EventSource.CONNECTING;
    this.id = ++number;
    sources.set(this.id, this);
    port.postMessage({ source: this.id, address, position: String(position), silence: SILENCE_MS });
  }

  // What the worker sends: `{ state }`, or an event.
  take({ state, name, data, lastEventId }) {
    if (state !== undefined) {
      this.readyState = state;
      if (state !== EventSource.OPEN) askWho();
      this.dispatchEvent(new Event(state === EventSource.OPEN ? "open" : "error"));
    } else {
      this.dispatchEvent(new MessageEvent(name, { data, lastEventId }));
    }
  }

  fail() {
    sources.delete(this.id);
    this.take({ state: EventSource.CLOSED });
  }

  close() {
    if (!sources.delete(this.id)) return;
    this.readyState = EventSource.CLOSED;
    port?.postMessage({ source: this.id, close: true });
  }
}

class OwnSource extends EventTarget {
  constructor(address, position) {
    super();
    this.address = address;
    this.seen = String(position);
    this.readyState = EventSource.CONNECTING;
    this.#connect();
  }

  close() {
    this.readyState = EventSource.CLOSED;
    this.connection.close();
  }

  #connect() {
    const address = `${this.address}?after=${encodeURIComponent(this.seen)}`;
    this.connection = new WatchedSource(address, SILENCE_MS, {
      opened: () => this.#become(EventSource.OPEN),
      failed: (readyState) => this.#become(readyState),
      silent: () => {
        this.#connect();
        this.#become(EventSource.CONNECTING);
      },
      heartbeat: (data) => this.dispatchEvent(new MessageEvent("heartbeat", { data })),
      event: (name, { data, lastEventId }) => {
        this.seen = lastEventId || this.seen;
        this.dispatchEvent(new MessageEvent(name, { data, lastEventId }));
      },
    });
  }

  #become(readyState) {
    this.readyState = readyState;
    if (readyState !== EventSource.OPEN) askWho();
    this.dispatchEvent(new Event(readyState === EventSource.OPEN ? "open" : "error"));
  }
}
