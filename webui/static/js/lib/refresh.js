// Keeps a part of a page fresh: asks the server for it and morphs what has changed, so that
// focus, selection and scroll stay where they are.

import { Idiomorph } from "../../node_modules/idiomorph/dist/idiomorph.esm.js";
import * as connection from "./connection.js";
import { tellTimes } from "./times.js";

const EVERY_MS = 2000;
const PATIENCE_MS = 10000;

export async function fetchPart(address) {
  const response = await fetch(address, { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (!response.ok) throw new Error(`${address}: ${response.status}`);
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

export function morph(element, fresh, morphStyle) {
  tellTimes(fresh); // else each time would change to the server's words and back
  Idiomorph.morph(element, fresh, { morphStyle, ignoreActiveValue: true });
}

async function refresh(element) {
  try {
    const fresh = await fetchPart(element.dataset.refresh);
    morph(element, fresh.body, "innerHTML");
    connection.heard();
  } catch {
    connection.lost();
  }
}

export function keepFresh(element) {
  let timer = null;
  let busy = false;
  const look = async () => {
    if (busy) return;
    busy = true;
    await refresh(element);
    busy = false;
    plan();
  };
  const plan = () => {
    clearTimeout(timer);
    timer = document.hidden ? null : setTimeout(look, EVERY_MS);
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? plan() : look()));
  plan();
}
