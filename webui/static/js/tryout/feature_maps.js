// What the layers of a network see of an image: each map as a small gray picture, brighter where it is
// stronger. The published file has the scores alone, so a worker is asked for one that has the maps too.

import { ask } from "../lib/ask.js";
import { gettext, ngettext } from "../lib/words.js";
import { Model } from "./model.js";

const LOOK_AGAIN_MS = 1000;
const LOOK_SELDOM_MS = 15_000; // where there is no worker yet
const MOST_SHOWN = 64; // of a layer

// The network with its maps. `tell` is called with why it is waited for.
export async function loadWithMaps(addresses, tell) {
  const answer = await ask(addresses.maps);
  if (!answer.ok) throw new Error(await reason(answer));
  const { address } = await answer.json();
  for (let pause = LOOK_AGAIN_MS; ; pause = Math.min(LOOK_SELDOM_MS, 1.25 * pause)) {
    const found = await ask(address);
    if (found.status === 202) tell((await found.json()).why);
    else if (!found.ok) throw new Error(await reason(found));
    else return Model.load({ ...addresses, network: address });
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

async function reason(answer) {
  try {
    return (await answer.json()).detail;
  } catch {
    return `${answer.status} ${answer.statusText}`;
  }
}

// Draws the maps of each layer into a place, in the elements that are there already.
export function drawMaps(place, layers) {
  while (place.children.length > layers.length) place.lastChild.remove();
  layers.forEach(({ values, dims }, n) => {
    const [channels, height, width] = dims;
    const part = place.children[n] ?? place.appendChild(layerPart());
    part.querySelector("h3").textContent = titleOf(n + 1, channels, height, width);
    const list = part.querySelector("ul");
    const count = Math.min(channels, MOST_SHOWN);
    while (list.children.length > count) list.lastChild.remove();
    const strongest = values.reduce((most, value) => Math.max(most, value), 0);
    for (let channel = 0; channel < count; channel += 1) {
      const item = list.children[channel] ?? list.appendChild(mapItem(n + 1, channel + 1));
      const from = channel * height * width;
      drawMap(item.firstChild, values.subarray(from, from + height * width), height, width, strongest);
    }
  });
}

function titleOf(layer, channels, height, width) {
  const facts = { layer, channels, height, width, shown: MOST_SHOWN };
  if (channels > MOST_SHOWN) {
    return gettext("Layer %(layer)s: %(channels)s maps of %(width)s × %(height)s, the first %(shown)s of them", facts);
  }
  return ngettext(
    "Layer %(layer)s: %(channels)s map of %(width)s × %(height)s",
    "Layer %(layer)s: %(channels)s maps of %(width)s × %(height)s",
    channels,
    facts,
  );
}

function layerPart() {
  const part = document.createElement("div");
  part.append(document.createElement("h3"), document.createElement("ul"));
  return part;
}

function mapItem(layer, map) {
  const item = document.createElement("li");
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", gettext("Map %(map)s of layer %(layer)s", { layer, map }));
  item.append(canvas);
  return item;
}

function drawMap(canvas, values, height, width, strongest) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  values.forEach((value, at) => {
    const gray = strongest > 0 ? Math.round((255 * Math.max(0, value)) / strongest) : 0;
    image.data.set([gray, gray, gray, 255], 4 * at);
  });
  context.putImageData(image, 0, 0);
}
