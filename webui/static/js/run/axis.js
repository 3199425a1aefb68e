// Along what the curves of a run are drawn: its epochs, its steps, or the time that it has trained.
//
// Samples are known by their steps, epochs by their numbers. How long each epoch took is known too,
// so the time at a step lies between the times at the ends of the epochs around it.

import { duration, short, tick, whole } from "../lib/format.js";
import { gettext } from "../lib/words.js";

const SMALL = 0.1; // of an epoch: below it two digits are not enough to tell places apart
const MOST = 4000; // epochs whose times are kept

export class Axis {
  constructor(by) {
    this.by = by;
    this.batches = 1;
    this.rate = 0; // seconds of an epoch, by how fast the run is now
    this.clear();
  }

  clear() {
    this.epochs = [0];
    this.seconds = [0];
  }

  // Takes the epochs that the server has summed up: `seconds` of each bucket.
  load({ at, seconds }) {
    this.clear();
    at.forEach((epoch, index) => this.add(epoch, seconds[index] ?? 0));
  }

  add(epoch, seconds) {
    this.epochs.push(epoch);
    this.seconds.push(this.seconds.at(-1) + seconds);
    if (this.epochs.length > MOST) {
      for (const name of ["epochs", "seconds"]) {
        this[name] = this[name].filter((_each, index) => index % 2 === 0 || index === this[name].length - 1);
      }
    }
  }

  get title() {
    const titles = { epoch: gettext("Epoch"), step: gettext("Step"), time: gettext("Training time") };
    return titles[this.by];
  }

  // Where an epoch lies, whole or in parts.
  ofEpoch(epoch) {
    if (this.by === "epoch") return epoch;
    return this.by === "step" ? epoch * this.batches : this.#between(this.epochs, this.seconds, epoch);
  }

  ofStep(step) {
    return this.by === "step" ? step : this.ofEpoch(step / this.batches);
  }

  toEpoch(place) {
    if (this.by === "epoch") return place;
    return this.by === "step" ? place / this.batches : this.#between(this.seconds, this.epochs, place);
  }

  toStep(place) {
    return this.toEpoch(place) * this.batches;
  }

  write(place) {
    if (this.by === "epoch") return place && place < SMALL ? short(place) : tick(place);
    return this.by === "step" ? whole(place) : duration(place);
  }

  // Where lines are drawn, a step apart; the end of all epochs has one too, so that it can be read.
  splits(min, max, step, isAll) {
    const count = Math.max(0, Math.floor((max - min) / step + 1e-9) + 1);
    const first = Math.ceil(min / step - 1e-9);
    const places = Array.from({ length: count }, (_each, index) => Math.round((first + index) * step * 1e9) / 1e9);
    const inside = places.filter((place) => place <= max);
    if (!isAll || this.by !== "epoch" || !Number.isInteger(max) || inside.at(-1) === max) return inside;
    return [...inside.filter((place) => max - place > step / 2), max];
  }

  // Parts of an epoch are named only where there is nothing else to name.
  ticks(splits, highest) {
    const hasParts = this.by === "time" || (this.by === "epoch" && highest <= 1);
    const isNamed = (place) => hasParts || Number.isInteger(place);
    return splits.map((place) => (isNamed(place) ? this.write(place) : ""));
  }

  // Beyond the last epoch it continues as it was before.
  #between(from, to, value) {
    let high = from.findIndex((each) => each > value);
    if (high < 0) high = from.length - 1;
    if (high === 0) return this.#beyondNothing(from, value);
    const low = high - 1;
    const share = (value - from[low]) / (from[high] - from[low] || 1);
    return to[low] + share * (to[high] - to[low]);
  }

  #beyondNothing(from, value) {
    const rate = this.rate || 1;
    return from === this.epochs ? value * rate : value / rate;
  }
}
