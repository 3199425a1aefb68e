// Pictures of a chart as it is seen: as SVG with its colors inside, and as PNG made from that.

import { ROW, color } from "./chart.js";

const HEAD = 44; // above the plot: the title and the keys
const MARGIN = 8;
const SCALE = 2; // of a PNG
const SIZE = 12;

const escaped = (text) =>
  text.replace(/[&<>"]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign]);

const at = (value) => Math.round(value * 10) / 10;

const text = (x, y, words, more = "") => `<text x="${at(x)}" y="${at(y)}" ${more}>${escaped(words)}</text>`;

// A line through points, with gaps left out, as the plot draws it.
function path(chart, xs, ys) {
  const { plot } = chart;
  const points = xs
    .map((x, index) => [x, ys[index]])
    .filter(([, y]) => y != null)
    .map(([x, y]) => `${at(plot.valToPos(x, "x"))},${at(plot.valToPos(y, "y"))}`);
  return points.join(" ");
}

function lines(chart) {
  const xs = chart.data[0];
  return chart.lines
    .map(({ color: name, width = 2 }, place) => {
      const { values, min, max, average } = chart.columnsOf(place);
      const isSmooth = average.some((each) => each != null);
      const above = path(chart, xs, max);
      const below = path(chart, [...xs].reverse(), [...min].reverse());
      const band = above && `<polygon points="${above} ${below}" fill="${color(name)}" fill-opacity="0.18"/>`;
      const stroke = `fill="none" stroke="${color(name)}"`;
      const raw = `<polyline points="${path(chart, xs, values)}" ${stroke} stroke-width="${width}" stroke-opacity="${isSmooth ? 0.4 : 1}"/>`;
      const smooth = isSmooth ? `<polyline points="${path(chart, xs, average)}" ${stroke} stroke-width="2"/>` : "";
      return band + raw + smooth;
    })
    .join("");
}

function axes(chart, box) {
  const { plot, ticks } = chart;
  const grid = `stroke="${color("line")}"`;
  const down = ticks.x
    .filter(([, words]) => words)
    .map(([place, words]) => {
      const x = plot.valToPos(place, "x");
      return `<line x1="${at(x)}" y1="0" x2="${at(x)}" y2="${box.height}" ${grid}/>${text(x, box.height + 16, words, 'text-anchor="middle"')}`;
    });
  const across = ticks.y
    .filter(([place]) => place != null)
    .map(([place, words]) => {
      const y = plot.valToPos(place, "y");
      return `<line x1="0" y1="${at(y)}" x2="${box.width}" y2="${at(y)}" ${grid}/>${text(-6, y + 4, words, 'text-anchor="end"')}`;
    });
  const title = text(box.width / 2, box.height + 36, chart.group.axis.title, 'text-anchor="middle"');
  const side = `<g transform="translate(${-box.left + SIZE + 2} ${box.height / 2}) rotate(-90)">${text(0, 0, chart.figure.dataset.label, 'text-anchor="middle"')}</g>`;
  return `<g fill="${color("muted")}">${[...down, ...across, title, side].join("")}</g>`;
}

function marks(chart, box) {
  return chart
    .marks()
    .map(({ place, text: words, row }) => {
      const x = chart.plot.valToPos(place, "x");
      const isRight = x > box.width / 2;
      const line = `<line x1="${at(x)}" y1="0" x2="${at(x)}" y2="${box.height}" stroke="${color("edge")}" stroke-dasharray="4 3"/>`;
      return line + text(x + (isRight ? -5 : 5), chart.marksAtTop ? 11 + row * ROW : box.height - 6 - row * ROW, words, `fill="${color("muted")}" text-anchor="${isRight ? "end" : "start"}"`);
    })
    .join("");
}

function keys(chart) {
  let x = 0;
  return chart.lines
    .map(({ key, color: name }) => {
      const words = chart.figure.querySelector(`.key:has([data-key=${key}]) .name`)?.textContent ?? "";
      const drawn = `<rect x="${x}" y="-4" width="14" height="3" fill="${color(name)}"/>${text(x + 20, 0, words, `fill="${color("muted")}"`)}`;
      x += 44 + words.length * 6.5;
      return drawn;
    })
    .join("");
}

// `title`: of the chart, with the run's name.
export function asSVG(chart, title) {
  const ratio = devicePixelRatio;
  const { plot } = chart;
  const box = {
    left: plot.bbox.left / ratio,
    top: plot.bbox.top / ratio,
    width: plot.bbox.width / ratio,
    height: plot.bbox.height / ratio,
  };
  const [width, height] = [plot.width + 2 * MARGIN, plot.height + HEAD + MARGIN];
  const family = getComputedStyle(document.body).fontFamily.replaceAll('"', "'");
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${family}" font-size="${SIZE}">`,
    `<rect width="${width}" height="${height}" fill="${color("surface")}"/>`,
    `<g transform="translate(${MARGIN + 4} 18)">${text(0, 0, title, `fill="${color("ink")}" font-weight="600" font-size="14"`)}<g transform="translate(0 20)">${keys(chart)}</g></g>`,
    `<clipPath id="inside"><rect width="${box.width}" height="${box.height}"/></clipPath>`,
    `<g transform="translate(${MARGIN + box.left} ${HEAD + box.top})">`,
    axes(chart, box),
    `<g clip-path="url(#inside)" stroke-linejoin="round">${lines(chart)}</g>`,
    marks(chart, box),
    "</g></svg>",
  ].join("");
}

export async function asPNG(svg) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = image.width * SCALE;
  canvas.height = image.height * SCALE;
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
