// "Tell me when it ends": a button on the page of a run. Whoever presses it is asked once whether the browser may
// show notifications; where it may not, a message on the page has to do. As long as a page of ours is open, one
// tab asks how the runs are that somebody waits for, also while it is hidden. What somebody has chosen on the page of
// notifications is shown in the same way, in the browsers in which that page was saved or opened.

import { ask as askServer } from "./ask.js";
import { toast } from "./toasts.js";
import { gettext } from "./words.js";

const STORED = "trainyard-awaited";
const SHOWS_NEWS = "trainyard-shows-news"; // whether this browser asks for news
const EVERY_MS = 10_000;
const channel = new BroadcastChannel("trainyard-notices"); // to all tabs: any may be the one that is looked at
const FINAL = new Set(["succeeded", "failed", "cancelled"]);

// Names by the addresses of the API; none where a browser keeps nothing.
function awaited() {
  try {
    return JSON.parse(localStorage.getItem(STORED) ?? "{}");
  } catch {
    return {};
  }
}

function setAwaited(runs) {
  localStorage.setItem(STORED, JSON.stringify(runs));
}

export function offerNotices() {
  offerButton();
  offerNews();
  channel.addEventListener("message", ({ data }) => show(data));
  look();
}

// On the page of notifications: a browser that is to show news is asked once whether it may.
function offerNews() {
  const form = document.getElementById("choose-notifications");
  if (!form) return;
  const boxes = [...form.querySelectorAll("[data-by-browser]")];
  keep(SHOWS_NEWS, boxes.some((box) => box.checked) ? "1" : "");
  form.addEventListener("change", ({ target }) => {
    if (target.matches("[data-by-browser]") && target.checked) askToNotify();
  });
}

function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // a browser that keeps nothing shows no news
  }
}

function showsNews() {
  try {
    return localStorage.getItem(SHOWS_NEWS) === "1";
  } catch {
    return false;
  }
}

function offerButton() {
  const page = document.querySelector("main[data-api][data-job]");
  if (!page?.querySelector("h1") || isOver()) return;
  const button = Object.assign(document.createElement("button"), { type: "button", className: "button small quiet", id: "notice" });
  const showState = () => {
    const isAwaited = page.dataset.api in awaited();
    button.setAttribute("aria-pressed", String(isAwaited));
    button.textContent = isAwaited ? gettext("You will be told when it ends") : gettext("Tell me when it ends");
  };
  button.addEventListener("click", () => {
    toggle(page);
    showState();
  });
  showState();
  place(page, button);
  removeAtEnd(button);
}

// A run that has ended while it was looked at has nothing left to tell.
function removeAtEnd(button) {
  const head = document.getElementById("part-head");
  if (!head) return;
  const watch = new MutationObserver(() => {
    const { state } = document.getElementById("part-head")?.dataset ?? {};
    if (!FINAL.has(state)) return;
    watch.disconnect();
    (button.closest(".notice-row") ?? button).remove();
  });
  watch.observe(head.parentElement, { attributeFilter: ["data-state"], childList: true, subtree: true });
}

// Where the page has a place for it; else below its head, in no part that is rendered again.
function place(page, button) {
  const there = page.querySelector("[data-notice]");
  if (there) return there.append(button);
  const row = Object.assign(document.createElement("p"), { className: "notice-row" });
  row.append(button);
  let head = page.querySelector("h1");
  while (head.parentElement !== page) head = head.parentElement;
  head.after(row);
}

function isOver() {
  const data = document.getElementById("run-data");
  const head = document.getElementById("part-head");
  return FINAL.has(head?.dataset.state) || (data ? FINAL.has(JSON.parse(data.textContent).job?.state) : false);
}

function toggle(page) {
  const { [page.dataset.api]: name, ...others } = awaited();
  if (name !== undefined) return setAwaited(others);
  setAwaited({ ...others, [page.dataset.api]: page.querySelector("h1").textContent.trim() });
  toast(gettext("You will be told when it ends, as long as a page of Trainyard is open."));
  askToNotify();
}

// Whoever does not answer, or says no, is told by a message on the page.
async function askToNotify() {
  if ("Notification" in window && (await Notification.requestPermission()) === "granted") return;
  toast(gettext("This browser shows no notifications for this page: a message on the page will tell you."));
}

// One tab at a time: whoever has the lock looks, and the others wait for it.
function look() {
  if (!navigator.locks) return setInterval(ask, EVERY_MS);
  return navigator.locks.request("trainyard-notices", () => {
    setInterval(ask, EVERY_MS);
    return new Promise(() => {});
  });
}

async function ask() {
  if (showsNews()) await askForNews();
  for (const [address, name] of Object.entries(awaited())) {
    try {
      const response = await askServer(address);
      if (response.status === 404) forget(address);
      const job = response.ok ? await response.json() : null;
      if (job && FINAL.has(job.state)) tell(address, name, job);
    } catch {
      return; // the server is away: later
    }
  }
}

async function askForNews() {
  try {
    const response = await askServer("/api/v1/notifications/news", { method: "POST" });
    if (!response.ok) return;
    for (const news of (await response.json()).items) {
      const page = news.job_id ? `/jobs/${news.job_id}` : "/account/notifications";
      tellAll({ text: news.message.text, page, isError: news.type === "run.failed" });
    }
  } catch {
    // the server is away: later
  }
}

function forget(address) {
  const { [address]: _, ...others } = awaited();
  setAwaited(others);
}

function tell(address, name, job) {
  forget(address);
  const page = `/jobs/${job.id}`;
  const text = {
    succeeded: gettext("%(name)s succeeded.", { name }),
    failed: gettext("%(name)s failed.", { name }),
    cancelled: gettext("%(name)s was cancelled.", { name }),
  }[job.state];
  tellAll({ text, page, isError: job.state === "failed" });
}

function tellAll(news) {
  const { text, page } = news;
  show(news);
  channel.postMessage(news);
  if (!document.hidden) return;
  if (!("Notification" in window) || Notification.permission !== "granted") {
    document.addEventListener("visibilitychange", () => show(news), { once: true }); // nobody has seen it
    return;
  }
  const notification = new Notification(text, { tag: page, icon: "/static/icon.svg" });
  notification.addEventListener("click", () => {
    focus();
    location.assign(page);
  });
}

function show({ text, page, isError }) {
  if (!document.hidden) toast(text, { address: page, isError });
}
