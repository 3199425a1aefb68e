// What is drawn or photographed, as an image that the network knows: size, framing and values are
// those of the images that it was trained on.

const FINER = 8; // drawn so much larger first; each pixel is the mean of what lies in it
const SMALLEST = 1 / 8; // of the pad: what is smaller, as a dot, is not blown up any further

const boards = new Map();

// A black square to draw on, which is used again and again.
function board(side) {
  if (!boards.has(side)) {
    const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
    boards.set(side, canvas.getContext("2d", { willReadFrequently: true }));
  }
  const context = boards.get(side);
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = "black";
  context.fillRect(0, 0, side, side);
  context.imageSmoothingQuality = "high";
  return context;
}

// The values of a board, channel after channel: each the mean of `finer` x `finer` of its pixels.
function values(context, size, channels, finer) {
  const { data } = context.getImageData(0, 0, size * finer, size * finer);
  const found = new Float32Array(channels * size * size);
  const share = 1 / (255 * finer * finer);
  for (let y = 0; y < size * finer; y += 1) {
    for (let x = 0; x < size * finer; x += 1) {
      const from = 4 * (y * size * finer + x);
      const to = Math.floor(y / finer) * size + Math.floor(x / finer);
      if (channels === 1) found[to] += luma(data, from) * share;
      else for (let c = 0; c < 3; c += 1) found[c * size * size + to] += data[from + c] * share;
    }
  }
  return found.map((value) => Math.min(1, value)); // a sum of rounded parts may be a bit above
}

// How light a pixel is (ITU-R BT.601, as Pillow has it), 0 to 255.
export const luma = (data, at) => 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];

// A sketch or a photograph of handwriting, as light on dark.
export function framed(subject, { size, framing }) {
  const bounds = subject.bounds();
  const context = board(size * FINER);
  if (bounds) {
    const pen = subject.hasPen ? framing.stroke : 0;
    const longest = Math.max(bounds.width, bounds.height, subject.side * SMALLEST);
    const scale = (framing.box - pen) / longest;
    // a heavy head would push the foot out of the frame
    const inside = (shift, length) => {
      const room = Math.max(0, (size - scale * length - pen) / 2);
      return Math.min(room, Math.max(-room, shift));
    };
    const left = size / 2 - scale * (bounds.left + bounds.width / 2);
    const top = size / 2 - scale * (bounds.top + bounds.height / 2);
    paint(context, subject, scale, left, top, pen);
    if (framing.center === "mass") {
      const [x, y] = centerOfMass(values(context, size, 1, FINER), size);
      const [dx, dy] = [inside(size / 2 - x, bounds.width), inside(size / 2 - y, bounds.height)];
      paint(board(size * FINER), subject, scale, left + dx, top + dy, pen);
    }
  }
  return values(context, size, 1, FINER);
}

function paint(context, subject, scale, left, top, pen) {
  context.setTransform(FINER * scale, 0, 0, FINER * scale, FINER * left, FINER * top);
  subject.paint(context, pen / scale);
}

function centerOfMass(image, size) {
  let [mass, x, y] = [0, 0, 0];
  image.forEach((value, at) => {
    mass += value;
    x += value * ((at % size) + 0.5);
    y += value * (Math.floor(at / size) + 0.5);
  });
  return mass ? [x / mass, y / mass] : [size / 2, size / 2];
}

// A picture that fills the frame: the middle square of it.
export function pictured(picture, { size, channels }, isInverted) {
  const [width, height] = sides(picture);
  const side = Math.min(width, height);
  const context = board(size * FINER);
  context.fillStyle = "white"; // what is transparent lies on paper
  context.fillRect(0, 0, size * FINER, size * FINER);
  const [left, top] = [(width - side) / 2, (height - side) / 2];
  context.drawImage(picture, left, top, side, side, 0, 0, size * FINER, size * FINER);
  const found = values(context, size, channels, FINER);
  return isInverted ? found.map((value) => 1 - value) : found;
}

// An image that has the dataset's size already, pixel by pixel.
export function exact(picture, { size, channels }) {
  const context = board(size);
  context.drawImage(picture, 0, 0, size, size);
  return values(context, size, channels, 1);
}

export const sides = (picture) => [picture.naturalWidth ?? picture.width, picture.naturalHeight ?? picture.height];
