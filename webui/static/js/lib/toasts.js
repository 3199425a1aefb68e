// Short messages at the edge of the page. They take no focus, are read out, can be dismissed, and go by
// themselves unless they tell of something that failed; not while a pointer or the focus is on them.

import { gettext } from "./words.js";

const SHOWN_MS = 8000;
const MOST = 4;

function place() {
  const there = document.getElementById("toasts");
  if (there) return there;
  const made = document.createElement("div");
  made.id = "toasts";
  made.setAttribute("role", "status");
  document.body.append(made);
  return made;
}

// `address`: where a click on the text leads; `isError`: it stays until it is dismissed.
export function toast(text, { address = "", isError = false } = {}) {
  const element = document.createElement("div");
  element.className = isError ? "message bad" : "message";
  const words = document.createElement(address ? "a" : "span");
  words.textContent = text;
  if (address) words.href = address;
  const dismiss = document.createElement("button");
  Object.assign(dismiss, { type: "button", textContent: "×", title: gettext("Dismiss") });
  dismiss.setAttribute("aria-label", gettext("Dismiss this message"));
  dismiss.addEventListener("click", () => element.remove());
  element.append(words, dismiss);
  const all = place();
  all.append(element);
  while (all.children.length > MOST) all.firstElementChild.remove();
  if (!isError) removeLater(element);
}

function removeLater(element) {
  setTimeout(() => {
    if (element.matches(":hover, :focus-within")) removeLater(element);
    else element.remove();
  }, SHOWN_MS);
}
