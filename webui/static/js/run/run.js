// The page of one run: what the server sent is kept live by the stream of events.

import { AccuracyCurve, LossCurve } from "./curves.js";
import { EpochTable } from "./epochs.js";
import { Evaluation } from "./evaluation.js";
import { Folded } from "./fold.js";
import { Log } from "./log.js";
import { duration, NOTHING, number, percent, progress, whole } from "../lib/format.js";
import { fetchPart, morph } from "../lib/refresh.js";
import { Stream } from "../lib/stream.js";
import { writeTimes } from "../lib/times.js";

const LOOK_WHILE_QUEUED_MS = 5000;
const FEW_SAMPLES = 2000; // so many the stream may bring again
const FINAL = new Set(["succeeded", "failed", "cancelled"]);

const page = document.getElementById("main");
const { api } = page.dataset;
const title = document.title;

// Older rows in an address are for those who read without a script: nothing live may follow on them.
if (location.search) location.replace(location.pathname);

let data = dataOf(document);
let { job } = data;

const metrics = new Folded(["train_loss"]);
const epochs = new Folded(Object.keys(data.epochs.values));

for (const figure of document.querySelectorAll(".curve")) figure.dataset.epochs = job.progress.epochs;
const lossCurve = new LossCurve(document.getElementById("loss-curve"), metrics, epochs, api);
const accuracyCurve = new AccuracyCurve(document.getElementById("accuracy-curve"), epochs, api);
const [table, earlier] = ["epochs", "earlier-epochs"].map((id) => document.getElementById(id));
const epochTable = new EpochTable(table, earlier, data.columns, api);
const [lines, follow, older] = ["log", "follow", "older-lines"].map((id) => document.getElementById(id));
const log = new Log(lines, follow, older, api);
const evaluation = new Evaluation(document.getElementById("evaluation-place"));

function dataOf(page) {
  return JSON.parse(page.getElementById("run-data").textContent);
}

function loadCurves() {
  metrics.load(data.metrics);
  epochs.load(data.epochs);
}

// many events in one frame make one drawing
let drawing = null;

function draw() {
  drawing ??= requestAnimationFrame(() => {
    drawing = null;
    const { batches } = job.progress;
    const reach = Math.max(epochs.last, batches ? metrics.last / batches : 0);
    const over = FINAL.has(job.state);
    lossCurve.show(batches, reach, over);
    accuracyCurve.show(reach, over);
  });
}

const LIVE = {
  epoch: () => String(job.progress.epoch || NOTHING),
  batch: () => (job.progress.batches ? whole(job.progress.batch) : NOTHING),
  test_accuracy: () => percent(job.test_accuracy),
  validation_accuracy: () => percent(job.validation_accuracy),
  train_loss: () => number(job.train_loss),
  train_loss_over: () => (job.train_loss_over === "epoch" ? "(epoch)" : "(batches)"),
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

// A run that is resumed has its measurements taken back to where it resumes. Where these are few,
// the stream brings them again; else the page is asked for, in which they are summed up.
async function startAgain() {
  const wasLong = metrics.samples > FEW_SAMPLES;
  for (const each of [metrics, epochs, lossCurve, accuracyCurve]) each.clear();
  epochTable.replace([]);
  draw();
  if (wasLong) {
    stream.close();
    await loadAgain();
  }
}

async function loadAgain() {
  try {
    const fresh = await fetchPart(location.pathname);
    data = dataOf(fresh);
    ({ job } = data);
    loadCurves();
    epochTable.replace(fresh.getElementById("epochs").children);
    log.replace(fresh.getElementById("log"));
    stream.position = data.position;
    stream.open();
    draw();
    tryToShowParts();
  } catch {
    setTimeout(loadAgain, LOOK_WHILE_QUEUED_MS);
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
      for (const row of rows) epochs.add(row.epoch, row);
      epochTable.add(rows);
      draw();
    },
    metrics(rows) {
      for (const row of rows) metrics.add(row.step, row);
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
      startAgain();
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

loadCurves();
draw();
evaluation.look();
if (!data.over) {
  stream.open();
  setInterval(lookWhileQueued, LOOK_WHILE_QUEUED_MS);
  addEventListener("pagehide", () => stream.close());
  addEventListener("pageshow", () => stream.open());
}
