// The page on which a published network is tried: draw, drop, paste or photograph.

import { percent, short, visible } from "../lib/format.js";
import { gettext } from "../lib/words.js";
import { Bars } from "./bars.js";
import { drawMaps, loadWithMaps } from "./feature_maps.js";
import { exact, framed, pictured } from "./frame.js";
import { Model, probabilities } from "./model.js";
import { occlusionMap } from "./occlusion.js";
import { Pad } from "./pad.js";
import { Photograph } from "./subjects.js";

const REST_MS = 200;

const { info, classes, addresses } = JSON.parse(document.getElementById("tryout-data").textContent);
const place = document.getElementById("tryout");
const find = (name) => place.querySelector(`[data-of="${name}"]`);
const [seen, covered] = [find("seen"), find("covered")];
const [invert, importance, mapsWanted] = [find("invert"), find("importance"), find("maps-wanted")];

const bars = new Bars(find("bars"), classes);
const pad = new Pad(find("pad"), { canDraw: Boolean(info.framing), changed, rested: rest });

let truth = ""; // what a test image shows
let isExample = false; // what is tried has the dataset's own size: nothing is done to it
let isAhead = false; // something has changed while the network was at work
let atWork = null;
let mapping = new AbortController();
let last = null; // what was predicted last
let resting = null;
let changes = 0; // of what is tried

// The runtime is large: it is fetched with the first thing to try, and kept.
let loading = null;
const model = () => (loading ??= Model.load(addresses));

// The same with what its layers see: the one that is tried may have it already.
let loadingMaps = null;
const modelWithMaps = () =>
  (loadingMaps ??= addresses.maps ? loadWithMaps(addresses, (why) => (find("maps-status").textContent = why)) : model());

function input() {
  if (!pad.picture) return framed(pad.sketch, info);
  if (isExample) return exact(pad.picture, info);
  if (info.framing) return framed(new Photograph(pad.picture, invert.checked), info);
  return pictured(pad.picture, info, invert.checked);
}

// What comes while the network is at work is looked at once more afterwards, and only the newest.
function look() {
  mapping.abort();
  clearMap(); // it is of what was there before
  changes += 1;
  place.toggleAttribute("data-empty", pad.isEmpty);
  place.toggleAttribute("data-has-picture", Boolean(pad.picture) && !isExample);
  isAhead = true;
  return (atWork ??= work().finally(() => (atWork = null)));
}

async function work() {
  while (isAhead) {
    isAhead = false;
    await predict();
    await new Promise(requestAnimationFrame);
  }
}

async function predict() {
  if (pad.isEmpty) return clear();
  const image = input();
  drawImage(image);
  if (!loading) say(gettext("Loading the network…"));
  let network;
  try {
    network = await model();
  } catch (error) {
    loading = null; // the next stroke tries again
    return say(gettext("The network could not be loaded: %(why)s", { why: error.message }));
  }
  const began = performance.now();
  const [scores] = await network.scores(image, info);
  const took = performance.now() - began;
  if (pad.isEmpty) return clear();
  const shares = probabilities(scores);
  last = { image, shares, label: shares.indexOf(Math.max(...shares)) };
  bars.show(shares);
  showMaps();
  find("took").textContent = gettext("%(ms)s ms a prediction, in this browser", { ms: short(took) });
}

// One image after the other; the newest one is always drawn in the end.
let drawingMaps = null;

async function showMaps() {
  if (!mapsWanted?.checked) return find("maps")?.replaceChildren();
  const status = find("maps-status");
  if (!last) return (status.textContent = gettext("Draw or choose an image first."));
  if (drawingMaps) return (drawingMaps.isBehind = true);
  const drawing = (drawingMaps = { isBehind: true });
  try {
    while (drawing.isBehind && last && mapsWanted.checked) {
      drawing.isBehind = false;
      if (!loadingMaps) status.textContent = gettext("Loading the network with its feature maps…");
      const network = await modelWithMaps();
      if (!last) break;
      const layers = await network.maps(last.image, info);
      if (!mapsWanted.checked) break;
      drawMaps(find("maps"), layers);
      status.textContent = layers.length ? "" : gettext("This network has no feature maps: it has no convolutions.");
    }
  } catch (error) {
    loadingMaps = null; // the next image tries again
    status.textContent = gettext("The feature maps cannot be shown: %(why)s", { why: error.message });
  } finally {
    drawingMaps = null;
  }
}

function clear() {
  last = null;
  place.toggleAttribute("data-empty", true);
  if (mapsWanted) showMaps();
  find("maps")?.replaceChildren();
  bars.clear();
  seen.getContext("2d").clearRect(0, 0, info.size, info.size);
  clearMap();
  find("took").textContent = "";
  say("");
}

function changed() {
  clearTimeout(resting);
  resting = setTimeout(rest, REST_MS);
  look();
}

// Said aloud, and mapped, when the pen rests and not while it draws.
async function rest() {
  clearTimeout(resting);
  await look();
  if (!last) return;
  say(`${visible(classes[last.label])}, ${percent(last.shares[last.label])}`);
  if (truth && isExample && pad.picture) find("truth").textContent = compared(truth, classes[last.label]);
  await map();
}

async function map() {
  mapping.abort();
  clearMap();
  if (!importance.checked || !last) return;
  const { signal } = (mapping = new AbortController());
  const { image, label } = last;
  const found = await occlusionMap(await model(), image, info, label, signal);
  if (found && !signal.aborted) drawMap(found);
}

// What a test image shows, beside what it is taken for.
function compared(shown, taken) {
  const words = { class: visible(shown) };
  return shown === taken ? gettext("Right: this test image is %(class)s.", words) : gettext("Wrong: this test image is %(class)s.", words);
}

function say(text) {
  find("truth").textContent = "";
  const result = find("result");
  if (result.textContent !== text) result.textContent = text;
}

function pixels(canvas, colorOf) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(info.size, info.size);
  for (let at = 0; at < info.size * info.size; at += 1) image.data.set(colorOf(at), 4 * at);
  context.putImageData(image, 0, 0);
}

function drawImage(image) {
  const channel = (at, c) => 255 * image[(info.channels === 1 ? 0 : c) * info.size * info.size + at];
  pixels(seen, (at) => [channel(at, 0), channel(at, 1), channel(at, 2), 255]);
}

const drawMap = (shares) => {
  pixels(covered, (at) => [255, 140, 0, 200 * shares[at]]);
  covered.dataset.state = "drawn";
};

function clearMap() {
  covered.getContext("2d").clearRect(0, 0, info.size, info.size);
  covered.dataset.state = "empty";
}

function tryPicture(picture, { example = false, shows = "" } = {}) {
  isExample = example;
  truth = shows;
  // gray pictures of things are light on dark, and photographs mostly have a light ground
  invert.checked = !example && !info.framing && info.channels === 1 && new Photograph(picture, false).paper > 0.5;
  pad.show(picture);
}

// What was drawn or dropped while a picture was read is newer than it.
async function tryFile(file) {
  const before = changes;
  try {
    const picture = await createImageBitmap(file);
    if (changes === before) tryPicture(picture);
  } catch {
    say(gettext("%(file)s is no picture that this browser can read.", { file: visible(file.name) }));
  }
}

const firstPicture = (files) => [...files].find((file) => file.type.startsWith("image/"));

find("clear").addEventListener("click", () => pad.clear());
find("undo")?.addEventListener("click", () => pad.undo());
invert.addEventListener("change", rest);
importance.addEventListener("change", map);
mapsWanted?.addEventListener("change", showMaps);
find("file").addEventListener("change", ({ target }) => {
  if (target.files[0]) tryFile(target.files[0]);
  target.value = ""; // the same file may be chosen again
});
addEventListener("paste", ({ clipboardData }) => {
  const file = firstPicture(clipboardData.files);
  if (file) tryFile(file);
});
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  const { files } = event.dataTransfer;
  if (files.length) tryFile(firstPicture(files) ?? files[0]);
});
addEventListener("keydown", (event) => {
  if (event.key === "z" && (event.ctrlKey || event.metaKey)) pad.undo();
  if (event.key === "Escape") pad.clear();
});
for (const button of place.querySelectorAll("[data-example]")) {
  button.addEventListener("click", async () => {
    const image = button.querySelector("img");
    await image.decode();
    tryPicture(image, { example: true, shows: button.dataset.true ?? "" });
  });
}
clear();
place.querySelector("[data-first]")?.click(); // the image that the address names
