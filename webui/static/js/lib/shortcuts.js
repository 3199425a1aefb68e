// Keys that do what a click would, and the sheet that lists them. None acts while something is typed or with a
// modifier, and all of them can be turned off: whoever speaks to the computer types by accident (WCAG 2.1.4).

import { gettext } from "./words.js";

const SECOND_KEY_MS = 1500;
const STORED = "trainyard-shortcuts";

const isOn = () => localStorage.getItem(STORED) !== "off";
const header = (name) => document.querySelector(`[data-key="${name}"]`);

// What a key does on this page; one without `act` is done by the page itself, and only listed.
const SHORTCUTS = [
  { keys: "/", text: () => gettext("Search"), act: search },
  { keys: "n", text: () => gettext("New run"), act: () => header("new")?.click() },
  { keys: "g r", text: () => gettext("Go to the runs"), act: () => header("runs")?.click() },
  { keys: "g w", text: () => gettext("Go to the workers"), act: () => header("workers")?.click() },
  { keys: "g s", text: () => gettext("Go to the storage"), act: () => header("storage")?.click() },
  { keys: "j", text: () => gettext("Next row"), act: () => step(1), where: rows },
  { keys: "k", text: () => gettext("Row before"), act: () => step(-1), where: rows },
  { keys: "Enter", text: () => gettext("Open the row"), where: rows },
  { keys: "x", text: () => gettext("Choose the row"), where: hasSelection },
  { keys: "X", text: () => gettext("Choose all rows up to this one"), where: hasSelection },
  { keys: "b", text: () => gettext("Go to the buttons for the chosen rows"), where: hasSelection },
  { keys: "?", text: () => gettext("This sheet"), act: showSheet },
];

let first = ""; // the key before, where two make a shortcut
let timer = null;

export function offerShortcuts() {
  // before any listener of the page: where shortcuts are off, none of its own may act either
  addEventListener("keydown", take, { capture: true });
  const button = document.getElementById("shortcuts");
  if (!button) return;
  button.hidden = false;
  button.addEventListener("click", showSheet);
}

const isTyping = (target) =>
  target instanceof Element &&
  (target.matches("textarea, select, input:not([type=checkbox], [type=radio])") || target.isContentEditable);

function take(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.key.length !== 1) return;
  if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
  if (!isOn()) {
    if (SHORTCUTS.some((each) => each.keys === event.key)) event.stopImmediatePropagation();
    return;
  }
  const keys = first ? `${first} ${event.key}` : event.key;
  const found = shown().find((each) => each.keys === keys);
  remember(!found && shown().some((each) => each.keys.startsWith(`${event.key} `)) ? event.key : "");
  if (!found?.act) return;
  event.preventDefault();
  found.act();
}

function remember(key) {
  clearTimeout(timer);
  first = key;
  timer = setTimeout(() => (first = ""), SECOND_KEY_MS);
}

const shown = () => SHORTCUTS.filter((each) => !each.where || each.where());

function search() {
  const input = document.querySelector("#search input");
  if (input?.checkVisibility()) {
    input.focus();
    input.select();
  } else header("search")?.click();
}

const links = () =>
  [...document.querySelectorAll("table.list tbody tr")].map((row) => row.querySelector("td.name a, a")).filter(Boolean);

function rows() {
  return links().length > 0;
}

function hasSelection() {
  return document.getElementById("selection");
}

function step(by) {
  const all = links();
  const row = document.activeElement?.closest("table.list tbody tr");
  const at = all.findIndex((link) => row?.contains(link));
  const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by));
  all[next]?.focus();
}

function showSheet() {
  const there = document.getElementById("shortcut-sheet");
  there?.remove();
  const sheet = document.createElement("dialog");
  sheet.id = "shortcut-sheet";
  sheet.setAttribute("aria-labelledby", "shortcut-title");
  const title = Object.assign(document.createElement("h2"), { id: "shortcut-title", textContent: gettext("Keyboard shortcuts") });
  sheet.append(title, keysOfPage(), choice(), closing());
  document.body.append(sheet);
  sheet.addEventListener("close", () => sheet.remove());
  sheet.showModal();
}

function keysOfPage() {
  const list = document.createElement("dl");
  for (const { keys, text } of shown()) {
    const term = document.createElement("dt");
    for (const key of keys.split(" ")) term.append(Object.assign(document.createElement("kbd"), { textContent: key }));
    list.append(term, Object.assign(document.createElement("dd"), { textContent: text() }));
  }
  return list;
}

function choice() {
  const label = document.createElement("label");
  const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: isOn() });
  box.addEventListener("change", () => {
    if (box.checked) localStorage.removeItem(STORED);
    else localStorage.setItem(STORED, "off");
  });
  label.append(box, " ", gettext("Use shortcuts"));
  return label;
}

function closing() {
  const form = Object.assign(document.createElement("form"), { method: "dialog" });
  form.append(Object.assign(document.createElement("button"), { className: "button", textContent: gettext("Close") }));
  return form;
}
