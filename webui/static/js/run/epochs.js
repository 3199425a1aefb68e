// The table of epochs, newest first. What is older is fetched when a reader asks for it.

import { ask } from "../lib/ask.js";
import * as format from "../lib/format.js";

const AT_ONCE = 50;
const MOST_ROWS = 500;

export class EpochTable {
  // `columns`: what each shows, as pairs of a key and the name of the function that writes it; `api`:
  // the address of something of the run, by its name and a query.
  constructor(body, link, columns, api) {
    this.body = body;
    this.link = link;
    this.columns = columns;
    this.api = api;
    link.addEventListener("click", (event) => {
      event.preventDefault();
      this.#fetchEarlier();
    });
  }

  // What came live. Unless a reader has asked for more, the table keeps its length.
  add(epochs) {
    this.body.prepend(...epochs.map((epoch) => this.#row(epoch)).reverse());
    while (this.body.childElementCount > MOST_ROWS) this.body.lastElementChild.remove();
    this.#offerEarlier();
  }

  // Shows what another rendering of the page has.
  replace(rows) {
    this.body.replaceChildren(...rows);
    this.#offerEarlier();
  }

  #oldest() {
    return Number(this.body.lastElementChild?.dataset.epoch ?? 1);
  }

  #offerEarlier() {
    this.link.parentElement.hidden = this.#oldest() <= 1;
  }

  async #fetchEarlier() {
    try {
      const query = { order: "desc", limit: AT_ONCE, cursor: this.#oldest() };
      const response = await ask(this.api("epochs", query));
      if (!response.ok) return;
      const { items } = await response.json();
      this.body.append(...items.map((epoch) => this.#row(epoch)));
      this.#offerEarlier();
    } catch {
      // the link stays
    }
  }

  #row(epoch) {
    const row = document.createElement("tr");
    row.dataset.epoch = epoch.epoch;
    for (const [key, write] of this.columns) row.insertCell().textContent = format[write](epoch[key]);
    return row;
  }
}
