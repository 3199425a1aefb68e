// What is tried: a sketch made of strokes, or a photograph of handwriting.

import { luma, sides } from "./frame.js";

export class Sketch {
  hasPen = true;

  // `side`: of the pad that it is drawn on, in its own units.
  constructor(side) {
    this.side = side;
    this.strokes = [];
  }

  get isEmpty() {
    return this.strokes.length === 0;
  }

  bounds() {
    return this.isEmpty ? null : around(this.strokes.flat());
  }

  paint(context, pen) {
    context.strokeStyle = "white";
    context.lineWidth = pen;
    context.lineCap = context.lineJoin = "round";
    for (const points of this.strokes) {
      context.beginPath();
      context.moveTo(...points[0]);
      // through the middles between points: no corner where the pen was quick
      for (let n = 1; n < points.length; n += 1) {
        const [[x, y], [nextX, nextY]] = [points[n - 1], points[n]];
        context.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
      }
      context.lineTo(...points.at(-1));
      context.stroke();
    }
  }
}

const MOST_PIXELS = 320; // as fine as a stroke needs
const EDGE = 0.08; // of the picture: there is paper, as a rule
const FAINTEST = 0.06; // of white: what differs less from the paper is noise
const PAPER = 0.25; // of the darkest ink: as much is shade still
const FULL = 0.75;

export class Photograph {
  hasPen = false;

  // Ink is what differs from the paper: darker where most of it is, or lighter, unless
  // `isInverted` says that it is the other way round.
  constructor(picture, isInverted) {
    const [width, height] = sides(picture);
    const scale = Math.min(1, MOST_PIXELS / Math.max(width, height));
    this.width = Math.max(1, Math.round(width * scale));
    this.height = Math.max(1, Math.round(height * scale));
    this.side = Math.max(this.width, this.height);
    this.canvas = Object.assign(document.createElement("canvas"), { width: this.width, height: this.height });
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "white";
    context.fillRect(0, 0, this.width, this.height);
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, 0, 0, this.width, this.height);
    const pixels = context.getImageData(0, 0, this.width, this.height);
    const light = lightOf(pixels.data);
    this.paper = quantile(edgeOf(light, this.width, this.height), 0.5); // how light: 0 to 1
    this.ink = inkOf(light, this.paper, isInverted);
    this.ink.forEach((value, at) => pixels.data.set([255, 255, 255, Math.round(255 * value)], 4 * at));
    context.putImageData(pixels, 0, 0);
  }

  bounds() {
    const points = [];
    this.ink.forEach((value, at) => {
      if (value > 0.5) points.push([at % this.width, Math.floor(at / this.width)]);
    });
    if (!points.length) return null;
    const { left, top, width, height } = around(points);
    return { left, top, width: width + 1, height: height + 1 };
  }

  paint(context) {
    context.drawImage(this.canvas, 0, 0);
  }
}

const lightOf = (data) => Float32Array.from({ length: data.length / 4 }, (_, n) => luma(data, 4 * n) / 255);

function inkOf(light, paper, isInverted) {
  const darker = light.map((value) => Math.max(0, paper - value));
  const lighter = light.map((value) => Math.max(0, value - paper));
  const isDark = sum(darker) >= sum(lighter);
  const difference = isDark === isInverted ? lighter : darker;
  const strongest = quantile(difference, 0.995);
  if (strongest < FAINTEST) return difference.fill(0);
  return difference.map((value) => Math.min(1, Math.max(0, (value / strongest - PAPER) / (FULL - PAPER))));
}

function edgeOf(light, width, height) {
  const [x, y] = [Math.ceil(width * EDGE), Math.ceil(height * EDGE)];
  return light.filter((_, at) => {
    const [column, row] = [at % width, Math.floor(at / width)];
    return column < x || column >= width - x || row < y || row >= height - y;
  });
}

const quantile = (numbers, share) => numbers.toSorted()[Math.floor(share * (numbers.length - 1))];
const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);

function around(points) {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of points) {
    [left, right] = [Math.min(left, x), Math.max(right, x)];
    [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
  }
  return { left, top, width: right - left, height: bottom - top };
}
