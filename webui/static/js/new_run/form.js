// The form of a new run: fills in presets at once, and asks the server what follows from what is
// typed: what differs from the preset, the summaries, the network. The form works without this.

import { morph } from "../lib/refresh.js";
import * as draft from "./draft.js";

const REST_MS = 250;

const form = document.getElementById("new-run");
const fillings = JSON.parse(document.getElementById("presets").textContent);
const cards = [...document.querySelectorAll(".presets .preset")];

function inputs(name) {
  const found = form.elements.namedItem(name);
  const all = found instanceof RadioNodeList ? [...found] : found ? [found] : [];
  return all.filter((input) => input.matches("input, select") && input.type !== "hidden");
}

function fill(name, value) {
  for (const input of inputs(name)) {
    if (input.type === "checkbox") input.checked = value === "true";
    else if (input.type === "radio") input.checked = input.value === value;
    else input.value = value;
  }
}

// What was typed for other kinds is not sent; the style sheet hides it.
function disableOtherKinds() {
  for (const select of form.querySelectorAll("[data-chooses]")) {
    for (const variant of form.querySelectorAll(`.variant[data-section="${select.dataset.chooses}"]`)) {
      variant.disabled = variant.dataset.kind !== select.value;
    }
  }
}

function choosePreset(card) {
  const before = draft.valuesOf(form);
  const hadChanges = document.getElementById("changes").dataset.fields !== "";
  for (const [field, value] of Object.entries(fillings[card.dataset.preset])) fill(field, value);
  mark(card.dataset.preset);
  if (hadChanges) offer("The preset has replaced what you had changed.", () => refill(before));
  update();
}

function mark(preset) {
  form.elements.preset.value = preset;
  for (const card of cards) {
    if (card.dataset.preset === preset) {
      card.setAttribute("aria-current", "true");
      history.replaceState(null, "", card.href);
    } else {
      card.removeAttribute("aria-current");
    }
  }
  for (const wrong of form.querySelectorAll(".wrong")) clearError(wrong);
}

// Puts back what was typed, whatever stands there now.
function refill(values) {
  const last = new Map(values); // a ticked box comes after its hidden "false"
  mark(last.get("preset") ?? "");
  for (const [field, value] of last) fill(field, value);
  form.dispatchEvent(new Event("input"));
}

const note = document.getElementById("restore");

function offer(text, bringBack) {
  note.firstElementChild.textContent = text;
  note.lastElementChild.onclick = () => {
    note.hidden = true;
    bringBack();
  };
  note.hidden = false;
}

// A page that was loaded again, or gone back to, has what was typed into it.
function restore() {
  if (form.hasAttribute("data-refused")) {
    history.replaceState(null, "", form.getAttribute("data-address")); // a reload sends nothing
    draft.keep(form);
    return;
  }
  const found = draft.find();
  if (!found) return;
  const bringBack = () => {
    refill(found.values);
    if (found.token) form.elements.submission_token.value = found.token;
  };
  const [{ type }] = performance.getEntriesByType("navigation");
  const isHere = found.address === draft.here();
  if (isHere && type !== "navigate") bringBack();
  else if (isHere && !found.isDone) offer("You have typed something here, and not started the run.", bringBack);
}

// On a phone the presets lie in a row that is wider than the screen.
function bringIntoView(card) {
  const row = card.parentElement;
  const [inner, outer] = [card, row].map((each) => each.getBoundingClientRect());
  row.scrollLeft += inner.left - outer.left - (outer.width - inner.width) / 2;
}

function clearError(field) {
  field.classList.remove("wrong");
  for (const message of field.querySelectorAll(".error")) message.remove();
  for (const input of field.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
}

// What follows from what is typed is the server's to work out, when typing has come to a rest.
const typed = () => new URLSearchParams(new FormData(form));

disableOtherKinds();
let shown = typed().toString();
let resting = null;
let asking = null;

function look() {
  if (typed().toString() === shown) return;
  clearTimeout(resting);
  resting = setTimeout(ask, REST_MS);
}

async function ask() {
  const asked = typed();
  shown = asked.toString();
  asking?.abort();
  asking = new AbortController();
  try {
    // (an input is called "dataset", so the form's own data has to be asked for by its long name)
    const answer = await fetch(form.getAttribute("data-typed"), { method: "POST", body: asked, signal: asking.signal });
    if (!answer.ok) throw new Error(String(answer.status));
    show(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch (error) {
    if (error.name !== "AbortError") shown = null; // asked again at the next change
  }
}

function show(fresh) {
  for (const part of fresh.body.querySelectorAll(":scope > [id]")) {
    morph(document.getElementById(part.id), part, "outerHTML");
  }
  const changed = new Set(document.getElementById("changes").dataset.fields.split(" "));
  for (const field of form.querySelectorAll("[data-field]")) {
    field.toggleAttribute("data-changed", changed.has(field.dataset.field));
  }
}

const newToken = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

function update() {
  disableOtherKinds();
  look();
}

function keepDraft() {
  update();
  draft.keep(form);
}

for (const card of cards) {
  card.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    choosePreset(card);
    draft.keep(form);
  });
}
form.addEventListener("input", keepDraft);
// a page that comes back from the history may hold other values than the server sent
addEventListener("pageshow", update);
form.addEventListener("submit", () => {
  const button = form.querySelector("[type=submit]");
  draft.keep(form, true);
  setTimeout(() => (button.disabled = true)); // after the values were gathered: one click, one run
});
addEventListener("pageshow", ({ persisted }) => {
  form.querySelector("[type=submit]").disabled = false;
  if (persisted && draft.find()?.isDone) form.elements.submission_token.value = newToken();
});
restore();
const current = cards.find((card) => card.getAttribute("aria-current"));
if (current) bringIntoView(current);
