// Keeps a part of a page fresh, by looking or by following the stream of events: asks the server for it and
// morphs what has changed, so that focus, selection and scroll stay where they are.

import { Idiomorph } from "../../node_modules/idiomorph/dist/idiomorph.esm.js";
import { ask } from "./ask.js";
import * as connection from "./connection.js";
import { openSource } from "./source.js";
import { writeTimes } from "./times.js";

const EVERY_MS = 2000;
const EVERY_MS_WHILE_FOLLOWING = 10_000; // progress is no event
const GATHER_MS = 200; // many events make one look
const PATIENCE_MS = 10000;
const GONE = 410; // another database is behind this address now

async function fetchText(address) {
  const response = await ask(address, { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (response.status === GONE) location.reload();
  if (!response.ok) throw new Error(`${address}: ${response.status}`);
  return response.text();
}

const parsed = (text) => new DOMParser().parseFromString(text, "text/html");

export const fetchPart = async (address) => parsed(await fetchText(address));

// Of 500 rows few have changed: the others are not walked through, nor stretches of them.
const beforeNodeMorphed = (old, fresh) => !(/^(TR|TBODY)$/.test(old.nodeName) && old.isEqualNode(fresh));

export function morph(element, fresh, morphStyle) {
  writeTimes(fresh); // else each time would change to the server's words and back
  // what somebody types stays; a focused button, link or summary says what it does like any other
  const ignoreActiveValue = Boolean(document.activeElement?.matches("input, select, textarea"));
  const content = fresh.nodeName === "BODY" ? fresh.childNodes : fresh; // else it would stand in the part
  Idiomorph.morph(element, content, { morphStyle, ignoreActiveValue, callbacks: { beforeNodeMorphed } });
}

const TIMES = /(<time [^>]*>)[^<]*/g;
const shown = new WeakMap(); // of each part the text that it was last made of, without what each second changes

async function refresh(element) {
  try {
    const text = await fetchText(element.dataset.refresh);
    const lasting = text.replace(TIMES, "$1");
    connection.restored();
    if (lasting === shown.get(element)) return; // of 500 rows the mere reading takes long
    shown.set(element, lasting);
    const fresh = parsed(text);
    element.dispatchEvent(new CustomEvent("refresh", { detail: fresh })); // to keep what is chosen in it
    morph(element, fresh.body, "innerHTML");
  } catch {
    connection.lost();
  }
}

export function keepFresh(element) {
  const every = Number(element.dataset.every) || EVERY_MS;
  const follower = element.dataset.events ? new Follower(element, () => soon()) : null;
  let timer = null;
  let busy = false;
  let due = Infinity;
  const plan = (pause) => {
    clearTimeout(timer);
    due = document.hidden ? Infinity : performance.now() + pause;
    timer = document.hidden ? null : setTimeout(look, pause);
  };
  const look = async () => {
    if (busy) return plan(GATHER_MS);
    busy = true;
    await refresh(element);
    busy = false;
    plan(follower?.isOpen() ? EVERY_MS_WHILE_FOLLOWING : every);
  };
  const soon = () => {
    // events that never end must not put the look off for ever
    if (due > performance.now() + GATHER_MS) plan(GATHER_MS);
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      follower?.close();
      plan();
    } else {
      follower?.open();
      look();
    }
  });
  addEventListener("pagehide", () => follower?.close());
  addEventListener("pageshow", () => follower?.open());
  follower?.open();
  plan(follower ? EVERY_MS_WHILE_FOLLOWING : every); // the stream begins where the page ends
  if (follower) setTimeout(() => follower.isOpen() || soon(), every);
}

// Notifies of each event of the history. While the stream is away, looking has to do.
class Follower {
  constructor(element, notify) {
    this.address = element.dataset.events;
    this.position = element.dataset.after;
    this.notify = notify;
    this.source = null;
  }

  isOpen() {
    return this.source?.readyState === EventSource.OPEN;
  }

  open() {
    if (document.hidden || (this.source && this.source.readyState !== EventSource.CLOSED)) return;
    this.source = openSource(this.address, this.position);
    this.source.addEventListener("heartbeat", ({ data }) => {
      const heartbeat = JSON.parse(data);
      if (heartbeat.database !== "ok") connection.heartbeat(heartbeat); // else the next look says so
    });
    this.source.addEventListener("error", () => {
      if (this.source?.readyState === EventSource.CONNECTING) connection.lost();
    });
    for (const name of ["happened", "hidden"]) {
      this.source.addEventListener(name, (event) => {
        this.position = event.lastEventId;
        this.notify();
      });
    }
  }

  close() {
    this.source?.close();
    this.source = null;
  }
}
