// A run's name and notes, changed in place. Without this the link leads to the page that does it.

import { ask } from "../lib/ask.js";
import { gettext } from "../lib/words.js";

const list = document.getElementById("fresh");
const dialog = document.getElementById("editing");
const form = dialog.querySelector("form");
const error = dialog.querySelector('[data-of="error"]');
const { name, notes } = form.elements;

let run = null; // the number of the run that is edited
let before = {}; // what it was called, and what was written about it

const address = () => `/api/v1/jobs/${run}`;

function complain(text) {
  error.textContent = text;
  error.hidden = !text;
}

// What stands in the list may be old: somebody else may have changed it.
async function open(link) {
  run = link.dataset.run;
  const answer = await ask(address());
  if (!answer.ok) return void location.assign(link.href);
  before = await answer.json();
  dialog.querySelector('[data-of="number"]').textContent = `#${run}`;
  name.value = before.name;
  notes.value = before.notes;
  complain("");
  dialog.showModal();
  name.select();
}

async function save() {
  const changed = {};
  if (name.value !== before.name) changed.name = name.value;
  if (notes.value !== before.notes) changed.notes = notes.value;
  const headers = { "Content-Type": "application/json" };
  const answer = await ask(address(), { method: "PATCH", headers, body: JSON.stringify(changed) });
  if (answer.ok) return show(await answer.json());
  complain((await answer.json()).detail);
}

// At once; the rest of the list follows with its next look.
function show(job) {
  const named = document.querySelector(`#job-${run} .whole bdi`);
  if (named) named.textContent = job.name;
  dialog.close();
}

// The row may have been sent again meanwhile: the link is found by the run.
dialog.addEventListener("close", () => list.querySelector(`.edit[data-run="${run}"]`)?.focus());

list.addEventListener("click", (event) => {
  const link = event.target.closest("a.edit");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  open(link).catch(() => location.assign(link.href));
});

form.addEventListener("submit", (event) => {
  if (event.submitter?.value === "leave") return;
  event.preventDefault();
  save().catch(() => complain(gettext("The server does not answer. Try again in a moment.")));
});
