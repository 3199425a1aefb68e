// The curves of a run: the losses by epoch, and the accuracies by epoch.
//
// Each is drawn as a line through the last value of each bucket, in a band from the minimum to the
// maximum: what was measured is never hidden. Zooming asks the server for finer buckets.

import uPlot from "../../node_modules/uplot/dist/uPlot.esm.js";
import { resolved } from "../lib/colors.js";
import { number, percent, percentTick, short, tick } from "../lib/format.js";
import { Finer } from "./finer.js";

const HEIGHT = 240;
const NARROW_HEIGHT = 200;
const FEW_EPOCHS = 20;
const BAND = 18; // percent of the line's own color
const EDGE = 45;

const color = (name, strength = 100) => resolved(`color-mix(in srgb, var(--${name}) ${strength}%, transparent)`);

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
    this.series = options.keys.flatMap((key) => [options.line(key), edge(key), edge(key)]);
    this.bands = options.keys.map((key, index) => ({
      series: [3 * index + 3, 3 * index + 2],
      fill: () => color(key, BAND),
    }));
    this.data = [[], ...this.series.map(() => [])];
    this.xMax = 1;
    this.zoom = "";
    this.#draw();
    new ResizeObserver(() => this.#resize()).observe(this.place);
    document.addEventListener("themechange", () => {
      requestAnimationFrame(() => this.plot.redraw(true, true));
    });
  }

  // `curves`: for each key its places on the axis, and the columns last, minimum and maximum.
  show(curves, xMax, count) {
    const zoomed = this.#isZoomed();
    const data = uPlot.join(curves.map(({ at, columns }) => [at, ...columns]));
    this.data = data;
    this.xMax = xMax;
    this.plot.setData(data, !zoomed);
    if (zoomed) this.plot.redraw();
    this.figure.dataset.samples = count;
    this.figure.dataset.buckets = data[0].length;
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
        series: [{}, ...this.series],
        bands: this.bands,
        hooks: {
          setCursor: [(plot) => this.options.onCursor(plot.cursor.idx)],
          setScale: [(_plot, scale) => scale === "x" && this.#noteZoom()],
        },
      },
      this.data,
      this.place,
    );
    this.figure.plot = this.plot; // for whoever looks at a page from outside
  }

  // Tells of a new zoom, once.
  #noteZoom() {
    if (!this.plot) return;
    const { min, max } = this.plot.scales.x;
    const zoom = this.#isZoomed() ? `${min} ${max}` : "";
    if (zoom === this.zoom) return;
    this.zoom = zoom;
    this.options.onZoom(zoom ? { min, max, pixels: this.plot.bbox.width / devicePixelRatio } : null);
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

// The lines around a band: a spike is narrow, and must be seen.
const edge = (key) => ({
  stroke: () => color(key, EDGE),
  width: 1,
  spanGaps: true,
  points: { show: false },
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
    const values = curve?.data[3 * place + 1] ?? [];
    const value = index == null ? last(values) : (values[index] ?? last(values.slice(0, index)));
    figure.querySelector(`[data-key=${key}]`).textContent = write(value);
  });
}

// What of a zoom is asked for: whole steps or epochs, with a neighbor at each end.
function zoomTo(finer, folded, zoom, scale = 1) {
  if (!zoom) {
    if (finer.part) requestAnimationFrame(finer.show); // not while the plot is drawing
    finer.clear();
  }
  if (!zoom || folded.isExact) return;
  finer.ask(
    Math.max(0, Math.floor(zoom.min * scale) - 1),
    Math.max(0, Math.ceil(zoom.max * scale) + 1),
    zoom.pixels,
  );
}

// Where a bucket has but one sample its band would be the line again.
function drawn(folded, key, finer, scale = 1) {
  const { at, columns } = folded.columns(key, finer.part);
  const [last, min, max] = columns;
  const hasBand = min.map((low, index) => low !== max[index]);
  const edges = hasBand.some(Boolean) ? [min, max] : [min.map(() => null), min.map(() => null)];
  // a copy: what is folded grows while the plot shows what it was given
  return { at: at.map((each) => each / scale), columns: [[...last], ...edges.map((each) => [...each])] };
}

const LOSSES = { train: "train_loss", validation: "validation_loss", test: "test_loss" };
const ACCURACIES = { validation: "validation_accuracy", accuracy: "test_accuracy" };

export class LossCurve {
  // `metrics`, `epochs`: what is folded; `api`: the address of something of the run.
  constructor(figure, metrics, epochs, api) {
    this.figure = figure;
    this.metrics = metrics;
    this.epochs = epochs;
    this.keys = keysOf(figure);
    this.log = false;
    this.batches = 1;
    const show = () => this.#show();
    const measured = this.keys.slice(1).map((key) => LOSSES[key]);
    this.finerMetrics = new Finer((query) => api("metrics", query), ["train_loss"], show);
    this.finerEpochs = new Finer((query) => api("epochs", query), measured, show);
    this.curve = new Curve(figure, {
      keys: this.keys,
      line: (key) =>
        key === "train" ? line("train", 1.5) : line(key, 2, { points: dotsWhileFew(key) }),
      scale: () => ({ distr: this.log ? 3 : 1, range: (_plot, min, max) => this.#range(min, max) }),
      values: (_plot, splits) => splits.map((split) => (split == null ? "" : short(split))),
      onCursor: (index) => this.#showCursor(index),
      onZoom: (zoom) => {
        zoomTo(this.finerMetrics, this.metrics, zoom, this.batches);
        zoomTo(this.finerEpochs, this.epochs, zoom);
      },
    });
    this.#offerLogScale();
  }

  show(batches, reach, over) {
    this.batches = batches || 1;
    this.xMax = horizon(reach, epochsOf(this.figure), over);
    this.#show();
  }

  // What was zoomed to is there no more.
  clear() {
    this.finerMetrics.clear();
    this.finerEpochs.clear();
  }

  #show() {
    const [, ...measured] = this.keys;
    const curves = [
      drawn(this.metrics, "train_loss", this.finerMetrics, this.batches),
      ...measured.map((key) => drawn(this.epochs, LOSSES[key], this.finerEpochs)),
    ];
    this.curve.show(curves, this.xMax, this.metrics.samples);
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

export class AccuracyCurve {
  constructor(figure, epochs, api) {
    this.figure = figure;
    this.epochs = epochs;
    this.keys = keysOf(figure);
    const measured = this.keys.map((key) => ACCURACIES[key]);
    this.finer = new Finer((query) => api("epochs", query), measured, () => this.#show());
    this.curve = new Curve(figure, {
      keys: this.keys,
      line: (key) => line(key, 2, { points: dotsWhileFew(key) }),
      scale: () => ({ range: (_plot, min, max) => this.#range(min, max) }),
      values: (_plot, splits) => splits.map(percentTick),
      onCursor: (index) => this.#showCursor(index),
      onZoom: (zoom) => zoomTo(this.finer, this.epochs, zoom),
    });
  }

  show(reach, over) {
    this.xMax = horizon(reach, epochsOf(this.figure), over);
    this.#show();
  }

  clear() {
    this.finer.clear();
  }

  #show() {
    const curves = this.keys.map((key) => drawn(this.epochs, ACCURACIES[key], this.finer));
    this.curve.show(curves, this.xMax, this.epochs.samples);
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
