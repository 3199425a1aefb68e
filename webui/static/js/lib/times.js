// Keeps times true: "3 min ago" moves on, seconds count up, and hovering tells the local time.

import { ago, clock, duration, lastHeartbeat, moment } from "./format.js";

// the server's clock decides: a laptop's may be minutes off
const offset = Date.now() - Date.parse(document.documentElement.dataset.serverTime);

export const secondsSince = (text) => (Date.now() - offset - Date.parse(text)) / 1000;

// The text changes in its place: a new one would have the browser look through the styles of the page.
function write(element, text) {
  const { firstChild } = element;
  if (firstChild?.nodeType !== Node.TEXT_NODE) element.textContent = text;
  else if (firstChild.data !== text) firstChild.data = text;
}

const titled = new WeakMap(); // the moment that each title tells of

function writeMoment(time) {
  if (titled.get(time) === time.dateTime) return;
  titled.set(time, time.dateTime);
  time.title = moment(time.dateTime);
}

export function writeTimes(root = document) {
  for (const time of root.querySelectorAll("time[data-ago]")) {
    write(time, ago(secondsSince(time.dateTime)));
    writeMoment(time);
  }
  for (const time of root.querySelectorAll("time[data-heartbeat]")) {
    write(time, lastHeartbeat(secondsSince(time.dateTime)));
    writeMoment(time);
  }
  for (const counter of root.querySelectorAll("[data-count-up]")) {
    write(counter, String(Math.max(0, Math.floor(secondsSince(counter.dataset.countUp)))));
  }
  for (const elapsed of root.querySelectorAll("[data-elapsed]")) {
    write(elapsed, duration(secondsSince(elapsed.dataset.elapsed)));
  }
}

export function writeLocalClock(root) {
  for (const time of root.querySelectorAll("time")) {
    time.textContent = clock(time.dateTime);
    time.title = moment(time.dateTime);
  }
}

export function keepTimesFresh() {
  writeTimes();
  setInterval(writeTimes, 1000);
}
