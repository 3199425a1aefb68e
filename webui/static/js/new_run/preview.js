// The sheet of augmented images in the form of a new run. A worker draws it: it is asked for when
// typing has come to a rest, and looked for until it is there.

import { ask } from "../lib/ask.js";
import { gettext } from "../lib/words.js";

const REST_MS = 300;
const FIRST_PAUSE_MS = 80;
const LONGEST_PAUSE_MS = 5000;
const ASK_AGAIN_MS = 31_000; // a worker that died over it is replaced by the next who is asked

const form = document.getElementById("new-run");
const figure = document.getElementById("preview");
const image = figure.querySelector("img");
const status = figure.querySelector(".status");
const parts = figure.dataset.of.split(" ");

class Refused extends Error {}

let shown = null; // what the sheet is of, or will be
let resting = null;
let asking = null;

function typed() {
  return new URLSearchParams([...new FormData(form)].filter(([name]) => parts.includes(name.split(".")[0])));
}

function look() {
  if (typed().toString() === shown) return;
  clearTimeout(resting);
  resting = setTimeout(draw, REST_MS);
}

async function draw() {
  const asked = typed();
  if (asked.toString() === shown) return;
  shown = asked.toString();
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  asked.append("csrf_token", form.elements.csrf_token.value);
  showStatus("drawing", gettext("Drawing…"));
  try {
    while (!(await isDrawn(asked, signal)));
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof Refused)) shown = null; // asked again at the next change
    image.hidden = true;
    showStatus("missing", error instanceof Refused ? error.message : gettext("The server does not answer."));
  }
}

// Whether it came before it has to be asked for again.
async function isDrawn(asked, signal) {
  const { url } = await answerOf(await ask(figure.dataset.ask, { method: "POST", body: asked, signal }));
  const deadline = performance.now() + ASK_AGAIN_MS;
  for (let pause = FIRST_PAUSE_MS; performance.now() < deadline; pause = Math.min(pause * 1.5, LONGEST_PAUSE_MS)) {
    const answer = await ask(url, { signal });
    if (answer.status === 200) {
      await show(url, signal);
      return true;
    }
    const { detail } = await answerOf(answer);
    if (pause > 500) showStatus("drawing", detail);
    await new Promise((resolve) => setTimeout(resolve, pause));
    signal.throwIfAborted();
  }
  return false;
}

async function answerOf(response) {
  const isJson = response.headers.get("content-type")?.includes("json");
  const body = isJson ? await response.json() : {};
  if (response.status >= 500) throw new Error(body.detail);
  if (!response.ok) throw new Refused(body.detail ?? gettext("This form has expired. Reload the page."));
  return body;
}

// The sheet before stays until this one can be seen whole.
async function show(url, signal) {
  const fetched = new Image();
  fetched.src = url;
  await fetched.decode();
  signal.throwIfAborted();
  image.src = url;
  image.hidden = false;
  showStatus("drawn", "");
}

function showStatus(state, text) {
  figure.dataset.state = state;
  status.textContent = text;
}

form.addEventListener("input", look);
document.addEventListener("click", look); // a preset fills the form without a word
addEventListener("pageshow", look);
draw();
