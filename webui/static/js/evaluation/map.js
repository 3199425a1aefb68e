// The map of test images: a point an image, in the color of its class; the image that is pointed at is shown.

import { resolved } from "../lib/colors.js";
import { visible } from "../lib/format.js";
import { gettext } from "../lib/words.js";
import { COLORS, color, mark } from "./marks.js";

const WRONG = "wrong"; // beside the labels, what may be highlighted
const EDGE = 12; // pixels around all points
const REACH = 24; // pixels from which a point is taken
const POINT = 2.6; // pixels, half of its width; of few points more
const FEW = 1000;
const FAINT = 0.12;
const MOST_RINGS = 0.1; // of all images

export function showMap(place, data) {
  return new ImageMap(place, data);
}

class ImageMap {
  constructor(place, data) {
    this.place = place;
    this.data = data;
    this.size = data.x.length > FEW ? POINT : 1.6 * POINT;
    this.canvas = place.querySelector(".map-plot > canvas");
    this.shown = place.querySelector(".map-image");
    this.picture = this.shown.querySelector("img");
    this.words = this.shown.querySelector("[role=status]");
    this.keys = [...place.querySelectorAll(".class-key")];
    this.highlighted = null;
    this.current = null;
    for (const key of this.keys) key.addEventListener("click", () => this.#highlight(key.dataset.label));
    this.canvas.addEventListener("pointermove", (event) => this.#point(event));
    this.canvas.addEventListener("pointerleave", () => this.#show(null));
    this.canvas.addEventListener("pointerdown", (event) => this.#point(event));
    this.canvas.addEventListener("keydown", (event) => this.#walk(event));
    this.canvas.addEventListener("blur", () => this.#show(null));
    this.picture.addEventListener("load", () => (this.picture.hidden = false));
    this.picture.addEventListener("error", () => (this.picture.hidden = true)); // the words stay
    new ResizeObserver(() => this.#draw()).observe(this.canvas);
    document.addEventListener("themechange", () => this.#draw());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  #color(label) {
    const css = getComputedStyle(this.place).getPropertyValue(`--class-${label % COLORS}`).trim();
    return label === WRONG ? resolved("var(--bad)") : resolved(css || color(label));
  }

  #isShown(n) {
    const { labels, predictions } = this.data;
    if (this.highlighted === null) return true;
    return this.highlighted === WRONG ? labels[n] !== predictions[n] : labels[n] === Number(this.highlighted);
  }

  #highlight(label) {
    this.highlighted = this.highlighted === label ? null : label;
    for (const key of this.keys) key.setAttribute("aria-pressed", String(key.dataset.label === this.highlighted));
    this.#show(null);
    this.#draw();
  }

  // Where a point lies on the canvas, in CSS pixels. Both axes have one scale.
  #at(n) {
    const { x, y, finest } = this.data;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    const [right, top] = this.extent ?? (this.extent = [Math.max(...x), Math.max(...y)]);
    const scale = Math.min((width - 2 * EDGE) / (right || finest), (height - 2 * EDGE) / (top || finest));
    return [(width - right * scale) / 2 + x[n] * scale, (height + top * scale) / 2 - y[n] * scale];
  }

  #draw() {
    const { canvas, data } = this;
    const ratio = devicePixelRatio;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((side) => Math.round(side * ratio));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    const chosen = data.x.map((_, n) => this.#isShown(n));
    context.globalAlpha = FAINT;
    if (this.highlighted !== null) this.#points(context, (n) => !chosen[n]);
    context.globalAlpha = this.highlighted === null ? 0.75 : 1;
    this.#points(context, (n) => chosen[n]);
    context.globalAlpha = 1;
    if (this.highlighted === null || this.highlighted === WRONG) this.#ringErrors(context);
    if (this.current !== null) this.#ring(context);
    this.#drawKeys();
  }

  // One path a class: thousands of points are drawn in a few milliseconds.
  #points(context, isWanted) {
    this.data.classes.forEach((_name, label) => {
      context.fillStyle = this.#color(label);
      context.beginPath();
      this.data.labels.forEach((of, n) => {
        if (of === label && isWanted(n)) mark(context, label, ...this.#at(n), this.size);
      });
      context.fill();
    });
  }

  // Each error in a ring, as the legend has it; of a network that is mostly wrong that would be a carpet.
  #ringErrors(context) {
    const { labels, predictions } = this.data;
    const errors = labels.flatMap((label, n) => (label === predictions[n] ? [] : [n]));
    if (errors.length > MOST_RINGS * labels.length) return;
    context.strokeStyle = this.#color(WRONG);
    context.lineWidth = 1.5;
    for (const n of errors) {
      context.beginPath();
      context.arc(...this.#at(n), this.size + 3, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  #ring(context) {
    context.strokeStyle = resolved("var(--ink)");
    context.lineWidth = 2;
    context.beginPath();
    context.arc(...this.#at(this.current), this.size + 5, 0, 2 * Math.PI);
    context.stroke();
  }

  #drawKeys() {
    for (const key of this.keys) {
      const label = key.dataset.label === WRONG ? WRONG : Number(key.dataset.label);
      const context = key.querySelector("canvas").getContext("2d");
      context.clearRect(0, 0, 28, 28);
      context.fillStyle = context.strokeStyle = this.#color(label);
      context.beginPath();
      if (label === WRONG) {
        context.lineWidth = 3;
        context.arc(14, 14, 9, 0, 2 * Math.PI);
        context.stroke();
      } else {
        mark(context, label, 14, 14, 9);
        context.fill();
      }
    }
  }

  #point(event) {
    const { left, top } = this.canvas.getBoundingClientRect();
    this.#show(this.#nearest(event.clientX - left, event.clientY - top));
  }

  #nearest(across, down) {
    let [best, least] = [null, REACH ** 2];
    this.data.x.forEach((_, n) => {
      if (!this.#isShown(n)) return;
      const [x, y] = this.#at(n);
      const distance = (x - across) ** 2 + (y - down) ** 2;
      if (distance < least) [best, least] = [n, distance];
    });
    return best;
  }

  // Arrow keys go to the nearest image on that side.
  #walk(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === "Escape") return this.#show(null);
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const from = this.current ?? this.data.x.findIndex((_, n) => this.#isShown(n));
    if (this.current === null || from < 0) return this.#show(from < 0 ? null : from);
    const [x, y] = this.#at(from);
    let [best, least] = [from, Infinity];
    this.data.x.forEach((_, n) => {
      if (n === from || !this.#isShown(n)) return;
      const [otherX, otherY] = this.#at(n);
      const along = (otherX - x) * step[0] + (otherY - y) * step[1];
      const aside = Math.abs((otherX - x) * step[1]) + Math.abs((otherY - y) * step[0]);
      if (along > 0 && aside <= along && along + 2 * aside < least) [best, least] = [n, along + 2 * aside];
    });
    this.#show(best);
  }

  #show(n) {
    if (n === this.current) return;
    this.current = n;
    this.shown.hidden = n === null;
    this.#draw();
    if (n === null) return;
    const { classes, dataset, labels, predictions, total, x } = this.data;
    const index = Math.floor((n * total) / x.length);
    const [x0] = this.#at(n);
    this.shown.dataset.side = x0 < this.canvas.clientWidth / 2 ? "right" : "left";
    this.picture.hidden = true;
    this.picture.src = `/test-images/${dataset}/${index}.png`;
    const facts = { index, true: visible(classes[labels[n]]), predicted: visible(classes[predictions[n]]) };
    this.words.textContent =
      labels[n] === predictions[n]
        ? gettext("Test image %(index)s: %(true)s, predicted correctly", facts)
        : gettext("Test image %(index)s: %(true)s, predicted as %(predicted)s", facts);
  }
}
