// Where the numbers of charts come from: what a run reports, folded so that it stays small, with finer
// buckets for what a reader has zoomed to.

import { ask } from "../lib/ask.js";
import { Finer } from "./finer.js";
import { Folded } from "./fold.js";

const POINTS = 400;
const PATIENCE_MS = 10_000;

export class Source {
  // `name`: of the rows in the API; `values`: what of them is drawn; `changed`: called when there is more.
  constructor(name, values, { api, axis, changed }) {
    this.name = name;
    this.values = values;
    this.api = api;
    this.axis = axis;
    this.changed = changed;
    this.folded = new Folded(values);
    this.finer = new Finer((query) => api(name, query), values, changed);
    this.isLoaded = false;
    this.waiting = null; // rows that came while the curve is asked for
    this.asked = null; // a promise, once somebody has wanted to see it
  }

  get isOfEpochs() {
    return this.name === "epochs";
  }

  load(curve) {
    this.folded.load(curve);
    this.isLoaded = true;
  }

  // What came live. While the curve is asked for it waits: some of it may be in the answer.
  add(rows) {
    if (this.waiting) this.waiting.push(...rows);
    else if (this.isLoaded) for (const row of rows) this.#fold(row);
  }

  #fold(row) {
    const at = this.isOfEpochs ? row.epoch : row.step;
    if (at > this.folded.last) this.folded.add(at, row);
  }

  clear() {
    this.finer.clear();
    this.folded.clear();
  }

  get isWanted() {
    return this.asked !== null;
  }

  // Asks for the whole curve, when somebody looks at it for the first time.
  want() {
    this.asked ??= this.reload();
    return this.asked;
  }

  async reload() {
    this.waiting ??= [];
    const curve = await this.#fetch({});
    if (curve) this.load(curve);
    else this.asked = null; // whoever opens it next asks again
    const came = this.waiting ?? [];
    this.waiting = null;
    this.add(came);
    this.changed();
  }

  // Asks for what came since, of what no stream brings.
  async wantNewer() {
    if (!this.isWanted) return;
    await this.asked;
    if (!this.folded.at.length) {
      await this.reload();
      return;
    }
    const curve = await this.#fetch({ from: this.folded.last + 1 });
    if (!curve) return;
    curve.at.forEach((at, index) => {
      this.folded.add(at, Object.fromEntries(this.values.map((value) => [value, curve.values[value].last[index]])));
    });
    this.changed();
  }

  // Whole steps or epochs, with a neighbor at each end.
  zoomTo(zoom) {
    if (!zoom) {
      if (this.finer.part) requestAnimationFrame(this.changed); // not while the plot is drawing
      this.finer.clear();
    }
    if (!zoom || !this.isLoaded || this.folded.isExact) return;
    const of = (place) => (this.isOfEpochs ? this.axis.toEpoch(place) : this.axis.toStep(place));
    this.finer.ask(Math.max(0, Math.floor(of(zoom.min)) - 1), Math.max(0, Math.ceil(of(zoom.max)) + 1), zoom.pixels);
  }

  // The places and the columns of a line. Where a bucket has but one sample its band would be the line again.
  line(value) {
    const { at, columns } = this.folded.columns(value, this.finer.part);
    const [values, min, max] = columns;
    const hasBand = min.some((low, index) => low !== max[index]);
    const nothing = () => at.map(() => null);
    const place = (each) => (this.isOfEpochs ? this.axis.ofEpoch(each) : this.axis.ofStep(each));
    // a copy: what is folded grows while the plot shows what it was given
    return { at: at.map(place), columns: [[...values], ...(hasBand ? [[...min], [...max]] : [nothing(), nothing()])] };
  }

  // Whether anything of a value was measured.
  has(value) {
    return this.folded.values[value].last.some((each) => each != null);
  }

  async #fetch(query) {
    try {
      const address = this.api(this.name, { points: POINTS, values: this.values.join(","), ...query });
      const response = await ask(address, { signal: AbortSignal.timeout(PATIENCE_MS) });
      return response.ok ? await response.json() : null;
    } catch {
      return null; // it is asked for again with what comes next
    }
  }
}
