// The form of a new run: fills in presets at once, and asks the server what follows from what is typed: what
// is wrong, what differs, the network, the learning rate, when it would run. The form works without this.

import { ask as askServer } from "../lib/ask.js";
import { gettext, ngettext } from "../lib/words.js";
import { morph } from "../lib/refresh.js";
import * as draft from "./draft.js";
import { offerSearch } from "./search.js";

const REST_MS = 250;

const form = document.getElementById("new-run");
const fillings = JSON.parse(document.getElementById("presets").textContent);
const cards = [...document.querySelectorAll(".presets .preset")];
const allFields = document.getElementById("all-fields");
const start = document.getElementById("start");

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

// What was changed stays as it is; who wants the preset as a whole takes it by the button of the note.
function choosePreset(card) {
  const before = draft.valuesOf(form);
  const filling = fillings[card.dataset.preset];
  const kept = typedOver();
  for (const [field, value] of Object.entries(filling)) if (!kept.has(field)) fill(field, value);
  mark(card);
  if (kept.size) {
    const titles = [...kept].map(titleOf).join(", ");
    const text = gettext("What you had changed is kept: %(fields)s.", { fields: titles });
    offer(text, gettext("Take the preset's values"), () => takeWhole(filling, before));
  } else {
    note.hidden = true;
  }
  update();
}

function takeWhole(filling, before) {
  for (const [field, value] of Object.entries(filling)) fill(field, value);
  keepDraft();
  offerBack(gettext("The preset has replaced what you had changed."), () => refill(before));
}

// Told here, and not by the server's last answer: who clicks right after typing loses nothing.
function typedOver() {
  const base = fillings[form.elements.preset.value] ?? {};
  const now = new Map(draft.valuesOf(form)); // a ticked box comes after its hidden "false"
  return new Set(Object.keys(base).filter((name) => now.has(name) && now.get(name).trim() !== base[name]));
}

function changedNames() {
  const names = document.getElementById("changes").dataset.fields;
  return new Set(names ? names.split(" ") : []);
}

function titleOf(name) {
  const field = form.querySelector(`[data-field="${CSS.escape(name)}"]`);
  return field.querySelector("label:not(.segments label), .label").textContent.trim();
}

function mark(card) {
  form.elements.preset.value = card?.dataset.preset ?? "";
  for (const each of cards) each.removeAttribute("aria-current");
  card?.setAttribute("aria-current", "true");
  if (card) history.replaceState(null, "", card.dataset.address);
}

// Puts back what was typed, whatever stands there now.
function refill(values) {
  const last = new Map(values); // a ticked box comes after its hidden "false"
  mark(cards.find((card) => card.dataset.preset === (last.get("preset") ?? "")));
  for (const [field, value] of last) fill(field, value);
  form.dispatchEvent(new Event("input"));
}

const note = document.getElementById("restore");

function offer(text, label, action) {
  note.firstElementChild.textContent = text;
  note.lastElementChild.textContent = label;
  note.lastElementChild.onclick = () => {
    note.hidden = true;
    action();
  };
  note.hidden = false;
}

const offerBack = (text, bringBack) => offer(text, gettext("Bring it back"), bringBack);

// A reload, a step back and a form that was refused show at once what was typed; a form that is opened again
// shows its preset, and offers it. By the token of a form that was sent and got no answer, it finds its run.
function restore() {
  if (form.hasAttribute("data-refused")) {
    // (an input is called "dataset", so the form's own data has to be asked for by its long name)
    history.replaceState(null, "", form.getAttribute("data-address"));
    return draft.keep(form);
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
  else if (isHere && !found.isDone) offerBack(gettext("You have typed something here, and not started the run."), bringBack);
}

// On a phone the presets lie in a row that is wider than the screen.
function bringIntoView(card) {
  const row = card.parentElement;
  const [inner, outer] = [card, row].map((each) => each.getBoundingClientRect());
  row.scrollLeft += inner.left - outer.left - (outer.width - inner.width) / 2;
}

// What follows from what is typed is the server's to work out, when typing has come to a rest. An answer that
// is overtaken by a later question is thrown away.
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
  const { signal } = (asking = new AbortController());
  try {
    const answer = await askServer(form.getAttribute("data-typed"), { method: "POST", body: asked, signal });
    if (!answer.ok) throw new Error(String(answer.status));
    const text = await answer.text();
    if (!signal.aborted) show(new DOMParser().parseFromString(text, "text/html"));
  } catch (error) {
    if (error.name !== "AbortError") shown = null; // asked again at the next change
  }
}

function show(fresh) {
  for (const part of fresh.body.querySelectorAll(":scope > [id]")) {
    const place = document.getElementById(part.id);
    if (place && place.innerHTML !== part.innerHTML) keepOpen(place, part);
    if (place?.isEqualNode(part) === false) morph(place, part, "outerHTML");
  }
  const changed = changedNames();
  for (const field of form.querySelectorAll("[data-field]")) {
    field.toggleAttribute("data-changed", changed.has(field.dataset.field));
    markWrong(field);
  }
  document.getElementById("mistakes")?.remove(); // what is wrong now stands beside the button
  showWhole();
}

// What a reader has opened stays open.
function keepOpen(place, part) {
  const before = [...place.querySelectorAll("details")];
  for (const each of part.querySelectorAll("details")) {
    const same = before.find((one) => one.className === each.className);
    if (same) each.open = same.open;
  }
}

function markWrong(field) {
  const isWrong = Boolean(field.querySelector(".notes .error"));
  field.classList.toggle("wrong", isWrong);
  for (const input of field.querySelectorAll("input[type=text], select, [type=checkbox], [role=radiogroup]")) {
    if (isWrong) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }
}

function showWhole() {
  const { name, runs } = document.getElementById("consequences").dataset;
  document.getElementById("name").placeholder = name;
  const count = Number(runs);
  start.textContent = count > 1 ? ngettext("Start %(num)s run", "Start %(num)s runs", count) : gettext("Start run");
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

// A link to a field leads to it wherever it is folded away.
function reveal(name) {
  const field = document.getElementById(name);
  if (!field || !form.contains(field)) return;
  for (let each = field.closest("details"); each; each = each.parentElement.closest("details")) each.open = true;
  field.scrollIntoView({ block: "center" });
  field.focus();
}

for (const card of cards) {
  card.addEventListener("click", (event) => {
    event.preventDefault();
    choosePreset(card);
    draft.keep(form);
  });
}
form.addEventListener("click", (event) => {
  const back = event.target.closest('button[name="back"]');
  if (back) {
    event.preventDefault();
    fill(back.value, fillings[form.elements.preset.value][back.value]);
    document.getElementById(back.value)?.focus();
    keepDraft();
  }
  const link = event.target.closest('a[href^="#"]');
  if (link) {
    event.preventDefault();
    reveal(decodeURIComponent(link.hash.slice(1)));
  }
});
form.addEventListener("input", keepDraft);
allFields.addEventListener("toggle", () => {
  const value = allFields.open ? "all" : "few";
  document.cookie = `fields=${value}; path=/; max-age=${365 * 86400}; SameSite=Strict`;
});
// a page that comes back from the history may hold other values than the server sent
addEventListener("pageshow", update);
form.addEventListener("submit", () => {
  draft.keep(form, true);
  setTimeout(() => setBusy(true)); // after the values were gathered: one click, one run
});
addEventListener("pageshow", ({ persisted }) => {
  setBusy(false);
  if (persisted && draft.find()?.isDone) form.elements.submission_token.value = newToken();
});

function setBusy(isBusy) {
  for (const button of form.querySelectorAll("[type=submit]:not(.preset)")) button.disabled = isBusy;
}

offerSearch(form, allFields);
showWhole();
restore();
const current = cards.find((card) => card.getAttribute("aria-current"));
if (current) bringIntoView(current);
