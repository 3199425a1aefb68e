// The curves of a run: which charts there are, and what is drawn in each.
//
// Loss and accuracy are there at once. The others are folded away and are asked for when they are opened.

import * as format from "../lib/format.js";
import { Chart } from "./chart.js";
import { ChartGroup } from "./chart_group.js";
import { offerMenu } from "./chart_menu.js";
import { Source } from "./sources.js";

const FEW_EPOCHS = 20;
const EVERY_MS = 5000; // of what no stream brings

const fromZero = (min, max) => (min == null ? [0, 1] : [Math.min(0, min), max * 1.08 || 1]);

function ofLosses(min, max, isLog) {
  if (min == null) return isLog ? [0.1, 10] : [0, 1];
  if (isLog) return [(min > 0 ? min : 1e-6) / 1.3, max * 1.3];
  return [0, max * 1.05 || 1];
}

// never beyond 100%, and never so close that noise looks like news
function ofAccuracies(min, max) {
  if (min == null) return [0, 1];
  const room = Math.max((max - min) * 0.15, 0.005);
  return [Math.max(0, min - room), Math.min(1, max + room)];
}

const whole = () => [0, 1];

const epochs = (key, color, value) => ({ key, color, value, source: "epochs", isDotted: true });
const one = (source, value, writes, range = fromZero, more = {}) => ({
  writes,
  range,
  lines: [{ key: "value", color: "busy", value, source, isDotted: source === "ends", width: 1.75, ...more }],
});
const known = { isExact: true }; // there is no noise to smooth

const CHARTS = {
  "loss-curve": {
    writes: "number",
    range: ofLosses,
    lines: [
      { key: "train", color: "train", value: "train_loss", source: "losses", width: 1.5 },
      epochs("validation", "validation", "validation_loss"),
      epochs("test", "test", "test_loss"),
    ],
  },
  "accuracy-curve": {
    writes: "percent",
    range: ofAccuracies,
    lines: [epochs("validation", "validation", "validation_accuracy"), epochs("accuracy", "test", "test_accuracy")],
  },
  "learning-rate-curve": one("samples", "learning_rate", "short", fromZero, known),
  "speed-curve": one("samples", "images_per_s", "whole"),
  "norm-curve": {
    writes: "short",
    range: fromZero,
    lines: [
      { key: "batches", color: "train", value: "gradient_norm", source: "resources", width: 1.5 },
      { key: "ends", color: "busy", value: "gradient_norm", source: "ends", isDotted: true },
    ],
  },
  "memory-curve": one("ends", "memory_bytes", "size", fromZero, known),
  "utilization-curve": one("resources", "gpu_utilization", "percent", whole),
  "gpu-memory-curve": one("resources", "gpu_memory_bytes", "size"),
  "power-curve": one("resources", "gpu_power_w", "whole"),
  "temperature-curve": one("resources", "gpu_temperature_c", "whole"),
  "cores-curve": one("resources", "cpu_cores", "short"),
  "resident-curve": one("resources", "memory_bytes", "size"),
};

// The right end of the axis, in epochs. Of a short run all of it is shown from the start; that of a
// long one grows by doubling, so that the curve does not squeeze together with every point, and is
// the run's own end as soon as that is not far.
function horizon(reached, all, over) {
  if (over) return reached || 1;
  const grown = Math.max(FEW_EPOCHS, 2 ** Math.ceil(Math.log2(reached + 1)));
  return all <= 2 * grown ? all : grown;
}

export class Curves {
  // `measured`: what of an epoch is drawn at once; `api`: the address of something of the run; `title`: of pictures.
  constructor(measured, api, title) {
    this.group = new ChartGroup();
    this.title = title;
    this.charts = new Map();
    const changed = () => this.draw();
    const made = (name, values) => new Source(name, values, { api, axis: this.group.axis, changed });
    this.sources = {
      losses: made("metrics", ["train_loss"]),
      epochs: made("epochs", measured),
      samples: made("metrics", ["learning_rate", "images_per_s"]),
      ends: made("epochs", ["gradient_norm", "memory_bytes"]),
      resources: made("resources", [
        ...["gpu_utilization", "gpu_memory_bytes", "gpu_power_w", "gpu_temperature_c"],
        ...["cpu_cores", "memory_bytes", "gradient_norm"],
      ]),
    };
    this.reached = { epochs: 1, over: false };
    this.asked = 0;
    this.drawing = null;
    this.group.zoomed.push((zoom) => {
      for (const source of Object.values(this.sources)) source.zoomTo(zoom);
      changed(); // tables show what is in view
    });
    for (const figure of document.querySelectorAll(".curves-section > .curves figure")) this.#make(figure);
    this.opened = new Set(); // folded parts whose curves have been asked for
    for (const folded of document.querySelectorAll(".more-curves")) this.#openLater(folded);
  }

  // What the page holds.
  load({ metrics, epochs: measured }) {
    this.group.axis.load(measured);
    this.sources.losses.load(metrics);
    this.sources.epochs.load(measured);
  }

  addEpochs(rows) {
    for (const row of rows) this.group.axis.add(row.epoch, row.seconds);
    for (const source of [this.sources.epochs, this.sources.ends]) source.add(rows);
  }

  addSamples(rows) {
    for (const source of [this.sources.losses, this.sources.samples]) source.add(rows);
    if (Date.now() - this.asked < EVERY_MS) return;
    this.asked = Date.now();
    this.sources.resources.wantNewer();
  }

  // What was measured is taken back: the run starts again before it.
  clear() {
    this.group.axis.clear();
    for (const source of Object.values(this.sources)) source.clear();
  }

  // Those that were opened ask again for what the page does not hold.
  reload() {
    for (const source of Object.values(this.sources)) if (source.isWanted) source.reload();
  }

  get samples() {
    return this.sources.losses.folded.samples;
  }

  // `job`: how far the run is; many changes in one frame make one drawing.
  follow(job, over) {
    const { batches, epochs: all, images_per_s: rate } = job.progress;
    const { axis } = this.group;
    axis.batches = batches || 1;
    axis.rate = rate ? (axis.batches * job.spec.batch_size) / rate : 0;
    this.reached = { epochs: all, over };
    this.draw();
  }

  mark(marked) {
    this.group.epochs = marked;
  }

  draw() {
    this.drawing ??= requestAnimationFrame(() => {
      this.drawing = null;
      for (const folded of this.opened) this.#showRead(folded);
      for (const chart of this.charts.keys()) this.#show(chart);
    });
  }

  get isLog() {
    return Boolean(this.group.preferences.isLog);
  }

  #show(chart) {
    const { lines, tell } = this.charts.get(chart);
    const curves = lines.map(({ source, value }) => this.sources[source].line(value));
    chart.show(curves, this.#end(), this.sources[lines[0].source].folded.samples);
    tell();
  }

  #end() {
    const { axis } = this.group;
    const { losses, epochs: measured } = this.sources;
    const reached = Math.max(measured.folded.last, losses.folded.last / axis.batches);
    return axis.ofEpoch(horizon(reached, this.reached.epochs, this.reached.over)) || 1;
  }

  #make(figure) {
    const { writes, range, lines } = CHARTS[figure.id];
    const shown = lines.filter(({ key }) => figure.querySelector(`[data-key=${key}]`));
    const chart = new Chart(figure, { lines: shown, write: format[writes], writes, range, group: this.group });
    const name = figure.querySelector("h3, h2").textContent;
    const tell = offerMenu(chart, () => `${name} · ${this.title}`);
    this.charts.set(chart, { lines: shown, tell });
    if (figure.querySelector(".log-scale")) this.#offerLogScale(chart);
  }

  #offerLogScale(chart) {
    const button = chart.figure.querySelector(".log-scale");
    const show = () => button.setAttribute("aria-pressed", this.isLog);
    button.hidden = false;
    button.addEventListener("click", () => {
      this.group.prefer({ isLog: !this.isLog });
      chart.setLog(this.isLog);
      show();
    });
    show();
    if (this.isLog) chart.setLog(true);
  }

  // A folded section is asked for and drawn when it is opened, and stays open for whoever wants it so.
  #openLater(folded) {
    const open = this.group.preferences.open ?? [];
    const begin = async () => {
      const figures = [...folded.querySelectorAll("figure")];
      const names = new Set(figures.flatMap(({ id }) => CHARTS[id].lines.map(({ source }) => source)));
      await Promise.all([...names].map((name) => this.sources[name].want()));
      this.opened.add(folded);
      this.draw();
    };
    folded.addEventListener("toggle", () => {
      const others = (this.group.preferences.open ?? []).filter((id) => id !== folded.id);
      this.group.prefer({ open: folded.open ? [...others, folded.id] : others });
      if (folded.open) begin();
    });
    if (open.includes(folded.id)) folded.open = true;
  }

  // The charts of an open part that have something to draw: more of them may have, with what comes.
  #showRead(folded) {
    const figures = [...folded.querySelectorAll("figure")];
    const read = figures.filter((figure) => this.#isRead(figure));
    for (const figure of figures) figure.hidden = !read.includes(figure);
    folded.querySelector(".none").hidden = read.length > 0;
    for (const figure of read) if (!figure.plot) this.#make(figure);
  }

  #isRead({ id }) {
    return CHARTS[id].lines.some(({ source, value }) => this.sources[source].has(value));
  }
}
