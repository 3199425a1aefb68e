// A curve in bounded memory: buckets of neighbors with minimum, maximum and last of each value.
//
// It begins with the buckets that the server has made, and folds in what comes live. Buckets are as
// wide as a part of the axis; when there are too many, each becomes twice as wide or wider, so a
// curve of hours or days has as many as one of minutes. No extreme is ever lost.

const MOST = 800;
const STATISTICS = ["last", "min", "max"];

const pick = (choose) => (a, b) => (a == null ? b : b == null ? a : choose(a, b));
const FOLD = { last: (a, b) => b ?? a, min: pick(Math.min), max: pick(Math.max) };

export class Folded {
  constructor(keys, most = MOST) {
    this.keys = keys;
    this.most = most;
    this.clear();
  }

  clear() {
    this.at = [];
    this.samples = 0; // all that came, however many are in a bucket
    this.width = 1;
    this.values = {};
    for (const key of this.keys) {
      this.values[key] = Object.fromEntries(STATISTICS.map((name) => [name, []]));
    }
  }

  // Takes what the server has summed up, instead of what was there.
  load({ at, count, values }) {
    this.clear();
    this.at = at;
    this.samples = count.reduce((sum, each) => sum + each, 0);
    for (const key of this.keys) {
      const { last, min, max } = values[key];
      this.values[key] = { last, min: min ?? [...last], max: max ?? [...last] };
    }
    if (!this.isExact) this.width = Math.max(1, (at.at(-1) - at[0]) / at.length);
    return this;
  }

  add(at, measured) {
    this.samples += 1;
    this.#fold(at, (key) => measured[key]);
    if (this.at.length > this.most) this.#widen();
  }

  // Whether each sample has a bucket of its own.
  get isExact() {
    return this.samples === this.at.length;
  }

  get last() {
    return this.at.at(-1) ?? 0;
  }

  // The columns of the curve, with those of a part of it, from and to some place, in finer buckets.
  columns(key, part) {
    const own = STATISTICS.map((name) => this.values[key][name]);
    if (!part) return { at: this.at, columns: own };
    const before = this.at.findIndex((at) => at >= part.from);
    const after = this.at.findIndex((at) => at > part.to);
    const join = (mine, its) => [
      ...mine.slice(0, before < 0 ? mine.length : before),
      ...its,
      ...(after < 0 ? [] : mine.slice(after)),
    ];
    const finer = STATISTICS.map((name) => part.folded.values[key][name]);
    return { at: join(this.at, part.folded.at), columns: own.map((each, n) => join(each, finer[n])) };
  }

  #fold(at, measured) {
    const place = this.at.length - 1;
    const isSame = place >= 0 && this.#slot(at) === this.#slot(this.at[place]);
    if (isSame) this.at[place] = at;
    else this.at.push(at);
    for (const key of this.keys) {
      for (const name of STATISTICS) {
        const column = this.values[key][name];
        const value = measured(key, name) ?? null;
        if (isSame) column[place] = FOLD[name](column[place], value);
        else column.push(value);
      }
    }
  }

  #slot(at) {
    return Math.floor(at / this.width);
  }

  #widen() {
    const { at, values } = this;
    const samples = this.samples;
    const width = Math.max(2 * this.width, (at.at(-1) - at[0]) / (this.most / 2));
    this.clear();
    Object.assign(this, { samples, width });
    at.forEach((each, index) => this.#fold(each, (key, name) => values[key][name][index]));
  }
}
