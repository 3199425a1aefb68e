// Writes numbers, sizes, times and durations by the table that the page was given: core/formats.py.

const table = JSON.parse(document.getElementById("formats").textContent);

export const NOTHING = table.nothing;

const HALF_UP = { roundingMode: "halfExpand" };
const writers = new Map();

function writer(options) {
  const key = JSON.stringify(options);
  if (!writers.has(key)) writers.set(key, new Intl.NumberFormat(table.locale, { ...HALF_UP, ...options }));
  return writers.get(key);
}

const write = (value, options) => writer(options).format(value).replace("E", "e");

function parts(value, { units: [unit, smaller], options }) {
  if (!smaller) return [write(value / unit, options)];
  const total = Math.floor(value + 0.5);
  return [String(Math.floor(total / unit)), write(Math.floor((total % unit) / smaller), options)];
}

function written(kind, value) {
  if (value == null) return NOTHING;
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value) || 1; // zero is written as one is
  const band = table.numbers[kind].findLast((each) => each.at_least <= size);
  const numbers = parts(value, band);
  const text = numbers[1] === "0" ? band.alone : band.text;
  return text.replace(/\{(\d)\}/g, (_place, index) => numbers[index]);
}

const atLeastZero = (seconds) => (seconds == null ? null : Math.max(0, seconds));

export const number = (value) => written("number", value);
export const percent = (share) => written("percent", share);
export const progress = (fraction) => written("progress", fraction);
export const tick = (value) => written("tick", value);
export const percentTick = (share) => written("percent_tick", share);
export const whole = (value) => written("whole", value);
export const rough = (value) => written("rough", value);
export const short = (value) => written("short", value);
export const size = (count) => written("size", count);
export const duration = (seconds) => written("duration", atLeastZero(seconds));
export const ago = (seconds) => written("ago", atLeastZero(seconds));
export const lastHeartbeat = (seconds) => written("last_heartbeat", atLeastZero(seconds));

// Times are in the reader's own zone.
const timeWriter = (kind) => {
  const format = new Intl.DateTimeFormat(table.locale, table.times[kind].options);
  return (text) => format.format(new Date(text));
};

export const moment = timeWriter("moment");
export const clock = timeWriter("clock");

// Control characters, and those that turn the direction of text, become signs: none acts on the page.
export function visible(text) {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ud800-\udfff]/gu, (character) => {
    const code = character.codePointAt(0);
    if (code < 0x20) return String.fromCodePoint(0x2400 + code);
    return code === 0x7f ? "\u2421" : "\ufffd";
  });
}
