// The form of a new run: shows the fields of the chosen kinds, fills in presets at once, and
// marks what differs from the preset. The form works without this.

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

function showChosenKinds() {
  for (const select of form.querySelectorAll("[data-chooses]")) {
    for (const variant of form.querySelectorAll(`.variant[data-section="${select.dataset.chooses}"]`)) {
      const chosen = variant.dataset.kind === select.value;
      variant.toggleAttribute("data-chosen", chosen);
      variant.disabled = !chosen;
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
    if (changed && field && !field.closest(".variant:not([data-chosen])")) count += 1;
  }
  const title = cards.find((card) => card.getAttribute("aria-current"))?.querySelector("b").textContent;
  document.getElementById("changes").textContent =
    count && title ? `${count} ${count === 1 ? "field differs" : "fields differ"} from “${title}”.` : "";
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

function clearError(field) {
  field.classList.remove("wrong");
  for (const message of field.querySelectorAll(".error")) message.remove();
  for (const input of field.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
}

function update() {
  showChosenKinds();
  markChanges();
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
