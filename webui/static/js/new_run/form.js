// The form of a new run: fills in presets at once, and asks the server what follows from what is
// typed: what differs from the preset, the summaries, the network. The form works without this.

import { morph } from "../lib/refresh.js";

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
  const name = card.dataset.preset;
  for (const [field, value] of Object.entries(fillings[name])) fill(field, value);
  form.elements.preset.value = name;
  for (const each of cards) each.removeAttribute("aria-current");
  card.setAttribute("aria-current", "true");
  for (const wrong of form.querySelectorAll(".wrong")) clearError(wrong);
  history.replaceState(null, "", card.href);
  update();
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

function update() {
  disableOtherKinds();
  look();
}

for (const card of cards) {
  card.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    choosePreset(card);
  });
}
form.addEventListener("input", update);
// a page that comes back from the history may hold other values than the server sent
addEventListener("pageshow", update);
form.addEventListener("submit", () => {
  const button = form.querySelector("[type=submit]");
  setTimeout(() => (button.disabled = true)); // after the values were gathered: one click, one run
});
addEventListener("pageshow", () => (form.querySelector("[type=submit]").disabled = false));
const current = cards.find((card) => card.getAttribute("aria-current"));
if (current) bringIntoView(current);
