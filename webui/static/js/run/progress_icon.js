// The run in the tab of the browser: how far it is, in the title and as a ring in the icon.

import { progress } from "../lib/format.js";
import { resolved } from "../lib/colors.js";

const SIDE = 64;
const WIDTH = 12;
const ENDS = { succeeded: ["✓", "good"], failed: ["✗", "bad"], cancelled: ["✗", "idle"] };
const TONES = { running: "busy", queued: "wait", paused: "idle" };

export class ProgressIcon {
  constructor() {
    this.title = document.title;
    this.icon = document.querySelector("link[rel=icon]");
    this.plain = this.icon.cloneNode();
    this.shown = "";
  }

  show(state, fraction) {
    const [sign] = ENDS[state] ?? [];
    const begins = sign ?? (state === "running" ? `${progress(fraction)} ·` : "");
    const title = begins ? `${begins} ${this.title}` : this.title;
    if (document.title !== title) document.title = title;
    const key = `${state} ${progress(fraction)}`;
    if (key === this.shown) return;
    this.shown = key;
    this.#replace(this.#drawn(state, fraction));
  }

  // Some browsers look at an icon only when its link is new.
  #replace(address) {
    const link = this.plain.cloneNode();
    link.type = "image/png";
    link.href = address;
    this.icon.replaceWith(link);
    this.icon = link;
  }

  #drawn(state, fraction) {
    const canvas = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
    const ink = canvas.getContext("2d");
    const [sign, tone] = ENDS[state] ?? ["", TONES[state]];
    ink.lineWidth = WIDTH;
    ink.lineCap = "round";
    ring(ink, "line", 1);
    if (sign || fraction > 0) ring(ink, tone, sign ? 1 : fraction);
    if (sign) {
      ink.strokeStyle = resolved(`var(--${tone})`);
      ink.lineWidth = 8;
      ink.stroke(new Path2D(sign === "✓" ? "M20 33 29 42 45 23" : "M23 23 41 41M41 23 23 41"));
    }
    return canvas.toDataURL("image/png");
  }
}

function ring(ink, tone, share) {
  const top = -Math.PI / 2;
  ink.strokeStyle = resolved(`var(--${tone})`);
  ink.beginPath();
  ink.arc(SIDE / 2, SIDE / 2, (SIDE - WIDTH) / 2, top, top + share * 2 * Math.PI);
  ink.stroke();
}
