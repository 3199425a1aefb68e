// What stands below the name of a chart: its pictures, its numbers, and the same as a table.

import { asPNG, asSVG } from "./picture.js";

const MOST_ROWS = 50;

function save(blob, filename) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: filename });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function offerPictures(chart, title) {
  const { figure } = chart;
  const name = `${document.getElementById("main").dataset.job}-${figure.id}`;
  figure.querySelector("[data-picture=svg]").addEventListener("click", () => {
    save(new Blob([asSVG(chart, title())], { type: "image/svg+xml" }), `run-${name}.svg`);
  });
  figure.querySelector("[data-picture=png]").addEventListener("click", async () => {
    save(await asPNG(asSVG(chart, title())), `run-${name}.png`);
  });
}

// As many rows of what is in view as can be read, the last among them.
function rowsOf(chart) {
  const { min, max } = chart.inView; // the plot itself is told of it a moment later
  const places = chart.data[0].map((place, index) => [place, index]).filter(([place]) => place >= min && place <= max);
  const every = Math.ceil(places.length / MOST_ROWS) || 1;
  return places.filter((_each, index) => index % every === (places.length - 1) % every).reverse();
}

function fillTable(chart, body) {
  body.replaceChildren(
    ...rowsOf(chart).map(([place, index]) => {
      const row = document.createElement("tr");
      const head = Object.assign(document.createElement("th"), { scope: "row", textContent: chart.group.axis.write(place) });
      row.append(head);
      chart.lines.forEach((_line, line) => {
        row.insertCell().textContent = chart.write(chart.columnsOf(line).values[index]);
      });
      return row;
    }),
  );
}

// A menu is closed by Escape, and by a click elsewhere.
export function closeMenus(root) {
  const menus = () => root.querySelectorAll("details.chart-menu[open]");
  document.addEventListener("click", ({ target }) => {
    for (const menu of menus()) if (!menu.contains(target) || target.closest("li")) menu.open = false;
  });
  document.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape") return;
    for (const menu of menus()) {
      const hadFocus = menu.contains(document.activeElement);
      menu.open = false;
      if (hadFocus) menu.querySelector("summary").focus();
    }
  });
}

// `title`: what a picture is headed by. Returns what to call when the chart shows something new.
export function offerMenu(chart, title) {
  offerPictures(chart, title);
  const table = chart.figure.querySelector(".as-table");
  const [head, body] = ["thead th", "tbody"].map((part) => table.querySelector(part));
  const show = () => {
    if (!table.open) return;
    head.textContent = chart.group.axis.title;
    fillTable(chart, body);
  };
  table.addEventListener("toggle", show);
  return show;
}
