// What a worker computes for a page: asked for again until it is there.

import { fetchPart, morph } from "../lib/refresh.js";

const FIRST_MS = 700;
const LONGEST_MS = 5000;

// What a reader has chosen meanwhile, though it is not shown yet, stays chosen.
function keepChoices(part, fresh) {
  for (const select of part.querySelectorAll("select[name]")) {
    const its = fresh.querySelector(`select[name="${select.name}"]`);
    if (its) its.value = select.value;
  }
}

// `part`: the element that waits; `ready` is called with it once what it waits for is there, or has failed.
export function waitFor(part, ready) {
  let pause = FIRST_MS;
  const look = async () => {
    const waiting = part.querySelector("[data-waiting]");
    if (!waiting) return ready(part);
    try {
      const fresh = (await fetchPart(waiting.dataset.waiting)).getElementById(part.id);
      if (!fresh) return location.replace(waiting.dataset.waiting); // another page is there now
      const status = fresh.querySelector("[data-waiting] [role=status]");
      const shown = waiting.querySelector("[role=status]");
      if (!status) {
        keepChoices(part, fresh);
        morph(part, fresh, "outerHTML");
      } else if (shown.textContent !== status.textContent) {
        shown.textContent = status.textContent;
      }
    } catch {
      // it is asked for again
    }
    pause = Math.min(LONGEST_MS, pause * 1.3);
    if (part.querySelector("[data-waiting]")) setTimeout(look, pause);
    else ready(part);
  };
  if (part.querySelector("[data-waiting]")) setTimeout(look, pause);
  else ready(part);
}
