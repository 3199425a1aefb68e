// The form of a new run: fills in presets at once, marks what differs from the preset, and keeps
// the summaries true. The form works without this.

import { morph } from "../lib/refresh.js";

const REST_MS = 250;

const form = document.getElementById("new-run");
const presets = JSON.parse(document.getElementById("presets").textContent);
const cards = [...document.querySelectorAll(".presets .preset")];
const start = texts(); // what an old run, or the server's answer, filled in

function inputs(name) {
  const found = form.elements.namedItem(name);
  const all = found instanceof RadioNodeList ? [...found] : found ? [found] : [];
  return all.filter((input) => input.matches("input, select") && input.type !== "hidden");
}

function text(name) {
  const [first, ...more] = inputs(name);
  if (!first) return null;
  if (first.type === "checkbox") return String(first.checked);
  if (first.type === "radio") return [first, ...more].find((each) => each.checked)?.value ?? null;
  return first.value;
}

function fill(name, value) {
  for (const input of inputs(name)) {
    if (input.type === "checkbox") input.checked = value === "true";
    else if (input.type === "radio") input.checked = input.value === value;
    else input.value = value;
  }
}

function texts() {
  const names = Object.keys(Object.values(presets)[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, text(name)]));
}

// What was typed for other kinds is not sent; the style sheet hides it.
function disableOtherKinds() {
  for (const select of form.querySelectorAll("[data-chooses]")) {
    for (const variant of form.querySelectorAll(`.variant[data-section="${select.dataset.chooses}"]`)) {
      variant.disabled = variant.dataset.kind !== select.value;
    }
  }
}

const plain = (value) => {
  const squeezed = (value ?? "").replace(/\s+/g, "");
  return squeezed !== "" && !isNaN(squeezed) ? String(Number(squeezed)) : squeezed;
};

function markChanges() {
  const preset = form.elements.preset.value;
  const base = presets[preset] ?? (preset === "" ? start : null);
  let count = 0;
  for (const name of Object.keys(base ?? {})) {
    const field = form.querySelector(`[data-field="${name}"]`);
    const changed = plain(text(name)) !== plain(base[name]);
    field?.toggleAttribute("data-changed", changed);
    if (changed && field && !field.closest(".variant:disabled")) count += 1;
  }
  for (const section of form.querySelectorAll(".folded")) {
    section.toggleAttribute("data-changed", section.querySelector("[data-changed]") !== null);
  }
  const title = cards.find((card) => card.getAttribute("aria-current"))?.querySelector("b").textContent;
  document.getElementById("changes").textContent =
    count && title ? `${count} ${count === 1 ? "field differs" : "fields differ"} from “${title}”.` : "";
}

// The line of a folded section: as webui/forms/form.py writes it.
function summarizeFolded() {
  for (const section of form.querySelectorAll(".folded")) {
    const summary = [];
    for (const { dataset } of section.querySelectorAll("[data-field]")) {
      const typed = text(dataset.field);
      if (plain(typed) === plain(dataset.default)) continue;
      const [first] = inputs(dataset.field);
      if (first.type === "checkbox") summary.push(typed === "true" ? dataset.label : `no ${dataset.label}`);
      else summary.push(`${dataset.label} ${typed.trim() || "none"}`);
    }
    section.querySelector("[data-summary]").textContent = summary.join(", ");
  }
}

function choosePreset(card) {
  const name = card.dataset.preset ?? "";
  const values = presets[name] ?? start;
  for (const [field, value] of Object.entries(values)) fill(field, value);
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

// The network's blocks are the server's to work out: asked for when typing has come to a rest.
// (an input is called "dataset", so the form's own data has to be asked for by its long name)
const shapingParts = form.getAttribute("data-network-of").split(" ");
const shapesNetwork = (name) => shapingParts.includes(name.split(".")[0]);
const described = () => new URLSearchParams([...new FormData(form)].filter(([name]) => shapesNetwork(name)));
let shown = described().toString();
let resting = null;
let asking = null;

function describeNetwork() {
  if (described().toString() === shown) return;
  clearTimeout(resting);
  resting = setTimeout(askForNetwork, REST_MS);
}

async function askForNetwork() {
  const asked = described();
  shown = asked.toString();
  asking?.abort();
  asking = new AbortController();
  asked.append("csrf_token", form.elements.csrf_token.value);
  try {
    const answer = await fetch(form.getAttribute("data-network"), { method: "POST", body: asked, signal: asking.signal });
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    morph(document.getElementById("network"), fresh.getElementById("network"), "outerHTML");
  } catch (error) {
    if (error.name !== "AbortError") shown = null; // asked again at the next change
  }
}

function update() {
  disableOtherKinds();
  markChanges();
  summarizeFolded();
  describeNetwork();
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
update();
const current = cards.find((card) => card.getAttribute("aria-current"));
if (current) bringIntoView(current);
