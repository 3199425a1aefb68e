// The log of a run. It follows the newest line unless the reader has scrolled up; older lines are
// fetched when a reader asks for them.

import { clock, moment, visible } from "../lib/format.js";
import { writeLocalClock } from "../lib/times.js";

const MOST_LINES = 2000;
const AT_ONCE = 200;
const NEAR_PX = 24;

export class Log {
  // `older`: the link to older lines, the first of the element's children; `api`: the address of
  // something of the run, by its name and a query.
  constructor(element, button, older, api) {
    this.element = element;
    this.button = button;
    this.older = older;
    this.api = api;
    writeLocalClock(element);
    older.addEventListener("click", (event) => {
      event.preventDefault();
      this.#fetchOlder();
    });
    this.#follow();
    element.addEventListener("scroll", () => (button.hidden = this.#isAtEnd()), { passive: true });
    button.addEventListener("click", () => {
      this.#follow();
      this.element.focus();
    });
  }

  add(lines) {
    const following = this.#isAtEnd();
    this.element.append(...lines.map(row));
    // who reads what is old keeps it
    if (following) this.#shorten();
    if (following) this.#follow();
    else this.button.hidden = false;
  }

  // Shows what another rendering of the page has.
  replace(fresh) {
    const lines = fresh.querySelectorAll(".line");
    this.element.replaceChildren(this.older.parentElement, ...lines);
    this.older.parentElement.hidden = fresh.querySelector(".earlier").hidden;
    writeLocalClock(this.element);
    this.#follow();
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
    const cursor = this.#first().dataset.at;
    try {
      const response = await fetch(this.api("logs", { order: "desc", limit: AT_ONCE, cursor }));
      if (!response.ok) return;
      const { items, next } = await response.json();
      const below = this.element.scrollHeight - this.element.scrollTop;
      this.older.parentElement.after(...items.reverse().map(row));
      this.older.parentElement.hidden = next == null;
      this.element.scrollTop = this.element.scrollHeight - below; // what was read stays in place
    } catch {
      // the link stays
    }
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
