// The page of one run: what the server sent is kept live by the stream of events.

import { askInPlace } from "./actions.js";
import { closeMenus } from "./chart_menu.js";
import { offerControls } from "./controls.js";
import { Curves } from "./curves.js";
import { EpochTable } from "./epochs.js";
import { Evaluation } from "./evaluation.js";
import { keepFocus } from "./focus.js";
import { Log } from "./log.js";
import { ProgressIcon } from "./progress_icon.js";
import { duration, NOTHING, number, percent, whole } from "../lib/format.js";
import { fetchPart, morph } from "../lib/refresh.js";
import { openSource } from "../lib/source.js";
import { Stream } from "../lib/stream.js";
import { writeTimes } from "../lib/times.js";
import { gettext } from "../lib/words.js";
import { finish } from "../new_run/draft.js";

const LOOK_WHILE_QUEUED_MS = 5000;
const FEW_SAMPLES = 2000; // so many the stream may bring again
const FINAL = new Set(["succeeded", "failed", "cancelled"]);

const page = document.getElementById("main");
const { instance } = page.dataset;
const api = (part, query) => `${page.dataset.api}/${part}?${new URLSearchParams({ ...query, instance })}`;
const icon = new ProgressIcon();

// Older rows in an address are for those who read without a script: nothing live may follow on them.
const asked = new URLSearchParams(location.search);
if (asked.has("epochs") || asked.has("log")) location.replace(location.pathname);

let data = dataOf(document);
let { job } = data;
let best = data.best;

const curves = new Curves(Object.keys(data.epochs.values), api, job.name);
offerControls(document.getElementById("curve-controls"), curves);
closeMenus(document);
const [table, earlier] = ["epochs", "earlier-epochs"].map((id) => document.getElementById(id));
const epochTable = new EpochTable(table, earlier, data.columns, api);
const [lines, follow, older] = ["log", "follow", "older-lines"].map((id) => document.getElementById(id));
const log = new Log(lines, follow, older, document.getElementById("log-filter"), api);
const evaluation = new Evaluation(document.getElementById("evaluation-place"));

function dataOf(page) {
  return JSON.parse(page.getElementById("run-data").textContent);
}

function draw() {
  curves.mark({ best: best?.epoch, published: job.published_epoch });
  curves.follow(job, FINAL.has(job.state));
}

// The best epoch is the one that a worker takes for it: by the validation loss, where there is a split.
function noteBest(rows) {
  for (const { epoch, validation_loss: loss } of rows) {
    if (loss != null && !(best && best.validation_loss <= loss)) best = { epoch, validation_loss: loss };
  }
}

// What has not begun has nothing to show yet.
function showWhetherWaiting() {
  const hasBegun = job.attempt > 0 || FINAL.has(job.state);
  page.classList.toggle("is-waiting", !hasBegun);
}

const LIVE = {
  epoch: () => String(job.progress.epoch || NOTHING),
  batch: () => (job.progress.batches ? whole(job.progress.batch) : NOTHING),
  test_accuracy: () => percent(job.test_accuracy),
  validation_accuracy: () => percent(job.validation_accuracy),
  train_loss: () => number(job.train_loss),
  train_loss_over: () => (job.train_loss_over === "epoch" ? gettext("(epoch)") : gettext("(batches)")),
  validation_loss: () => number(job.validation_loss),
  test_loss: () => number(job.test_loss),
  images_per_s: () => whole(job.progress.images_per_s),
  eta: () => (isEvaluating() ? gettext("evaluating") : duration(job.progress.eta_s)),
};

// After the last batch come the test set and the files: none of it is in the time that was left.
function isEvaluating() {
  const { epoch, epochs, batch, batches } = job.progress;
  return job.state === "running" && batches > 0 && epoch === epochs && batch === batches;
}

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
  icon.show(job.state, fraction);
  showWhetherWaiting();
}

// What the server renders of a run changes with its history and with these facts alone; everything
// else is in the events of the stream.
const facts = () => [job.micro_batch, job.progress.batches, job.queue_status?.key].join("\n");

let rendered = facts();

let lastLook = 0;
let lastShown = 0;

async function showParts() {
  rendered = facts();
  const look = ++lastLook;
  const fresh = await fetchPart(page.dataset.parts);
  const { state } = fresh.getElementById("part-head").dataset;
  if (look < lastShown) return state; // a later one was quicker
  lastShown = look;
  for (const part of fresh.querySelectorAll("[data-part]")) {
    morph(document.getElementById(part.id), part, "outerHTML");
  }
  writeTimes();
  evaluation.look();
  return state;
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
  const wasLong = curves.samples > FEW_SAMPLES;
  curves.clear();
  best = null;
  epochTable.replace([]);
  draw();
  curves.reload();
  if (wasLong) await loadAgain();
}

// The stream waits for it: what came meanwhile, from before, would be added to what is loaded. Where it is
// called again before it has ended, the last call counts.
let lastLoad = 0;

async function loadAgain() {
  const load = ++lastLoad;
  stream.hold();
  try {
    const fresh = await fetchPart(`${location.pathname}?${new URLSearchParams({ instance })}`);
    if (load !== lastLoad) return;
    data = dataOf(fresh);
    ({ job } = data);
    ({ best } = data);
    curves.load(data);
    curves.reload();
    epochTable.replace(fresh.getElementById("epochs").children);
    log.replace(fresh.getElementById("log"));
    stream.continueFrom(data.position);
    draw();
    tryToShowParts();
  } catch {
    if (load === lastLoad) setTimeout(loadAgain, LOOK_WHILE_QUEUED_MS);
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
      curves.addEpochs(rows);
      noteBest(rows);
      epochTable.add(rows);
      draw();
    },
    metrics(rows) {
      curves.addSamples(rows);
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
  {
    async isOver() {
      try {
        return FINAL.has(await showParts());
      } catch {
        return false;
      }
    },
    ended: awaitRetry,
  },
);

// A failed run may be retried, from another page or a terminal: the stream of all runs tells of it.
let allRuns = null;

function awaitRetry() {
  const hasFailed = job.state === "failed" || document.getElementById("part-head").dataset.state === "failed";
  if (!hasFailed || allRuns || document.hidden) return;
  allRuns = openSource(page.dataset.allEvents, "");
  allRuns.addEventListener("open", lookForRetry); // it may have come before
  allRuns.addEventListener("happened", (event) => {
    if (JSON.parse(event.data).job_id === job.id) lookForRetry();
  });
}

function stopWaiting() {
  allRuns?.close();
  allRuns = null;
}

async function lookForRetry() {
  const state = await showParts().catch(() => "failed");
  if (FINAL.has(state) || !allRuns) return;
  stopWaiting();
  stream.continueFrom(stream.position);
}

// A worker that comes or goes changes why a run waits, but not the run: so look now and then.
function lookWhileQueued() {
  if (job.state === "queued" && !document.hidden) showParts().catch(() => {});
}

finish();
askInPlace(page, tryToShowParts);
keepFocus(page);
curves.load(data);
draw();
icon.show(job.state, job.progress.fraction);
evaluation.look();
if (data.over) stream.end();
else stream.open();
setInterval(lookWhileQueued, LOOK_WHILE_QUEUED_MS);
addEventListener("pagehide", () => {
  stream.close();
  stopWaiting();
});
addEventListener("pageshow", () => {
  stream.open();
  awaitRetryAtEnd();
});
document.addEventListener("visibilitychange", () => (document.hidden ? stopWaiting() : awaitRetryAtEnd()));

function awaitRetryAtEnd() {
  if (stream.isAtEnd) awaitRetry();
}
