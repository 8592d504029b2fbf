// Sorts tables by a click on a heading and filters the overview; without it the page is complete, in the data's order.
"use strict";
const key = (row, index) => {
  const cell = row.cells[index];
  return "sort" in cell.dataset ? Number(cell.dataset.sort) : cell.textContent.trim().toLowerCase();
};
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  heads.forEach((head, index) => {
    if ("unsortable" in head.dataset) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const wasDown = head.getAttribute("aria-sort") === "descending";
      const first = head.classList.contains("number") ? !wasDown : head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", first ? "descending" : "ascending");
      const sign = first ? -1 : 1;
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const [x, y] = [key(a, index), key(b, index)];
        return sign * (x < y ? -1 : x > y ? 1 : 0);
      });
      table.tBodies[0].append(...rows);
    });
  });
}
const filter = document.querySelector(".filter");
if (filter) {
  filter.hidden = false;
  filter.querySelector("input").addEventListener("input", (event) => {
    const wanted = event.target.value.trim().toLowerCase();
    for (const row of document.querySelectorAll("#columns-table tbody tr")) {
      row.hidden = ![row.cells[0], row.cells[2]].some((cell) => cell.textContent.toLowerCase().includes(wanted));
    }
  });
}
