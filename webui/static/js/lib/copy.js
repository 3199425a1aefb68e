// Buttons that copy a digest, a token or a link.

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
  for (const button of document.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    button.dataset.label ??= button.textContent;
    button.textContent = (await copy(button.dataset.copy)) ? gettext("copied") : gettext("not copied");
    setTimeout(() => (button.textContent = button.dataset.label), 1500);
  });
}
