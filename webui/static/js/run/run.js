// The page of one run: what the server sent is kept live by the stream of events.

import { AccuracyCurve, LossCurve } from "./curves.js";
import * as format from "../lib/format.js";
import { duration, NOTHING, number, percent, progress, whole } from "../lib/format.js";
import { Evaluation } from "./evaluation.js";
import { Log } from "./log.js";
import { fetchPart, morph } from "../lib/refresh.js";
import { Stream } from "../lib/stream.js";
import { writeTimes } from "../lib/times.js";

const LOOK_WHILE_QUEUED_MS = 5000;
const FINAL = new Set(["succeeded", "failed", "cancelled"]);

const page = document.getElementById("main");
const data = JSON.parse(document.getElementById("run-data").textContent);
const table = document.getElementById("epochs");
const title = document.title;

let job = data.job;
let metrics = data.metrics;
let epochs = data.epochs;

for (const figure of document.querySelectorAll(".curve")) figure.dataset.epochs = job.progress.epochs;
const lossCurve = new LossCurve(document.getElementById("loss-curve"));
const accuracyCurve = new AccuracyCurve(document.getElementById("accuracy-curve"));
const log = new Log(document.getElementById("log"), document.getElementById("follow"));

const evaluation = new Evaluation(document.getElementById("evaluation-place"));

// many events in one frame make one drawing
let drawing = null;

function draw() {
  drawing ??= requestAnimationFrame(() => {
    drawing = null;
    const { batches } = job.progress;
    const step = metrics.at(-1)?.step ?? 0;
    const reach = Math.max(epochs.at(-1)?.epoch ?? 0, batches ? step / batches : 0);
    const over = FINAL.has(job.state);
    lossCurve.show(metrics, epochs, batches, reach, over);
    accuracyCurve.show(epochs, reach, over);
  });
}

const LIVE = {
  epoch: () => String(job.progress.epoch || NOTHING),
  batch: () => (job.progress.batches ? whole(job.progress.batch) : NOTHING),
  test_accuracy: () => percent(job.test_accuracy),
  validation_accuracy: () => percent(job.validation_accuracy),
  train_loss: () => number(job.train_loss),
  validation_loss: () => number(job.validation_loss),
  test_loss: () => number(job.test_loss),
  images_per_s: () => whole(job.progress.images_per_s),
  eta: () => duration(job.progress.eta_s),
};

function showHeartbeat() {
  for (const time of page.querySelectorAll("time[data-heartbeat]")) {
    time.dateTime = job.last_heartbeat_at ?? time.dateTime;
  }
  writeTimes(page);
}

function showNumbers() {
  for (const element of page.querySelectorAll("[data-live]")) {
    const text = LIVE[element.dataset.live]();
    if (element.textContent !== text) element.textContent = text;
  }
  const { fraction } = job.progress;
  const bar = page.querySelector("#part-progress .bar");
  bar.setAttribute("aria-valuenow", Math.floor(fraction * 100));
  bar.firstElementChild.style.transform = `scaleX(${fraction})`;
  document.title = job.state === "running" ? `${progress(fraction)} · ${title}` : title;
}

// What the server renders of a run changes with its history and with these facts alone; everything
// else is in the events of the stream.
const facts = () => [job.micro_batch, job.progress.batches, job.queue_status?.key].join("\n");

let rendered = facts();

async function showParts() {
  rendered = facts();
  const fresh = await fetchPart(page.dataset.parts);
  for (const part of fresh.querySelectorAll("[data-part]")) {
    morph(document.getElementById(part.id), part, "outerHTML");
  }
  writeTimes();
  evaluation.look();
  return fresh.getElementById("part-head").dataset.state;
}

// A part that could not be had is asked for again: the stream may be up while a request fails.
async function tryToShowParts() {
  try {
    await showParts();
    showNumbers();
  } catch {
    setTimeout(tryToShowParts, LOOK_WHILE_QUEUED_MS);
  }
}

function addEpochs(rows) {
  for (const epoch of rows) {
    const row = document.createElement("tr");
    row.dataset.epoch = epoch.epoch;
    for (const [key, write] of data.columns) row.insertCell().textContent = format[write](epoch[key]);
    table.prepend(row); // newest first
  }
}

const stream = new Stream(
  page.dataset.events,
  data.position,
  {
    job(news) {
      job = news;
      showNumbers();
      showHeartbeat();
      draw();
      if (facts() !== rendered) tryToShowParts();
    },
    epochs(rows) {
      epochs = epochs.concat(rows);
      addEpochs(rows);
      draw();
    },
    metrics(rows) {
      metrics = metrics.concat(rows);
      draw();
    },
    logs(rows) {
      log.add(rows);
    },
    artifacts() {
      tryToShowParts();
    },
    history() {
      tryToShowParts();
    },
    evaluation() {
      tryToShowParts();
    },
    reset() {
      metrics = [];
      epochs = [];
      table.replaceChildren();
      draw();
    },
    end() {
      tryToShowParts();
    },
  },
  async () => {
    try {
      return FINAL.has(await showParts());
    } catch {
      return false;
    }
  },
);

// A worker that comes or goes changes why a run waits, but not the run: so look now and then.
function lookWhileQueued() {
  if (job.state === "queued" && !document.hidden) showParts().catch(() => {});
}

draw();
evaluation.look();
if (!data.over) {
  stream.open();
  setInterval(lookWhileQueued, LOOK_WHILE_QUEUED_MS);
  addEventListener("pagehide", () => stream.close());
  addEventListener("pageshow", () => stream.open());
}
