// What the charts of a run share: the axis, the zoom, how smooth lines are, and the epochs that are marked.

import { gettext } from "../lib/words.js";
import { Axis } from "./axis.js";

const KEPT = "trainyard-curves";
const STEP = 2; // of the buttons that zoom
const SAME = 1e-9;
const BY = ["epoch", "step", "time"];

// How a reader wants to see curves, of any run; a browser may keep nothing.
function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEPT)) ?? {};
  } catch {
    return {};
  }
}

function keep(preferences) {
  try {
    localStorage.setItem(KEPT, JSON.stringify(preferences));
  } catch {
    // then it is asked for again
  }
}

const isSame = (one, other) =>
  one === other ||
  (one && other && Math.abs(one.min - other.min) < SAME && Math.abs(one.max - other.max) < SAME);

export class ChartGroup {
  constructor() {
    this.preferences = kept();
    this.axis = new Axis(BY.includes(this.preferences.by) ? this.preferences.by : "epoch");
    this.alpha = Math.min(0.99, Math.max(0, Number(this.preferences.alpha) || 0));
    this.charts = [];
    this.zoom = null;
    this.epochs = {}; // best, published: their numbers
    this.zoomed = []; // whom to tell of a zoom
  }

  add(chart) {
    this.charts.push(chart);
    if (this.zoom) chart.follow();
  }

  prefer(preferences) {
    this.preferences = { ...this.preferences, ...preferences };
    keep(this.preferences);
  }

  setAxis(by) {
    this.axis.by = by;
    this.prefer({ by });
    this.zoom = null;
    for (const tell of this.zoomed) tell(null);
    for (const chart of this.charts) chart.redraw();
  }

  setAlpha(alpha) {
    this.alpha = alpha;
    this.prefer({ alpha });
  }

  // `zoom`: from where to where; null: all of it.
  zoomTo(zoom) {
    if (isSame(zoom, this.zoom)) return;
    this.zoom = zoom;
    for (const chart of this.charts) chart.follow();
    for (const tell of this.zoomed) tell(zoom && { ...zoom, pixels: this.#pixels() });
  }

  // Half of what is seen, or twice as much, around its middle.
  zoomIn() {
    this.#scale(1 / STEP);
  }

  zoomOut() {
    this.#scale(STEP);
  }

  #scale(factor) {
    const [chart] = this.charts;
    if (!chart) return;
    const { min, max } = chart.plot.scales.x;
    const half = ((max - min) / 2) * factor;
    const middle = (min + max) / 2;
    const [low, high] = [Math.max(0, middle - half), Math.min(chart.xMax, middle + half)];
    this.zoomTo(low <= 0 && high >= chart.xMax ? null : { min: low, max: high });
  }

  #pixels() {
    return Math.max(...this.charts.map(({ plot }) => plot.bbox.width / devicePixelRatio));
  }

  // The places of the best epoch and of the published one, with what is written there.
  marks() {
    const { best, published } = this.epochs;
    if (best && best === published) return [this.#mark(best, gettext("best and published"))];
    return [best && this.#mark(best, gettext("best")), published && this.#mark(published, gettext("published"))].filter(Boolean);
  }

  #mark(epoch, text) {
    return { epoch, place: this.axis.ofEpoch(epoch), text };
  }
}
