// What the coach says about a run: fetched once the page is there, and again when the run's state changes.

import { fetchPart, morph } from "../lib/refresh.js";

const EVERY_MS = 60_000; // while it runs
const AGAIN_MS = 5000;

const place = document.getElementById("coach-place");
let shown = ""; // the state that the advice is of
let timer = null;

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
    shown = now;
    if (now === "running") timer = setTimeout(look, EVERY_MS);
  } catch {
    timer = setTimeout(look, AGAIN_MS); // what is there stays
  }
}

new MutationObserver(() => {
  if (state() !== shown) look();
}).observe(document.getElementById("main"), { attributeFilter: ["data-state"], subtree: true });
look();
