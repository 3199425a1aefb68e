// A SharedWorker (a module): one connection to the server for all tabs of a browser. It follows what any tab that is
// looked at asks for, and opens the connection again, from where they are, when that changes.

import { WatchedSource } from "./watched_source.js";

const GATHER_MS = 20; // tabs that change together make one change
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 15000;

const tabs = new Map(); // of each tab's port: its subscriptions by their numbers
let connection = null;
let timer = null;
let pause = FIRST_PAUSE_MS;

self.addEventListener("connect", ({ ports: [port] }) => {
  tabs.set(port, new Map());
  port.addEventListener("message", ({ data }) => hear(port, data));
  port.addEventListener("close", () => leave(port)); // a tab that crashed, in the newest browsers
  port.start();
});

function hear(port, { source, address, position, silence, close, lock, leave: leaves }) {
  if (leaves) return leave(port);
  if (lock) return void navigator.locks.request(lock, () => leave(port)); // its tab is gone
  if (close) {
    tabs.get(port)?.delete(source);
  } else {
    if (!tabs.has(port)) tabs.set(port, new Map()); // a page that was kept, and is shown again
    tabs.get(port).set(source, { port, source, ...topicOf(address), seen: position, silence });
  }
  reconnect(GATHER_MS);
}

function leave(port) {
  if (tabs.delete(port)) reconnect(GATHER_MS);
}

const subscriptions = () => [...tabs.values()].flatMap((each) => [...each.values()]);

function topicOf(address) {
  const [, base, job] = address.match(/^(.*?\/)(?:jobs\/(\d+)\/)?events$/);
  return { streams: `${base}streams`, job };
}

function reconnect(after) {
  clearTimeout(timer);
  timer = setTimeout(open, after);
}

function open() {
  connection?.close();
  connection = null;
  const asked = subscriptions();
  if (!asked.length) return;
  const query = new URLSearchParams();
  for (const each of label(asked)) query.append("job", `${each.label}@${each.seen}`);
  const events = asked.filter((each) => !each.job).map((each) => each.seen);
  if (events.length) query.append("events", oldest(events));
  connection = new WatchedSource(`${asked[0].streams}?${query}`, asked[0].silence, {
    opened() {
      pause = FIRST_PAUSE_MS;
      for (const each of asked) tell(each, { state: EventSource.OPEN });
    },
    failed: lost,
    silent: lost,
    heartbeat(data) {
      for (const each of subscriptions()) tell(each, { name: "heartbeat", data });
    },
    event: pass,
  });
}

// Who has seen no event yet begins now.
function oldest(events) {
  const seen = events.filter((each) => each !== "").map(Number);
  return seen.length ? Math.min(...seen) : "";
}

// Several tabs may follow one run, each from its own place: 7, 7.1, 7.2.
function label(asked) {
  const copies = new Map();
  const jobs = asked.filter((each) => each.job);
  for (const each of jobs) {
    const copy = copies.get(each.job) ?? 0;
    copies.set(each.job, copy + 1);
    each.label = copy ? `${each.job}.${copy}` : each.job;
  }
  return jobs;
}

// The browser would ask again for where this connection began, not for where the tabs are by now.
function lost() {
  connection?.close();
  connection = null;
  const left = subscriptions();
  for (const each of left) tell(each, { state: EventSource.CONNECTING });
  if (left.length) reconnect(pause);
  pause = Math.min(LONGEST_PAUSE_MS, pause * 2);
}

function pass(name, { data, lastEventId }) {
  const [label, seen] = lastEventId.split("@");
  for (const each of subscriptions()) {
    if (label === "events") {
      if (each.job || Number(seen) <= Number(each.seen)) continue;
    } else if (each.label !== label) continue;
    each.seen = seen;
    if (name === "end" || name === "missing") tabs.get(each.port)?.delete(each.source);
    tell(each, name === "missing" ? { state: EventSource.CLOSED } : { name, data, lastEventId: seen });
  }
}

const tell = ({ port, source }, news) => port.postMessage({ source, ...news });
