// The log of a run. It follows the newest line unless the reader has scrolled up; older lines are
// fetched when a reader asks for them. What is searched for is found by the server, in all lines.

import { ask } from "../lib/ask.js";
import { clock, moment, visible } from "../lib/format.js";
import { writeLocalClock } from "../lib/times.js";

const MOST_LINES = 2000;
const AT_ONCE = 200;
const NEAR_PX = 24;
const PAUSE_MS = 250; // whoever types on is answered once

export class Log {
  // `older`: the link to older lines, the first of the element's children; `filter`: the form that says
  // which lines are shown; `api`: the address of something of the run, by its name and a query.
  constructor(element, button, older, filter, api) {
    this.element = element;
    this.filter = filter;
    this.timer = null;
    this.search = 0;
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
    const following = this.#isAtEnd();
    const shown = lines.filter((line) => this.#isWanted(line));
    if (!shown.length) return;
    this.element.append(...shown.map(row));
    // who reads what is old keeps it
    if (following) this.#shorten();
    if (following) this.#follow();
    else this.button.hidden = false;
  }

  // Shows what another rendering of the page has.
  replace(fresh) {
    if (this.#isFiltered()) {
      this.#find();
      return;
    }
    const lines = fresh.querySelectorAll(".line");
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

  #isFiltered() {
    const { find, level } = this.#wanted();
    return Boolean(find || level);
  }

  #isWanted(line) {
    const { find, level } = this.#wanted();
    return (!level || level.split(",").includes(line.level)) && line.text.toLowerCase().includes(find.toLowerCase());
  }

  async #find() {
    const search = ++this.search;
    const { items, next } = (await this.#fetch({})) ?? {};
    if (!items || search !== this.search) return;
    this.element.replaceChildren(this.older.parentElement, ...items.reverse().map(row));
    this.older.parentElement.hidden = next == null;
    this.element.classList.toggle("is-filtered", this.#isFiltered());
    this.#follow();
  }

  // Lines that are looked for, newest first.
  async #fetch(query) {
    const { find, level } = this.#wanted();
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
    const { items, next } = (await this.#fetch({ cursor: this.#first().dataset.at })) ?? {};
    if (!items) return; // the link stays
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
