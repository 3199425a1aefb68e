// One chart of a run: lines over an axis that it shares with the others of its page.
//
// Each is drawn as a line through the last value of each bucket, in a band from the minimum to the
// maximum: what was measured is never hidden. A smoothed line is drawn over it, and then it is lighter.

import uPlot from "../../node_modules/uplot/dist/uPlot.esm.js";
import { resolved } from "../lib/colors.js";
import { percentTick, short, size, whole } from "../lib/format.js";
import { smoothed } from "./average.js";

const HEIGHT = 260;
const NARROW_HEIGHT = 220;
const BAND = 18; // percent of the line's own color
const EDGE = 45;
const LIGHTER = 40;
const COLUMNS = 4; // of a line: last, minimum, maximum, smoothed
const SYNC = "run";
const FEW_DOTS = 60;
export const ROW = 14; // of the names of marks, which are narrower than this:
const NAME_WIDTH = 90;

export const color = (name, strength = 100) =>
  resolved(`color-mix(in srgb, var(--${name}) ${strength}%, transparent)`);

const font = () => `12px ${getComputedStyle(document.body).fontFamily}`;

const TICKS = { number: short, short, percent: percentTick, whole, size };

const last = (values) => values.findLast((value) => value != null);

export class Chart {
  // `lines`: the key, the color and `isDotted` of each; `group`: what it shares with other charts.
  constructor(figure, { lines, write, writes, range, group }) {
    this.figure = figure;
    this.place = figure.querySelector(".plot");
    this.lines = lines;
    this.write = write;
    this.writes = TICKS[writes];
    this.range = range;
    this.group = group;
    this.isLog = false;
    this.data = [[], ...lines.flatMap(() => [[], [], [], []])];
    this.xMax = 1;
    this.#draw();
    new ResizeObserver(() => this.#resize()).observe(this.place);
    document.addEventListener("themechange", () => {
      requestAnimationFrame(() => this.plot.redraw(true, true));
    });
    group.add(this);
  }

  // `curves`: for each line its places on the axis, and the columns last, minimum and maximum.
  show(curves, xMax, count) {
    const weight = this.group.alpha;
    const columns = curves.map(({ at, columns: [values, ...rest] }, place) => {
      const average = this.#isSmoothed(this.lines[place]) ? smoothed(values, weight) : values.map(() => null);
      return [at, values, ...rest, average];
    });
    this.data = uPlot.join(columns);
    this.xMax = xMax;
    this.plot.setData(this.data, !this.group.zoom);
    if (this.group.zoom) this.plot.redraw();
    this.figure.dataset.samples = count;
    this.figure.dataset.buckets = this.data[0].length;
    this.showKeys(null);
  }

  redraw() {
    this.plot.destroy();
    this.#draw();
  }

  setLog(isLog) {
    this.isLog = isLog;
    this.redraw();
  }

  get inView() {
    return this.group.zoom ?? { min: 0, max: this.xMax };
  }

  // Shows what the group is zoomed to.
  follow() {
    const { min, max } = this.inView;
    this.plot.setScale("x", { min, max });
  }

  // Writes the values where the reader points, or the last ones.
  showKeys(index) {
    this.lines.forEach(({ key }, place) => {
      const values = this.data[COLUMNS * place + 1];
      const value = index == null ? last(values) : (values[index] ?? last(values.slice(0, index)));
      this.figure.querySelector(`[data-key=${key}]`).textContent = this.write(value);
    });
  }

  // The columns of a line, by its place.
  columnsOf(place) {
    const [values, min, max, average] = this.data.slice(COLUMNS * place + 1);
    return { values, min, max, average };
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
    const { group } = this;
    this.ticks = { x: [], y: [] };
    this.plot = new uPlot(
      {
        ...this.#size(),
        padding: [10, 20, 0, 0], // half of the last label lies beyond the axis
        legend: { show: false },
        cursor: {
          y: false,
          drag: { x: true, y: false },
          points: { size: 7 },
          bind: { dblclick: () => () => group.zoomTo(null) },
          sync: { key: SYNC, filters: { pub: (kind) => kind === "mousemove" || kind === "mouseleave" } },
        },
        scales: {
          x: { time: false, range: (_plot, min, max) => this.#rangeOfX(min, max) },
          y: { distr: this.isLog ? 3 : 1, range: (_plot, min, max) => this.range(min, max, this.isLog) },
        },
        axes: [
          this.#axis("x", group.axis.title, (plot, splits) => group.axis.ticks(splits, plot.scales.x.max), {
            size: 26,
            space: group.axis.by === "time" ? 80 : 50,
            splits: (_plot, _axis, min, max, step) => group.axis.splits(min, max, step, !group.zoom),
          }),
          this.#axis("y", this.figure.dataset.label, (_plot, splits) => splits.map((each) => (each == null ? "" : this.writes(each))), {
            size: 56,
            space: 36,
          }),
        ],
        series: [{}, ...this.lines.flatMap((line) => this.#series(line))],
        bands: this.lines.map(({ color: name }, place) => ({
          series: [COLUMNS * place + 3, COLUMNS * place + 2],
          fill: () => color(name, BAND),
        })),
        hooks: {
          setCursor: [(plot) => this.showKeys(plot.cursor.idx)],
          setScale: [(_plot, scale) => scale === "x" && this.#noteZoom()],
          draw: [(plot) => this.#drawMarks(plot)],
        },
      },
      this.data,
      this.place,
    );
    this.figure.plot = this.plot; // for whoever looks at a page from outside
  }

  // What stands beside the lines is kept: a picture of the chart has it too.
  #axis(scale, label, values, more) {
    return {
      label,
      labelSize: 20,
      labelGap: 0,
      labelFont: font(),
      stroke: () => color("muted"),
      grid: { stroke: () => color("line"), width: 1 },
      ticks: { show: false },
      font: font(),
      gap: 6,
      values: (plot, splits) => {
        const texts = values(plot, splits);
        this.ticks[scale] = splits.map((place, index) => [place, texts[index]]);
        return texts;
      },
      ...more,
    };
  }

  #isSmoothed(line) {
    return Boolean(this.group.alpha) && !line.isExact;
  }

  #series(line) {
    const { color: name, isDotted, width } = line;
    const strength = () => (this.#isSmoothed(line) ? LIGHTER : 100);
    const common = { spanGaps: true, points: { show: false } };
    const count = (plot, index) => plot.data[index].filter((value) => value != null).length;
    const edge = { ...common, stroke: () => color(name, EDGE), width: 1 };
    // with many epochs the dots would run into one another; a value that is alone is no line
    const dots = {
      show: (plot, index) => count(plot, index) <= (isDotted ? FEW_DOTS : 1),
      size: 6,
      stroke: () => color(name, strength()),
      fill: () => color(name, strength()),
    };
    return [
      { ...common, stroke: () => color(name, strength()), width: width ?? 2, points: dots },
      edge, // a spike is narrow, and must be seen
      edge,
      { ...common, stroke: () => color(name), width: 2 },
    ];
  }

  // Tells of a new zoom.
  #noteZoom() {
    if (!this.plot) return;
    const { min, max } = this.plot.scales.x;
    const isZoomed = min != null && (min > 0 || max < this.xMax);
    this.group.zoomTo(isZoomed ? { min, max } : null);
  }

  // all of it, unless a reader has dragged over a part
  #rangeOfX(min, max) {
    const all = this.data[0];
    // (around a single place it makes room by itself, which nobody has asked for)
    const isAsked = all.length > 1 && (min !== all[0] || max !== all.at(-1));
    const { zoom } = this.group;
    if (isAsked) return [min, max];
    return zoom ? [zoom.min, zoom.max] : [0, this.xMax];
  }

  #drawMarks(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.font = `${11 * devicePixelRatio}px ${getComputedStyle(document.body).fontFamily}`;
    ctx.lineWidth = devicePixelRatio;
    for (const { place, text, row } of this.marks()) {
      const x = Math.round(plot.valToPos(place, "x", true));
      ctx.strokeStyle = color("edge");
      ctx.fillStyle = color("muted");
      ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      const isRight = x > bbox.left + bbox.width / 2;
      ctx.textAlign = isRight ? "right" : "left";
      const down = (this.marksAtTop ? 11 + row * ROW : -6 - row * ROW) * devicePixelRatio;
      const y = (this.marksAtTop ? bbox.top : bbox.top + bbox.height) + down;
      ctx.fillText(text, x + (isRight ? -5 : 5) * devicePixelRatio, y);
    }
    ctx.restore();
  }

  get marksAtTop() {
    return this.figure.dataset.marked === "top";
  }

  // The marks of the group that are in view, each with the row of its name: neighbors have different ones.
  marks() {
    if (!("marked" in this.figure.dataset)) return [];
    const { min, max } = this.plot.scales.x;
    const seen = this.group.marks().filter(({ place }) => place >= min && place <= max);
    const at = seen.map(({ place }) => this.plot.valToPos(place, "x"));
    return seen.map((mark, index) => {
      const row = at.slice(0, index).filter((other) => Math.abs(other - at[index]) < NAME_WIDTH).length;
      return { ...mark, row };
    });
  }
}
