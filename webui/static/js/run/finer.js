// Finer buckets for the part of a curve that a reader has zoomed to.

import { ask } from "../lib/ask.js";
import { Folded } from "./fold.js";

const PATIENCE_MS = 10_000;
const PAUSE_MS = 150; // a reader who drags on is asked for once
const LEAST = 100;
const MOST = 2000; // what the server gives

export class Finer {
  // `address`: of the curve, by a query; `keys`: what of it is drawn; `show`: called when a part is there.
  constructor(address, keys, show) {
    this.address = address;
    this.keys = keys;
    this.show = show;
    this.part = null;
    this.timer = null;
    this.asked = null;
  }

  // The whole curve is shown again, or is another one.
  clear() {
    clearTimeout(this.timer);
    this.asked?.abort();
    this.part = this.asked = null;
  }

  ask(from, to, pixels) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#fetch(from, to, pixels), PAUSE_MS);
  }

  async #fetch(from, to, pixels) {
    this.asked?.abort();
    const asked = (this.asked = new AbortController());
    const points = Math.min(MOST, Math.max(LEAST, Math.round(pixels)));
    const address = this.address({ points, from, to, values: this.keys.join(",") });
    try {
      const signal = AbortSignal.any([asked.signal, AbortSignal.timeout(PATIENCE_MS)]);
      const response = await ask(address, { signal });
      if (!response.ok) return;
      const curve = await response.json();
      if (this.asked !== asked || !curve.at.length) return;
      // what comes live lies beyond: it is not part of the part
      this.part = { from, to: Math.min(to, curve.at.at(-1)), folded: new Folded(this.keys).load(curve) };
      this.show();
    } catch {
      // what is shown stays, as coarse as it is
    }
  }
}
