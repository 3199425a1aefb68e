// A confusion matrix by keyboard: one stop for the Tab key, and arrow keys from cell to cell, and to the names of classes.

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

export function walkCells(table) {
  const rows = Array.from(table.rows, (row) => Array.from(row.cells, (cell) => cell.querySelector("a")));
  const links = rows.flat().filter(Boolean);
  let current = table.querySelector("td a");
  if (!current) return;
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

// The next cell that has images: in the row, or in the next row that has one, the nearest to the column.
function nextLink(rows, from, [down, right]) {
  const y = rows.findIndex((row) => row.includes(from));
  const x = rows[y].indexOf(from);
  if (right) return inOrder(rows[y], x, right).find(Boolean);
  for (const row of inOrder(rows, y, down)) {
    const [nearest] = row
      .map((link, at) => ({ link, distance: Math.abs(at - x) }))
      .filter(({ link }, at) => link && (at > 0) === (x > 0)) // among the names of rows, or among the cells
      .sort((a, b) => a.distance - b.distance);
    if (nearest) return nearest.link;
  }
  return null;
}

// What follows a place in a list, or what comes before it, the nearest first.
function inOrder(list, at, step) {
  return step > 0 ? list.slice(at + 1) : list.slice(0, at).reverse();
}
