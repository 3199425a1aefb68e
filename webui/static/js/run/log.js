// The log of a run. It follows the newest line unless the reader has scrolled up.

import { clock, moment, visible } from "../lib/format.js";
import { writeLocalClock } from "../lib/times.js";

const MOST_LINES = 10000;
const NEAR_PX = 24;

export class Log {
  constructor(element, button) {
    this.element = element;
    this.button = button;
    writeLocalClock(element);
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
    while (this.element.childElementCount > MOST_LINES) this.element.firstElementChild.remove();
    if (following) this.#follow();
    else this.button.hidden = false;
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
  const time = document.createElement("time");
  time.dateTime = line.time;
  time.textContent = clock(line.time);
  time.title = moment(line.time);
  const text = document.createElement("span");
  text.textContent = visible(line.text); // text, whatever a run writes
  element.append(time, text);
  return element;
}
