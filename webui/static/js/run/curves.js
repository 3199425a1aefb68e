// The curves of a run: the losses by epoch, and the accuracies by epoch.

import uPlot from "../../node_modules/uplot/dist/uPlot.esm.js";
import { number, percent, percentTick, short, tick } from "../lib/format.js";

const HEIGHT = 240;
const NARROW_HEIGHT = 200;
const FEW_EPOCHS = 20;

// Colors come from the style sheet; a canvas needs them resolved.
const colors = new Map();

function color(name) {
  if (!colors.has(name)) {
    const probe = document.createElement("i");
    probe.style.color = `var(--${name})`;
    document.body.append(probe);
    colors.set(name, getComputedStyle(probe).color);
    probe.remove();
  }
  return colors.get(name);
}

const font = () => `12px ${getComputedStyle(document.body).fontFamily}`;

// The right end of the horizontal axis. Of a short run all of it is shown from the start; that of a
// long one grows by doubling, so that the curve does not squeeze together with every point.
function horizon(reached, epochs, over) {
  if (over) return Math.max(reached, 1);
  if (epochs <= FEW_EPOCHS) return epochs;
  return Math.min(epochs, Math.max(FEW_EPOCHS, 2 ** Math.ceil(Math.log2(reached + 1))));
}

function axis(values, more = {}) {
  return {
    stroke: () => color("muted"),
    grid: { stroke: () => color("line"), width: 1 },
    ticks: { show: false },
    font: font(),
    gap: 6,
    values,
    ...more,
  };
}

// Parts of an epoch are named only where there is nothing else to name.
const epochNumbers = (plot, splits) =>
  splits.map((split) => (Number.isInteger(split) || plot.scales.x.max <= 1 ? tick(split) : ""));

class Curve {
  constructor(figure, options) {
    this.figure = figure;
    this.place = figure.querySelector(".plot");
    this.options = options;
    this.data = [[], ...options.series.map(() => [])];
    this.xMax = 1;
    this.#draw();
    new ResizeObserver(() => this.#resize()).observe(this.place);
    document.addEventListener("themechange", () => {
      colors.clear();
      requestAnimationFrame(() => this.plot.redraw(true, true));
    });
  }

  show(data, xMax, count) {
    const zoomed = this.#isZoomed();
    this.data = data;
    this.xMax = xMax;
    this.plot.setData(data, !zoomed);
    if (zoomed) this.plot.redraw();
    this.figure.dataset.samples = count;
  }

  redraw() {
    this.plot.destroy();
    this.#draw();
  }

  #size() {
    return {
      width: Math.max(200, Math.floor(this.place.clientWidth)),
      height: matchMedia("(max-width: 40rem)").matches ? NARROW_HEIGHT : HEIGHT,
    };
  }

  #resize() {
    const size = this.#size();
    if (size.width !== this.plot.width || size.height !== this.plot.height) this.plot.setSize(size);
  }

  #draw() {
    this.plot = new uPlot(
      {
        ...this.#size(),
        padding: [8, 12, 0, 0],
        legend: { show: false },
        cursor: { y: false, drag: { x: true, y: false }, points: { size: 7 } },
        scales: {
          x: { time: false, range: (_plot, min, max) => this.#rangeOfX(min, max) },
          y: this.options.scale(),
        },
        axes: [
          axis(epochNumbers, { size: 28, space: 40 }),
          axis(this.options.values, { size: 52, space: 36 }),
        ],
        series: [{}, ...this.options.series],
        hooks: { setCursor: [(plot) => this.options.onCursor(plot.cursor.idx)] },
      },
      this.data,
      this.place,
    );
  }

  #isZoomed() {
    const { min, max } = this.plot.scales.x;
    return min != null && (min > 0 || max < this.xMax);
  }

  // all of it, unless a reader has dragged over a part; a double click takes that back
  #rangeOfX(min, max) {
    const all = this.data[0];
    const zoomed = all.length && (min > all[0] || max < all[all.length - 1]);
    return zoomed ? [min, max] : [0, this.xMax];
  }
}

const line = (name, width, more = {}) => ({
  stroke: () => color(name),
  width,
  spanGaps: true,
  points: { show: false },
  ...more,
});

const dots = (name, size) => ({
  show: true,
  size,
  stroke: () => color(name),
  fill: () => color(name),
});

// With many epochs the dots would run into one another.
const dotsWhileFew = (name) => ({
  ...dots(name, 6),
  show: (plot, index) => plot.data[index].filter((value) => value != null).length <= 60,
});

const last = (values) => values.findLast((value) => value != null);

// The lines of a figure, by the names of their keys; that of the validation split may be absent.
const keysOf = (figure) => [...figure.querySelectorAll("[data-key]")].map((key) => key.dataset.key);

// Writes the values where the reader points, or the last ones.
function writeKeys(figure, keys, curve, index, write) {
  keys.forEach((key, place) => {
    const values = curve?.data[place + 1] ?? [];
    const value = index == null ? last(values) : (values[index] ?? last(values.slice(0, index)));
    figure.querySelector(`[data-key=${key}]`).textContent = write(value);
  });
}

export class LossCurve {
  constructor(figure) {
    this.figure = figure;
    this.keys = keysOf(figure);
    this.log = false;
    this.curve = new Curve(figure, {
      series: this.keys.map((key) =>
        key === "train" ? line("train", 1.5) : line(key, 2, { points: dotsWhileFew(key) }),
      ),
      scale: () => ({ distr: this.log ? 3 : 1, range: (_plot, min, max) => this.#range(min, max) }),
      values: (_plot, splits) => splits.map((split) => (split == null ? "" : short(split))),
      onCursor: (index) => this.#showCursor(index),
    });
    this.#offerLogScale();
  }

  show(metrics, epochs, batches, reach, over) {
    const train = [metrics.map((each) => each.step / (batches || 1)), metrics.map((each) => each.train_loss)];
    const measured = this.keys.slice(1).map((key) => epochs.map((epoch) => epoch[`${key}_loss`]));
    const test = [epochs.map((epoch) => epoch.epoch), ...measured];
    const empty = [[], ...this.keys.map(() => [])];
    const data = metrics.length || epochs.length ? uPlot.join([train, test]) : empty;
    this.curve.show(data, horizon(reach, epochsOf(this.figure), over), metrics.length);
    this.#showCursor(null);
  }

  #range(min, max) {
    if (min == null) return this.log ? [0.1, 10] : [0, 1];
    if (this.log) return [(min > 0 ? min : 1e-6) / 1.3, max * 1.3];
    return [0, max * 1.05 || 1];
  }

  #showCursor(index) {
    writeKeys(this.figure, this.keys, this.curve, index, number);
  }

  #offerLogScale() {
    const button = this.figure.querySelector(".log-scale");
    button.hidden = false;
    button.addEventListener("click", () => {
      this.log = !this.log;
      button.setAttribute("aria-pressed", this.log);
      this.curve.redraw();
    });
  }
}

const ACCURACIES = { validation: "validation_accuracy", accuracy: "test_accuracy" };

export class AccuracyCurve {
  constructor(figure) {
    this.figure = figure;
    this.keys = keysOf(figure);
    this.curve = new Curve(figure, {
      series: this.keys.map((key) => line(key, 2, { points: dotsWhileFew(key) })),
      scale: () => ({ range: (_plot, min, max) => this.#range(min, max) }),
      values: (_plot, splits) => splits.map(percentTick),
      onCursor: (index) => this.#showCursor(index),
    });
  }

  show(epochs, reach, over) {
    const measured = this.keys.map((key) => epochs.map((epoch) => epoch[ACCURACIES[key]]));
    const data = [epochs.map((epoch) => epoch.epoch), ...measured];
    this.curve.show(data, horizon(reach, epochsOf(this.figure), over), epochs.length);
    this.#showCursor(null);
  }

  // never beyond 100%, and never so close that noise looks like news
  #range(min, max) {
    if (min == null) return [0, 1];
    const room = Math.max((max - min) * 0.15, 0.005);
    return [Math.max(0, min - room), Math.min(1, max + room)];
  }

  #showCursor(index) {
    writeKeys(this.figure, this.keys, this.curve, index, percent);
  }
}

const epochsOf = (figure) => Number(figure.dataset.epochs);
