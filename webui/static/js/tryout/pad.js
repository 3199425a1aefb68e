// The pad: draws with a finger, a pen or a mouse, and shows the picture that was given instead.

import { sides } from "./frame.js";
import { Sketch } from "./subjects.js";

const SIDE = 280; // in units of its own, whatever its size on the screen
const PEN = 22;

export class Pad {
  // `changed`: called with each stretch of a stroke; `rested`: once something is complete.
  constructor(canvas, { canDraw, changed, rested }) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.sketch = new Sketch(SIDE);
    this.picture = null;
    this.changed = changed;
    this.rested = rested;
    this.pointer = null;
    new ResizeObserver(() => this.#draw()).observe(canvas);
    if (!canDraw) return;
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#go(event));
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => this.#end(event));
    }
  }

  get isEmpty() {
    return this.sketch.isEmpty && !this.picture;
  }

  show(picture) {
    this.pointer = null; // a stroke under way is given up
    this.sketch.strokes = [];
    this.picture = picture;
    this.#draw();
    this.rested();
  }

  clear() {
    this.show(null);
  }

  // Takes the last stroke back.
  undo() {
    if (this.picture) return this.clear();
    this.pointer = null;
    this.sketch.strokes.pop();
    this.#draw();
    this.rested();
  }

  #begin(event) {
    if (this.pointer !== null || event.button !== 0) return;
    event.preventDefault(); // no text is selected
    this.canvas.setPointerCapture(event.pointerId);
    this.pointer = event.pointerId;
    this.picture = null;
    this.sketch.strokes.push([this.#place(event)]);
    this.#draw();
    this.changed();
  }

  #go(event) {
    if (event.pointerId !== this.pointer) return;
    // where the pen went between two frames, too
    const passed = event.getCoalescedEvents?.() ?? [];
    for (const each of passed.length ? passed : [event]) this.sketch.strokes.at(-1).push(this.#place(each));
    this.#draw();
    this.changed();
  }

  #end(event) {
    if (event.pointerId !== this.pointer) return;
    this.pointer = null;
    this.rested();
  }

  #place({ clientX, clientY }) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    return [((clientX - left) / width) * SIDE, ((clientY - top) / height) * SIDE];
  }

  #draw() {
    const side = Math.round(this.canvas.clientWidth * devicePixelRatio);
    if (this.canvas.width !== side) this.canvas.width = this.canvas.height = side;
    this.context.setTransform(side / SIDE, 0, 0, side / SIDE, 0, 0);
    this.context.fillStyle = "black";
    this.context.fillRect(0, 0, SIDE, SIDE);
    if (this.picture) this.#drawPicture();
    else this.sketch.paint(this.context, PEN);
  }

  #drawPicture() {
    const [width, height] = sides(this.picture);
    const scale = SIDE / Math.max(width, height);
    this.context.imageSmoothingEnabled = scale < 4; // images of the dataset keep their pixels
    const [left, top] = [(SIDE - width * scale) / 2, (SIDE - height * scale) / 2];
    this.context.drawImage(this.picture, left, top, width * scale, height * scale);
  }
}
