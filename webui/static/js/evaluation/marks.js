// The marks of classes: ten colors, so that ten classes have one each. Six of them color-blind people tell apart;
// the other four come with another shape, and so does each further ten classes.

export const COLORS = 10;
const TOLD_APART = 6;
const SHAPES = [circle, square, triangle, cross, diamond, bar, down, plus];

export const color = (label) => `var(--class-${label % COLORS})`;

// Adds the mark of a class to a path, around a place.
export function mark(context, label, x, y, radius) {
  SHAPES[shapeOf(label)](context, x, y, radius);
}

// Two shapes each ten classes; when all are used, those of the two kinds of colors change places.
export function shapeOf(label) {
  const tens = Math.floor(label / COLORS);
  const other = label % COLORS >= TOLD_APART ? 1 : 0;
  return (2 * tens + other + Math.floor((2 * tens) / SHAPES.length)) % SHAPES.length;
}

function circle(context, x, y, r) {
  context.moveTo(x + r, y);
  context.arc(x, y, r, 0, 2 * Math.PI);
}

function square(context, x, y, r) {
  context.rect(x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r);
}

function shape(context, x, y, r, corners) {
  corners.forEach(([right, down_], n) => context[n ? "lineTo" : "moveTo"](x + right * r, y + down_ * r));
  context.closePath();
}

function triangle(context, x, y, r) {
  shape(context, x, y, r, [[0, -1.2], [1.1, 0.8], [-1.1, 0.8]]);
}

function down(context, x, y, r) {
  shape(context, x, y, r, [[0, 1.2], [1.1, -0.8], [-1.1, -0.8]]);
}

function diamond(context, x, y, r) {
  shape(context, x, y, r, [[0, -1.3], [1, 0], [0, 1.3], [-1, 0]]);
}

function bar(context, x, y, r) {
  context.rect(x - 1.2 * r, y - 0.45 * r, 2.4 * r, 0.9 * r);
}

function plus(context, x, y, r) {
  context.rect(x - 1.2 * r, y - 0.4 * r, 2.4 * r, 0.8 * r);
  context.rect(x - 0.4 * r, y - 1.2 * r, 0.8 * r, 2.4 * r);
}

function cross(context, x, y, r) {
  shape(context, x, y, r, [[-1.2, -0.7], [-0.7, -1.2], [0, -0.5], [0.7, -1.2], [1.2, -0.7], [0.5, 0], [1.2, 0.7], [0.7, 1.2], [0, 0.5], [-0.7, 1.2], [-1.2, 0.7], [-0.5, 0]]);
}
