// The controls of all charts: along what they are drawn, how smooth, and what part of them.

export function offerControls(place, curves) {
  const { group } = curves;
  const by = place.querySelector("[name=along]");
  const smoothing = place.querySelector("[name=smoothing]");
  const output = place.querySelector("output");
  const showSmoothing = () => (output.textContent = smoothing.value);
  by.value = group.axis.by;
  smoothing.value = group.smoothing;
  showSmoothing();
  by.addEventListener("change", () => {
    group.setAxis(by.value);
    curves.draw();
  });
  smoothing.addEventListener("input", () => {
    group.setSmoothing(Number(smoothing.value));
    showSmoothing();
    curves.draw();
  });
  const actions = { in: () => group.zoomIn(), out: () => group.zoomOut(), all: () => group.zoomTo(null) };
  for (const button of place.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", actions[button.dataset.zoom]);
  }
  const all = place.querySelector("[data-zoom=all]");
  const out = place.querySelector("[data-zoom=out]");
  // (a button that is disabled while it has the focus would lose it)
  const offer = (zoom) => [all, out].forEach((button) => button.setAttribute("aria-disabled", !zoom));
  group.zoomed.push(offer);
  offer(null);
}
