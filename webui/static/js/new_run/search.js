// Search among the fields of a form: shows those alone whose label, help, choices or name match every word,
// opens the sections that they are in, and closes them again when the search is over.

import { gettext, ngettext } from "../lib/words.js";

const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

const wordsOf = (field) => {
  const texts = field.querySelectorAll("label, .label, .help, option");
  const section = field.closest("details.folded")?.querySelector("h3").textContent ?? "";
  return plain([field.dataset.field, section, ...[...texts].map((each) => each.textContent)].join(" "));
};

export function offerSearch(form, allFields) {
  const input = document.getElementById("find-field");
  const found = document.getElementById("found");
  const sections = [...allFields.querySelectorAll("details.folded")];
  const fields = [...allFields.querySelectorAll("[data-field]")].map((field) => [field, wordsOf(field)]);
  let before = null; // which sections were open

  // what is looked for is no part of the run
  input.addEventListener("input", (event) => {
    event.stopPropagation();
    const wanted = plain(input.value).split(/\s+/).filter(Boolean);
    if (wanted.length) show(wanted);
    else finish();
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault(); // it starts no run
      allFields.querySelector("[data-match] :is(input:not([type=hidden]), select)")?.focus();
    } else if (event.key === "Escape" && input.value) {
      input.value = "";
      finish();
    }
  });

  function show(wanted) {
    before ??= sections.map((section) => section.open);
    allFields.setAttribute("data-finding", "");
    for (const [field, words] of fields) field.toggleAttribute("data-match", wanted.every((word) => words.includes(word)));
    for (const section of sections) {
      const matches = section.querySelectorAll("[data-match]");
      section.toggleAttribute("data-match", matches.length > 0);
      section.open = matches.length > 0;
    }
    const seen = fields.filter(([field]) => field.hasAttribute("data-match") && isOfChosenKind(field)).length;
    found.textContent = seen
      ? ngettext("%(num)s field", "%(num)s fields", seen)
      : gettext("No field that can be set now is like this.");
  }

  const isOfChosenKind = (field) => !field.closest("fieldset.variant:disabled");

  function finish() {
    allFields.removeAttribute("data-finding");
    sections.forEach((section, index) => before && (section.open = before[index]));
    before = null;
    found.textContent = "";
  }

  document.getElementById("find").hidden = false;
}
