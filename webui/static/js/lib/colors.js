// Colors come from the style sheet; a canvas needs them resolved.

const known = new Map();

// `css`: a color as a style has it; `custom`: properties that it names, as a style.
export function resolved(css, { className = "", custom = "" } = {}) {
  const key = [css, className, custom].join("\n");
  if (!known.has(key)) {
    const probe = document.createElement("i");
    probe.className = className;
    probe.style = `${custom}; color: ${css}`;
    document.body.append(probe);
    known.set(key, getComputedStyle(probe).color);
    probe.remove();
  }
  return known.get(key);
}

document.addEventListener("themechange", () => known.clear());
