// The button of a delete of several runs says how many are chosen.

import { ngettext } from "../lib/words.js";

const button = document.querySelector('[data-of="delete"]');
const chosen = () => button.form.querySelectorAll("input[name=id]:checked").length;
const words = button?.textContent; // where none is chosen

function show() {
  const count = chosen();
  button.textContent = count ? ngettext("Delete %(num)s run", "Delete %(num)s runs", count) : words;
  button.disabled = count === 0;
}

if (button) {
  button.form.addEventListener("change", show);
  addEventListener("pageshow", show); // a browser that comes back to the page has kept the boxes
  show();
}
