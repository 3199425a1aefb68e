// What a script adds to an evaluation, on its own page and in that of its run.

import { walkCells } from "./matrix.js";
import { sortInPlace } from "./sorted_table.js";

export function enhance(section) {
  const matrix = section.querySelector(".confusion table");
  if (matrix) walkCells(matrix);
  for (const table of section.querySelectorAll("table[data-sortable]")) sortInPlace(table);
}
