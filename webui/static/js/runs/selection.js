// Runs that are chosen in the list: to be compared, cancelled, tried again, tagged or deleted.

import { whole } from "../lib/format.js";
import { toast } from "../lib/toasts.js";
import { gettext, ngettext } from "../lib/words.js";

const FEWEST = 2; // to compare

const list = document.getElementById("fresh");
const form = document.getElementById("selection");
const count = form.querySelector('[data-of="count"]');
const compare = form.querySelector("button[type=submit]");
const compareWords = compare.textContent;
const mostCompared = Number(form.dataset.mostCompared);
const needed = form.querySelector('[data-of="needed"]');
const matching = form.querySelector('[data-of="matching"]'); // chooses all runs that match, on other pages too
const others = form.querySelector('[data-of="others"]');
const ofOwn = [...form.querySelectorAll("[data-own]")]; // buttons for runs of one's own

const chosen = new Set();
let areAll = false; // whether all that match are chosen, wherever they are
let last = null; // the run that was clicked last: where a stretch begins
let pointed = null; // the row that pointer or focus came to last

const boxes = () => [...list.querySelectorAll("input[name=run]")];
let there = boxes().length; // in the list: to look through it at each press takes long
let isDue = false; // whether the bar is still to show what is chosen

// The same text again would have the browser look through the styles of the page.
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// A press marks its rows at once. The bar follows when that is painted: it has a layout of its own.
function showSoon() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => setTimeout(showIfDue));
}

function showIfDue() {
  if (isDue) show();
}

function show() {
  isDue = false;
  const rows = [...chosen].map((value) => document.getElementById(`job-${value}`));
  const checked = rows.filter(Boolean).length;
  form.toggleAttribute("data-any", chosen.size > 0);
  write(count, areAll ? allWords() : ngettext("%(num)s chosen", "%(num)s chosen", chosen.size));
  showCompare();
  showButtons(rows);
  showAll(checked);
  const arePage = there > 0 && checked === there;
  matching.hidden = areAll || !arePage || total() <= chosen.size;
  if (!matching.hidden) write(matching, matchingWords());
}

function showCompare() {
  const areTooMany = chosen.size > mostCompared || (areAll && total() > mostCompared);
  compare.disabled = areAll || areTooMany || chosen.size < FEWEST;
  write(compare, areTooMany ? gettext("Compare (at most %(most)s)", { most: whole(mostCompared) }) : compareWords);
  needed.hidden = chosen.size >= FEWEST || areAll;
}

// Whether a run in one of some states may be among those that match; where they are not counted, it may.
function isAmongAll(fitting) {
  const counts = JSON.parse(list.querySelector("[data-counts]")?.dataset.counts ?? "{}");
  const asked = form.dataset.asked.split(" ").filter(Boolean);
  return fitting.some((state) => (asked.length === 0 || asked.includes(state)) && counts[state] !== "0");
}

// Rows that are not in the list are not known: they may be of any state, and anybody's.
function showButtons(rows) {
  const foreign = rows.filter((row) => row?.hasAttribute("data-others")).length;
  others.hidden = !foreign;
  write(others, ngettext("%(num)s is somebody else's, and is left out", "%(num)s are somebody else's, and are left out", foreign));
  for (const button of ofOwn) {
    const fitting = button.dataset.states?.split(" ");
    button.hidden = areAll ? Boolean(fitting) && !isAmongAll(fitting) : !rows.some((row) => !row || (!row.hasAttribute("data-others") && (fitting?.includes(row.dataset.state) ?? true)));
  }
}

const total = () => Number(list.querySelector("[data-total]")?.dataset.total ?? 0);
const most = Number(form.dataset.most);

function matchingWords() {
  if (total() > most) return gettext("Choose the first %(count)s that match", { count: whole(most) });
  return gettext("Choose all %(count)s that match", { count: whole(total()) });
}

function allWords() {
  if (total() > most) return gettext("the first %(count)s that match", { count: whole(most) });
  return gettext("all %(count)s that match", { count: whole(total()) });
}

// The box of the heading: whether all of this page are chosen, or some.
function showAll(checked) {
  const all = list.querySelector('[data-of="all"]');
  if (!all) return;
  all.checked = checked > 0 && checked === there;
  all.indeterminate = checked > 0 && !all.checked;
}

// The row is marked by an attribute: a style by `:has(:checked)` costs 70 ms a click among 500 rows.
function mark(box, isChosen) {
  box.checked = isChosen;
  box.closest("tr").toggleAttribute("data-chosen", isChosen);
}

function choose(box, isChosen) {
  areAll = false;
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
    showSoon();
  }
  const box = event.target.closest("input[name=run]");
  if (!box) return;
  choose(box, box.checked);
  if (event.shiftKey && last !== null) chooseTo(box);
  last = box.value;
  showSoon();
});

for (const way of ["pointerover", "focusin"]) {
  list.addEventListener(way, ({ target }) => (pointed = target.closest("tbody tr")));
}

const isTyped = ({ target }) => target.matches("input:not([type=checkbox]), select, textarea") || target.closest("dialog");

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyped(event)) return;
  if (event.key === "b" && chosen.size > 0) {
    showIfDue();
    form.querySelector("button:enabled:not([hidden])").focus();
    event.preventDefault(); // an accesskey or a search of the browser
  }
  if (event.key !== "x" && event.key !== "X") return;
  const box = pointed?.querySelector("input[name=run]");
  if (!box?.isConnected) return;
  choose(box, event.key === "X" || !box.checked);
  if (event.key === "X" && last !== null) chooseTo(box);
  last = box.value;
  showSoon();
});

// What the server sends knows nothing of it.
list.addEventListener("refresh", ({ detail: fresh }) => {
  showCounts(JSON.parse(fresh.querySelector("[data-counts]")?.dataset.counts ?? "{}"));
  for (const box of fresh.querySelectorAll("input[name=run]")) mark(box, chosen.has(box.value));
  queueMicrotask(showFresh); // when the list has been changed: other runs, other states
});

function showFresh() {
  there = boxes().length;
  show();
}

// How many runs are in each state stands outside of what is kept fresh.
function showCounts(counts) {
  for (const place of document.querySelectorAll(".tabs .count")) {
    const text = (counts[place.dataset.state] ?? "0") === "0" ? "" : counts[place.dataset.state]; // as the page has it
    if (place.textContent !== text) place.textContent = text;
  }
}

matching.addEventListener("click", () => {
  areAll = true;
  show();
  form.querySelector("[data-own]:not([hidden])")?.focus();
});

// Of all that match the server makes the list, and asks before it does anything.
form.addEventListener("submit", ({ submitter }) => {
  if (!areAll || !submitter?.dataset.question) return;
  submitter.formMethod = "get";
  submitter.formAction = submitter.dataset.question;
  submitter.name = "";
});

form.addEventListener("formdata", ({ formData }) => {
  if (!areAll) return;
  formData.delete("run");
  formData.set("matching", form.dataset.matching);
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
  areAll = false;
  show();
});

// A browser that comes back to the page has kept the boxes.
addEventListener("pageshow", () => {
  for (const box of boxes()) if (box.checked) choose(box, true);
  show();
});
show();

// Back from what was asked of the chosen runs: to them, and not to the top. What became of them is said there.
if (form.hasAttribute("data-again")) {
  const box = boxes().find((each) => each.checked);
  const answer = document.querySelector('.notice[role="status"]');
  box?.focus({ preventScroll: true });
  const row = box?.closest("tr").getBoundingClientRect();
  if (row && row.bottom > innerHeight - form.offsetHeight) box.scrollIntoView({ block: "center" });
  if (answer && answer.getBoundingClientRect().bottom < 0) toast(answer.querySelector("p")?.textContent ?? "");
}
