// What the coach says about a run: fetched once the page is there, and again when the run's state changes.

import { fetchPart, morph } from "../lib/refresh.js";

const EVERY_MS = 60_000; // while it runs
const AGAIN_MS = 5000;

const place = document.getElementById("coach-place");
const STORED = `trainyard-coach-${place.dataset.coach}`;
let shown = ""; // the state that the advice is of
let timer = null;
let pause = AGAIN_MS; // longer with each look that fails

const state = () => document.getElementById("part-head").dataset.state;

async function look() {
  clearTimeout(timer);
  const now = state();
  if (now === "queued") return;
  try {
    const fresh = await fetchPart(place.dataset.coach);
    const coach = fresh.getElementById("coach");
    const old = document.getElementById("coach");
    if (old) morph(old, coach, "outerHTML");
    else place.replaceChildren(coach);
    noteRoom();
    shown = now;
    pause = AGAIN_MS;
    if (now === "running") timer = setTimeout(look, EVERY_MS);
  } catch {
    timer = setTimeout(look, pause); // what is there stays
    pause *= 2;
  }
}

// What it said the last time this tab showed it had this height, at this width: so much room is kept for it, that
// nothing is pushed down when it comes.
function keepRoom() {
  try {
    const { width, height } = JSON.parse(sessionStorage.getItem(STORED) ?? "{}");
    if (width === place.offsetWidth) place.style.minHeight = `${height}px`;
  } catch {
    // a browser that keeps nothing
  }
}

function noteRoom() {
  place.style.minHeight = "";
  try {
    sessionStorage.setItem(STORED, JSON.stringify({ width: place.offsetWidth, height: place.offsetHeight }));
  } catch {
    // as above
  }
}

new MutationObserver(() => {
  if (state() !== shown) look();
}).observe(document.getElementById("main"), { attributeFilter: ["data-state"], subtree: true });
keepRoom();
look();
