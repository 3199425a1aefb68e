// The probabilities of the classes: all of them in their order where there are few, else the
// highest first.

import { percent, visible } from "../lib/format.js";

const FEW = 12;
const SHOWN = 10;

export class Bars {
  constructor(list, classes) {
    this.list = list;
    this.classes = classes;
    const count = classes.length <= FEW ? classes.length : SHOWN;
    this.rows = Array.from({ length: count }, () => row());
    list.append(...this.rows.map(({ element }) => element));
    this.clear();
  }

  show(probabilities) {
    const order = probabilities.map((_, label) => label);
    if (this.classes.length > FEW) order.sort((a, b) => probabilities[b] - probabilities[a]);
    const highest = Math.max(...probabilities);
    this.rows.forEach((row, n) => this.#write(row, order[n], probabilities[order[n]], highest));
  }

  clear() {
    this.rows.forEach((row, n) => this.#write(row, n, null, null));
  }

  #write({ element, name, fill, share }, label, probability, highest) {
    const text = visible(this.classes[label]);
    if (name.textContent !== text) name.textContent = name.title = text;
    element.toggleAttribute("data-highest", probability !== null && probability === highest);
    fill.style.transform = `scaleX(${probability ?? 0})`;
    share.textContent = percent(probability);
  }
}

function row() {
  const [element, name, track, fill, share] = ["li", "span", "span", "span", "b"].map((tag) => document.createElement(tag));
  name.className = "class-name";
  track.className = "track";
  track.append(fill);
  element.append(name, track, share);
  return { element, name, fill, share };
}
