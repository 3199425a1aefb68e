// A part that is wider than its box says so: a shadow at each edge behind which there is more of it.

const WIDE = ".wide, .compare .scroll";
const SLACK_PX = 2; // widths are rounded

export function showEdges() {
  const sizes = new ResizeObserver((entries) => {
    for (const { target } of entries) mark(target.matches(WIDE) ? target : target.parentElement);
  });
  for (const box of document.querySelectorAll(WIDE)) {
    box.addEventListener("scroll", () => mark(box), { passive: true });
    sizes.observe(box);
    if (box.firstElementChild) sizes.observe(box.firstElementChild);
  }
}

function mark(box) {
  const left = box.scrollLeft > SLACK_PX;
  const right = box.scrollWidth - box.clientWidth - box.scrollLeft > SLACK_PX;
  box.toggleAttribute("data-more-left", left);
  box.toggleAttribute("data-more-right", right);
}
