// Buttons that copy a digest.

import { gettext } from "./words.js";

// The clipboard is only open to pages of this machine and to https; elsewhere a selection works.
function copyBySelection(text) {
  const area = Object.assign(document.createElement("textarea"), { value: text });
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

export function offerCopies() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    button.textContent = (await copy(button.dataset.copy)) ? gettext("copied") : gettext("not copied");
    setTimeout(() => (button.textContent = gettext("copy")), 1500);
  });
}
