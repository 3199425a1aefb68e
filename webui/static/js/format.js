// How values that arrive while a page is open are written: as webui/formats.py writes them.

export const NOTHING = "–";

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

const scientific = (value, digits) =>
  value.toExponential(digits).replace(/e([+-])(\d)$/, "e$10$2");

export function loss(value) {
  if (value == null) return NOTHING;
  const size = Math.abs(value);
  const plain = value === 0 || (size >= 0.0001 && size < 10000);
  return plain ? value.toFixed(4) : scientific(value, 2);
}

export const percent = (share) => (share == null ? NOTHING : `${(share * 100).toFixed(2)}%`);

export const whole = (value) => (value == null ? NOTHING : grouped.format(Math.floor(value + 0.5)));

export function short(value) {
  if (value == null) return NOTHING;
  const exponent = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(Number(value.toPrecision(3)))));
  if (exponent < -4 || exponent >= 3) {
    return scientific(value, 2).replace(/\.?0+e/, "e");
  }
  return String(Number(value.toPrecision(3)));
}

// A number of bytes, in units of 1000.
export function size(count) {
  if (count == null) return NOTHING;
  if (count < 1000) return `${count} B`;
  let value = count / 1000;
  let unit = "kB";
  for (const larger of ["MB", "GB"]) {
    if (value < 999.5) break;
    value /= 1000;
    unit = larger;
  }
  return `${value.toFixed(value < 99.95 ? 1 : 0)} ${unit}`;
}

const two = (number) => String(number).padStart(2, "0");

export function duration(seconds) {
  if (seconds == null) return NOTHING;
  if (seconds < 9.95) return `${Math.max(0, seconds).toFixed(1)} s`;
  const total = Math.floor(seconds + 0.5);
  const part = (unit, of) => Math.floor((of ? total % of : total) / unit);
  if (total < MINUTE) return `${total} s`;
  if (total < HOUR) return `${part(MINUTE)} min ${two(total % MINUTE)} s`;
  if (total < DAY) return `${part(HOUR)} h ${two(part(MINUTE, HOUR))} min`;
  return `${part(DAY)} d ${part(HOUR, DAY)} h`;
}

export function ago(seconds) {
  if (seconds < 5) return "just now";
  for (const [unit, length] of [["d", DAY], ["h", HOUR], ["min", MINUTE]]) {
    if (seconds >= length) return `${Math.floor(seconds / length)} ${unit} ago`;
  }
  return `${Math.floor(seconds)} s ago`;
}

// How long ago a run was last heard of.
export const heard = (seconds) =>
  seconds >= MINUTE ? ago(seconds) : `${Math.max(0, Math.floor(seconds))} s ago`;

// Control characters become signs, so that none acts on the page.
export function visible(text) {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\ud800-\udfff]/gu, (character) => {
    const code = character.codePointAt(0);
    if (code < 0x20) return String.fromCodePoint(0x2400 + code);
    return code === 0x7f ? "\u2421" : "\ufffd";
  });
}

// The time of day, in the reader's own zone.
export const clock = (text) => new Date(text).toLocaleTimeString("en-GB");
