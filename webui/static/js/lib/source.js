// Live streams with the interface of an EventSource. All tabs of a browser share one connection, which a
// SharedWorker holds (shared_streams.js); where there is none, each tab has a connection of its own.

const WORKER = new URL("./shared_streams.js", import.meta.url);

let port = null; // to the worker; undefined: there is none
let number = 0;
const sources = new Map();

// `address`: of a run's events, or of those of all runs; `position`: the id of the last event seen.
export function openSource(address, position) {
  return connect() ? new SharedSource(address, position) : new EventSource(`${address}?after=${encodeURIComponent(position)}`);
}

function connect() {
  if (port === null) {
    port = undefined;
    if (window.SharedWorker) {
      try {
        start(new SharedWorker(WORKER, { name: "trainyard" }));
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
}

class SharedSource extends EventTarget {
  constructor(address, position) {
    super();
    this.readyState = EventSource.CONNECTING;
    this.id = ++number;
    sources.set(this.id, this);
    port.postMessage({ source: this.id, address, position: String(position) });
  }

  // What the worker sends: `{ state }`, or an event.
  take({ state, name, data, lastEventId }) {
    if (state !== undefined) {
      this.readyState = state;
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
