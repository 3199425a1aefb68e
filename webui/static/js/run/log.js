// The log of a run. It follows the newest line unless the reader has scrolled up; older lines are
// fetched when a reader asks for them. What is searched for is found by the server, in all lines, while
// the stream brings new ones: a line that both bring is shown once, and one that neither found is none.

import { ask } from "../lib/ask.js";
import { clock, moment, visible } from "../lib/format.js";
import { writeLocalClock } from "../lib/times.js";

const MOST_LINES = 2000;
const AT_ONCE = 200;
const NEAR_PX = 24;
const PAUSE_MS = 250; // whoever types on is answered once
const AGAIN_MS = 3000; // a search that was not answered
const ALL = { find: "", level: "" };

export class Log {
  // `older`: the link to older lines, the first of the element's children; `filter`: the form that says
  // which lines are shown; `api`: the address of something of the run, by its name and a query.
  constructor(element, button, older, filter, api) {
    this.element = element;
    this.filter = filter;
    this.timer = null;
    this.search = 0; // the number of the newest
    this.arrived = null; // the lines that came since it was asked; null: it is answered
    // by what the lines that are shown were chosen
    this.shown = element.classList.contains("is-filtered") ? this.#wanted() : ALL;
    this.newest = keyOf(element.querySelector(".line:last-of-type"));
    this.button = button;
    this.older = older;
    this.api = api;
    writeLocalClock(element);
    older.addEventListener("click", (event) => {
      event.preventDefault();
      this.#fetchOlder();
    });
    this.#offerFilter();
    this.#follow();
    element.addEventListener("scroll", () => (button.hidden = this.#isAtEnd()), { passive: true });
    button.addEventListener("click", () => {
      this.#follow();
      this.element.focus();
    });
  }

  add(lines) {
    const fresh = this.#notYetThere(lines);
    this.arrived?.push(...fresh);
    const shown = fresh.filter((line) => isWanted(line, this.shown));
    if (!shown.length) return;
    const following = this.#isAtEnd();
    this.element.append(...shown.map(row));
    // who reads what is old keeps it
    if (following) this.#shorten();
    if (following) this.#follow();
    else this.button.hidden = false;
  }

  // Shows what another rendering of the page has.
  replace(fresh) {
    if (this.arrived || isChosen(this.#wanted())) {
      this.#find(); // what was asked before may lack what is in this rendering
      return;
    }
    const lines = [...fresh.querySelectorAll(".line")];
    this.shown = ALL;
    this.newest = keyOf(lines.at(-1));
    this.element.replaceChildren(this.older.parentElement, ...lines);
    this.older.parentElement.hidden = fresh.querySelector(".earlier").hidden;
    writeLocalClock(this.element);
    this.#follow();
  }

  #offerFilter() {
    this.filter.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#find();
    });
    this.filter.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.#find(), PAUSE_MS);
    });
  }

  #wanted() {
    return Object.fromEntries(new FormData(this.filter));
  }

  // Those of some lines that come after all that were there before.
  #notYetThere(lines) {
    const fresh = lines.filter((line) => isAfter(line, this.newest));
    this.newest = fresh.at(-1) ?? this.newest;
    return fresh;
  }

  async #find() {
    clearTimeout(this.timer);
    const search = ++this.search;
    const wanted = this.#wanted();
    const arrived = (this.arrived = []);
    const { items, next } = (await this.#fetch(wanted, {})) ?? {};
    if (search !== this.search) return;
    if (!items) {
      this.timer = setTimeout(() => this.#find(), AGAIN_MS); // until then what is shown stays
      return;
    }
    this.arrived = null;
    this.shown = wanted;
    const [last] = items;
    const later = arrived.filter((line) => isWanted(line, wanted) && (!last || isAfter(line, last)));
    if (last && isAfter(last, this.newest)) this.newest = last;
    this.element.replaceChildren(this.older.parentElement, ...[...items.reverse(), ...later].map(row));
    this.older.parentElement.hidden = next == null;
    this.element.classList.toggle("is-filtered", isChosen(wanted));
    this.#follow();
  }

  // Lines that are looked for, newest first.
  async #fetch({ find, level }, query) {
    try {
      const response = await ask(this.api("logs", { order: "desc", limit: AT_ONCE, text: find, level, ...query }));
      return response.ok ? await response.json() : null;
    } catch {
      return null; // what is shown stays
    }
  }

  #first() {
    return this.older.parentElement.nextElementSibling;
  }

  #shorten() {
    while (this.element.childElementCount > MOST_LINES) {
      this.#first().remove();
      this.older.parentElement.hidden = false;
    }
  }

  async #fetchOlder() {
    const first = this.#first();
    const { items, next } = (await this.#fetch(this.shown, { cursor: first.dataset.at })) ?? {};
    if (!items || this.#first() !== first) return; // the link stays
    const below = this.element.scrollHeight - this.element.scrollTop;
    this.older.parentElement.after(...items.reverse().map(row));
    this.older.parentElement.hidden = next == null;
    this.element.scrollTop = this.element.scrollHeight - below; // what was read stays in place
  }

  #isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.element;
    return scrollHeight - scrollTop - clientHeight < NEAR_PX;
  }

  #follow() {
    this.element.scrollTop = this.element.scrollHeight;
    this.button.hidden = true;
  }
}

// What says where a line stands: its attempt, and its number there.
function keyOf(element) {
  if (!element) return { attempt: 0, number: 0 };
  const [attempt, number] = element.dataset.at.split(".").map(Number);
  return { attempt, number };
}

function isAfter(line, other) {
  return line.attempt > other.attempt || (line.attempt === other.attempt && line.number > other.number);
}

const isChosen = ({ find, level }) => Boolean(find || level);

function isWanted(line, { find, level }) {
  return (!level || level.split(",").includes(line.level)) && line.text.toLowerCase().includes(find.toLowerCase());
}

function row(line) {
  const element = document.createElement("div");
  element.className = "line";
  element.dataset.level = line.level;
  element.dataset.at = `${line.attempt}.${line.number}`;
  const time = document.createElement("time");
  time.dateTime = line.time;
  time.textContent = clock(line.time);
  time.title = moment(line.time);
  const text = document.createElement("span");
  text.textContent = visible(line.text); // text, whatever a run writes
  element.append(time, text);
  return element;
}
