// Runs that are chosen in the list: to be compared, cancelled, tried again, tagged or deleted.

import { ngettext } from "../lib/words.js";

const FEWEST = 2; // to compare

const list = document.getElementById("fresh");
const form = document.getElementById("selection");
const count = form.querySelector('[data-of="count"]');
const compare = form.querySelector("button[type=submit]");
const needed = form.querySelector('[data-of="needed"]');
const ofStates = [...form.querySelectorAll("[data-states]")]; // buttons for runs in some states alone

const chosen = new Set();
let last = null; // the run that was clicked last: where a stretch begins
let pointed = null; // the row that pointer or focus came to last

const boxes = () => [...list.querySelectorAll("input[name=run]")];

function show() {
  form.toggleAttribute("data-any", chosen.size > 0);
  count.textContent = ngettext("%(num)s chosen", "%(num)s chosen", chosen.size);
  compare.disabled = chosen.size < FEWEST;
  needed.hidden = !compare.disabled;
  const states = [...chosen].map((value) => document.getElementById(`job-${value}`)?.dataset.state);
  for (const button of ofStates) {
    const fitting = button.dataset.states.split(" ");
    button.hidden = !states.some((state) => !state || fitting.includes(state)); // not in the list: not known
  }
  showAll();
}

// The box of the heading: whether all of this page are chosen, or some.
function showAll() {
  const all = list.querySelector('[data-of="all"]');
  if (!all) return;
  const there = boxes();
  const count = there.filter(({ checked }) => checked).length;
  all.checked = count > 0 && count === there.length;
  all.indeterminate = count > 0 && !all.checked;
}

// The row is marked by an attribute: a style by `:has(:checked)` costs 70 ms a click among 500 rows.
function mark(box, isChosen) {
  box.checked = isChosen;
  box.closest("tr").toggleAttribute("data-chosen", isChosen);
}

function choose(box, isChosen) {
  mark(box, isChosen);
  if (isChosen) chosen.add(box.value);
  else chosen.delete(box.value);
}

// All from the run that was clicked last to this one get the state of this one.
function chooseTo(box) {
  const all = boxes();
  const [from, to] = [all.findIndex(({ value }) => value === last), all.indexOf(box)].sort((a, b) => a - b);
  if (from < 0) return;
  for (const each of all.slice(from, to + 1)) choose(each, box.checked);
}

list.addEventListener("click", (event) => {
  const all = event.target.closest('[data-of="all"]');
  if (all) {
    for (const each of boxes()) choose(each, all.checked);
    show();
  }
  const box = event.target.closest("input[name=run]");
  if (!box) return;
  choose(box, box.checked);
  if (event.shiftKey && last !== null) chooseTo(box);
  last = box.value;
  show();
});

for (const way of ["pointerover", "focusin"]) {
  list.addEventListener(way, ({ target }) => (pointed = target.closest("tbody tr")));
}

const isTyped = ({ target }) => target.matches("input:not([type=checkbox]), select, textarea") || target.closest("dialog");

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyped(event)) return;
  if (event.key === "b" && chosen.size > 0) {
    form.querySelector("button:enabled:not([hidden])").focus();
    event.preventDefault(); // an accesskey or a search of the browser
  }
  if (event.key !== "x" && event.key !== "X") return;
  const box = pointed?.querySelector("input[name=run]");
  if (!box?.isConnected) return;
  choose(box, event.key === "X" || !box.checked);
  if (event.key === "X" && last !== null) chooseTo(box);
  last = box.value;
  show();
});

// What the server sends knows nothing of it.
list.addEventListener("refresh", ({ detail: fresh }) => {
  for (const box of fresh.querySelectorAll("input[name=run]")) mark(box, chosen.has(box.value));
  queueMicrotask(show); // when the list has been changed: other runs, other states
});

// Runs that have left the list meanwhile are chosen still.
form.addEventListener("submit", () => {
  const there = new Set(boxes().map(({ value }) => value));
  form.querySelectorAll("input[type=hidden]").forEach((input) => input.remove());
  for (const value of chosen) {
    if (!there.has(value)) form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "run", value }));
  }
});

form.addEventListener("reset", (event) => {
  event.preventDefault();
  for (const box of boxes()) mark(box, false);
  chosen.clear();
  show();
});

// A browser that comes back to the page has kept the boxes.
addEventListener("pageshow", () => {
  for (const box of boxes()) if (box.checked) choose(box, true);
  show();
});
show();
