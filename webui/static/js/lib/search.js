// The box in the header suggests as one types: a combobox with a list, by keys and pointer. Enter opens what is
// chosen, or the only suggestion; else the server answers, as it does without a script.

import { fetchPart } from "./refresh.js";
import { gettext, ngettext } from "./words.js";

const REST_MS = 150;
const SLOW_MS = 300; // an answer that comes sooner needs no word before it

export function offerSearch() {
  const form = document.getElementById("search");
  if (form) new SearchBox(form);
}

class SearchBox {
  constructor(form) {
    this.form = form;
    this.input = form.querySelector("input");
    this.list = form.querySelector("[role=listbox]");
    this.count = form.querySelector("[role=status]");
    this.timer = null;
    this.asked = ""; // what the list shows, or is asked for
    this.chosen = -1;
    this.#prepare();
  }

  #prepare() {
    const { input, list } = this;
    input.setAttribute("role", "combobox");
    input.setAttribute("aria-expanded", "false");
    input.setAttribute("aria-controls", list.id);
    input.setAttribute("aria-autocomplete", "list");
    input.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.#ask(), REST_MS);
    });
    input.addEventListener("keydown", (event) => this.#key(event));
    input.addEventListener("blur", () => this.close());
    this.form.addEventListener("submit", () => this.input.value.trim() && this.#wait());
    input.addEventListener("focus", () => this.#ask());
    list.addEventListener("pointerdown", (event) => event.preventDefault()); // the focus stays where it is
    list.addEventListener("click", ({ target }) => this.#open(target.closest("[role=option]")));
  }

  get #options() {
    return [...this.list.querySelectorAll("[role=option]")];
  }

  async #ask() {
    const text = this.input.value.trim();
    if (!text) {
      this.asked = "";
      this.list.replaceChildren();
      return this.close();
    }
    if (text === this.asked) return this.#show();
    this.asked = text;
    const slow = setTimeout(() => text === this.asked && this.#wait(), SLOW_MS);
    try {
      const fresh = await fetchPart(`${this.form.action}?${new URLSearchParams({ q: text, part: 1 })}`);
      if (text !== this.asked) return; // something else was typed meanwhile
      clearTimeout(slow);
      this.list.removeAttribute("aria-busy");
      this.list.replaceChildren(...fresh.body.childNodes);
      this.chosen = -1;
      this.#show();
    } catch {
      clearTimeout(slow);
      this.asked = ""; // the page of the search may work, or says what does not
      this.close();
    }
  }

  // Says that an answer is on its way.
  #wait() {
    if (document.activeElement !== this.input) return;
    const text = gettext("Searching…");
    this.list.replaceChildren(Object.assign(document.createElement("div"), { className: "group-title", textContent: text }));
    this.list.setAttribute("aria-busy", "true");
    this.list.hidden = false;
    this.count.textContent = text;
  }

  #show() {
    const count = this.#options.length;
    const isOpen = count > 0 && document.activeElement === this.input;
    this.list.hidden = !isOpen;
    this.input.setAttribute("aria-expanded", String(isOpen));
    this.count.textContent = isOpen ? ngettext("%(num)s suggestion", "%(num)s suggestions", count) : "";
  }

  close() {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.#choose(-1);
  }

  #choose(number) {
    const options = this.#options;
    options.forEach((option, at) => option.setAttribute("aria-selected", String(at === number)));
    this.chosen = number;
    if (number < 0) this.input.removeAttribute("aria-activedescendant");
    else {
      this.input.setAttribute("aria-activedescendant", options[number].id);
      options[number].scrollIntoView({ block: "nearest" });
    }
  }

  #key(event) {
    const count = this.#options.length;
    if (event.isComposing) return;
    if (event.key === "Escape") {
      if (this.list.hidden) this.input.value = "";
      this.close();
      event.preventDefault();
    } else if (this.list.hidden || !count) return;
    else if (event.key === "ArrowDown") this.#step(event, this.chosen + 1 >= count ? -1 : this.chosen + 1);
    else if (event.key === "ArrowUp") this.#step(event, this.chosen < 0 ? count - 1 : this.chosen - 1);
    else if (event.key === "Enter" && this.#meant()) {
      event.preventDefault();
      this.#open(this.#meant());
    }
  }

  // What Enter opens: the chosen suggestion, or the only one to what stands in the box now.
  #meant() {
    const options = this.#options;
    if (this.chosen >= 0) return options[this.chosen];
    return options.length === 1 && this.input.value.trim() === this.asked ? options[0] : null;
  }

  #step(event, number) {
    event.preventDefault();
    this.#choose(number);
  }

  #open(option) {
    if (!option) return;
    this.#wait();
    location.assign(option.dataset.address);
  }
}
