// Curves of several runs in one picture, by epoch, step, time or images seen.

import uPlot from "../../node_modules/uplot/dist/uPlot.esm.js";
import { duration, number, percent, percentTick, rough, short, tick, visible } from "../lib/format.js";
import { resolved } from "../lib/colors.js";
import { gettext } from "../lib/words.js";
import { along } from "./along.js";

const FAINT = 0.15; // of what is not pointed at
const FEW_DOTS = 30; // of a line: with more they would run into one another

const { runs } = JSON.parse(document.getElementById("compare-data").textContent);
const AXES = {
  epoch: { write: tick, title: () => gettext("Epoch") },
  step: { write: rough, title: () => gettext("Step") },
  time: { write: duration, title: () => gettext("Training time") },
  images: { write: rough, title: () => gettext("Images seen") },
};
const figures = [];

const colorOf = (hue) => resolved("var(--run)", { className: "run-of", custom: `--hue: ${hue}` });
const font = () => `12px ${getComputedStyle(document.body).fontFamily}`;

class Figure {
  constructor(element) {
    this.element = element;
    this.value = element.dataset.curve;
    this.place = element.querySelector(".plot");
    this.pointed = element.querySelector('[data-of="pointed"]');
    this.isShare = this.value.endsWith("accuracy");
    new ResizeObserver(() => this.#resize()).observe(this.place);
  }

  draw(axis) {
    this.axis = axis;
    this.plot?.destroy();
    const tables = runs.map((run) => along(run, this.value, axis)).map(({ x, y }) => [x, y]);
    const write = this.isShare ? percentTick : short;
    const { write: writePlace, title } = AXES[axis];
    // parts of an epoch are named only where there is nothing else to name
    const isNamed = (plot, place) => axis !== "epoch" || Number.isInteger(place) || plot.scales.x.max - plot.scales.x.min < 1;
    const look = {
      stroke: resolved("var(--muted)"),
      grid: { stroke: resolved("var(--line)"), width: 1 },
      ticks: { show: false },
      font: font(),
      labelFont: font(),
      labelSize: 20,
      labelGap: 0,
    };
    this.plot = new uPlot(
      {
        ...this.#size(),
        padding: [8, 12, 0, 0],
        legend: { show: false },
        focus: { alpha: FAINT },
        cursor: { y: false, drag: { x: true, y: false }, focus: { prox: 16 }, points: { size: 6 } },
        scales: { x: { time: false } },
        axes: [
          { ...look, label: title(), size: 28, values: (plot, splits) => splits.map((split) => (isNamed(plot, split) ? writePlace(split) : "")) },
          { ...look, label: this.element.dataset.label, size: 56, values: (_, splits) => splits.map((split) => write(split)) },
        ],
        series: [{}, ...runs.map((run, place) => this.#series(run, tables[place][0].length))],
        hooks: { setSeries: [(_plot, index) => this.#point(index)], setCursor: [() => this.#write()] },
      },
      uPlot.join(tables),
      this.place,
    );
    this.element.plot = this.plot; // for whoever looks at a page from outside
    this.element.dataset.axis = axis;
    this.element.dataset.lines = tables.filter(([x]) => x.length).length;
  }

  // Of one epoch there is no line, only its dot: without it the run would be missing.
  #series({ name, hue }, count) {
    const stroke = colorOf(hue);
    return { label: name, stroke, width: 1.5, spanGaps: true, points: { show: count <= FEW_DOTS, size: 6, fill: stroke } };
  }

  // Makes one run stand out; null: none.
  focus(index) {
    this.plot.setSeries(index, { focus: index !== null });
  }

  #point(index) {
    this.run = index ? runs[index - 1] : null;
    this.index = index;
    this.#write();
  }

  #write() {
    this.pointed.replaceChildren();
    if (!this.run || this.plot.cursor.idx == null) return;
    const values = this.plot.data[this.index];
    const value = values[this.plot.cursor.idx] ?? values.slice(0, this.plot.cursor.idx).findLast((each) => each != null);
    const shown = document.createElement("b");
    shown.textContent = this.isShare ? percent(value) : number(value);
    this.pointed.append(`${visible(this.run.name)} #${this.run.id} `, shown);
  }

  #size() {
    return { width: Math.max(200, Math.floor(this.place.clientWidth)), height: this.place.clientHeight };
  }

  #resize() {
    const size = this.#size();
    if (this.plot && (size.width !== this.plot.width || size.height !== this.plot.height)) this.plot.setSize(size);
  }
}

const buttons = [...document.querySelectorAll("[data-axis].button")];
let chosen = "epoch";

function draw(axis = chosen) {
  chosen = axis;
  for (const button of buttons) button.setAttribute("aria-pressed", button.dataset.axis === axis);
  for (const figure of figures) figure.draw(axis);
}

for (const element of document.querySelectorAll("[data-curve]")) figures.push(new Figure(element));
for (const button of buttons) button.addEventListener("click", () => draw(button.dataset.axis));
document.addEventListener("themechange", () => requestAnimationFrame(() => draw()));
for (const row of document.querySelectorAll("#runs [data-run]")) {
  const index = 1 + runs.findIndex(({ id }) => id === Number(row.dataset.run));
  row.addEventListener("pointerenter", () => figures.forEach((figure) => figure.focus(index)));
  row.addEventListener("pointerleave", () => figures.forEach((figure) => figure.focus(null)));
}
draw();
