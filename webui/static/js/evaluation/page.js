// The pages of an evaluation: the whole of it, its test images, and what the network has learned.

import { enhance } from "./enhance.js";
import { showMap } from "./map.js";
import { waitFor } from "./waiting.js";

const evaluation = document.getElementById("evaluation");
if (evaluation) enhance(evaluation);

const images = document.getElementById("images");
if (images) {
  waitFor(images, (part) => {
    const map = part.querySelector("#map");
    if (map) showMap(map, JSON.parse(part.querySelector("#map-data").textContent));
  });
}
