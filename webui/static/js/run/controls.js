// The controls of all charts: along what they are drawn, how smooth, and what part of them.

export function offerControls(place, curves) {
  const { group } = curves;
  const by = place.querySelector("[name=along]");
  const alpha = place.querySelector("[name=alpha]");
  const output = place.querySelector("output");
  const showAlpha = () => (output.textContent = alpha.value);
  by.value = group.axis.by;
  alpha.value = group.alpha;
  showAlpha();
  by.addEventListener("change", () => {
    group.setAxis(by.value);
    curves.draw();
  });
  alpha.addEventListener("input", () => {
    group.setAlpha(Number(alpha.value));
    showAlpha();
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
