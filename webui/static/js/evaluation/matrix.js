// A confusion matrix by keyboard: one stop for the Tab key, and arrow keys from cell to cell.

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

export function walkCells(table) {
  const rows = Array.from(table.tBodies[0].rows, (row) => Array.from(row.cells, (cell) => cell.querySelector("a")));
  const links = rows.flatMap((row) => row.slice(1)).filter(Boolean);
  if (!links.length) return;
  let current = links[0];
  for (const link of links) link.tabIndex = link === current ? 0 : -1;

  const go = (link) => {
    current.tabIndex = -1;
    current = link;
    current.tabIndex = 0;
  };
  table.addEventListener("focusin", ({ target }) => {
    if (links.includes(target)) go(target);
  });
  table.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (!step || !links.includes(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault(); // nothing is scrolled
    const next = nextLink(rows, event.target, step);
    if (next) next.focus();
  });
}

// The next cell that has images, in a direction.
function nextLink(rows, from, [down, right]) {
  let y = rows.findIndex((row) => row.includes(from));
  let x = rows[y].indexOf(from);
  for (;;) {
    [y, x] = [y + down, x + right];
    if (x < 1 || rows[y]?.[x] === undefined) return null;
    if (rows[y][x]) return rows[y][x];
  }
}
