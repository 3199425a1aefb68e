// A table whose columns put its rows in order: in place, and without a script by their addresses.

export function sortInPlace(table) {
  const body = table.tBodies[0];
  for (const link of table.querySelectorAll("[data-sort]")) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      const header = link.closest("th");
      const isFalling = header.getAttribute("aria-sort") !== "descending";
      for (const other of table.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", isFalling ? "descending" : "ascending");
      const value = (row) => Number(row.querySelector(`[data-key="${link.dataset.sort}"]`).dataset.value);
      const rows = [...body.rows].sort((a, b) => (isFalling ? value(b) - value(a) : value(a) - value(b)));
      body.append(...rows);
    });
  }
}
