// The evaluation of a run: fetched when the reader comes near it, since it is large.

import { enhance } from "../evaluation/enhance.js";
import { fetchPart } from "../lib/refresh.js";

const NEAR = "800px";

export class Evaluation {
  constructor(place) {
    this.place = place;
    this.panel = place.querySelector("#evaluation-panel");
    this.asked = false;
    this.near = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) this.#fetch();
      },
      { rootMargin: NEAR },
    );
    this.near.observe(place);
  }

  // Called when the parts of the page are new: there may be an evaluation now, or none any more.
  look() {
    if (!this.#address()) this.panel.replaceChildren();
    this.near.unobserve(this.place); // to hear again where it is
    this.near.observe(this.place);
  }

  #address() {
    return this.place.querySelector("[data-evaluation]")?.dataset.evaluation;
  }

  async #fetch() {
    if (!this.#address() || this.asked || this.panel.hasChildNodes()) return;
    this.asked = true;
    try {
      const fresh = await fetchPart(this.#address());
      const section = fresh.getElementById("evaluation");
      this.panel.replaceChildren(section);
      enhance(section);
    } catch {
      // the link stays
    } finally {
      this.asked = false;
    }
  }
}
