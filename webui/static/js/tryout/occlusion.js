// Which part of an image a prediction rests on: how far the probability of a class falls where a
// patch is covered (Zeiler and Fergus, Visualizing and understanding convolutional networks, 2014).

import { probabilities } from "./model.js";

const PATCHES = 7; // side by side, about
const AT_ONCE_MS = 12; // so that a pen is followed meanwhile

// A number from 0 to 1 for each pixel; null where `signal` says that nobody wants it any more.
export async function occlusionMap(model, image, info, label, signal) {
  const { size, channels } = info;
  const pixels = size * size;
  const patch = Math.max(2, Math.round(size / PATCHES));
  const places = corners(size, patch);
  const cover = info.framing ? Array(channels).fill(0) : info.mean;
  const probability = async (images) => (await model.scores(images, info)).map((row) => probabilities(row)[label]);

  const began = performance.now();
  const [whole] = await probability(image);
  const atOnce = Math.max(1, Math.floor(AT_ONCE_MS / Math.max(0.1, performance.now() - began)));
  const [falls, counts] = [new Float32Array(pixels), new Float32Array(pixels)];
  for (let first = 0; first < places.length; first += atOnce) {
    const some = places.slice(first, first + atOnce);
    const images = new Float32Array(some.length * image.length);
    some.forEach((place, n) => {
      images.set(image, n * image.length);
      for (let c = 0; c < channels; c += 1) {
        for (const at of inside(place, patch, size)) images[n * image.length + c * pixels + at] = cover[c];
      }
    });
    const left = await probability(images);
    await new Promise((resolve) => setTimeout(resolve));
    if (signal.aborted) return null;
    some.forEach((place, n) => {
      for (const at of inside(place, patch, size)) {
        falls[at] += Math.max(0, whole - left[n]);
        counts[at] += 1;
      }
    });
  }
  const means = falls.map((fall, at) => fall / counts[at]);
  const largest = Math.max(...means);
  return largest > 0 ? means.map((mean) => mean / largest) : means;
}

// Where patches lie: half a patch from one to the next, the last at the edge.
function corners(size, patch) {
  const along = [];
  for (let at = 0; at < size - patch; at += Math.max(1, Math.floor(patch / 2))) along.push(at);
  along.push(size - patch);
  return along.flatMap((y) => along.map((x) => [x, y]));
}

function* inside([left, top], patch, size) {
  for (let y = top; y < top + patch; y += 1) {
    for (let x = left; x < left + patch; x += 1) yield y * size + x;
  }
}
