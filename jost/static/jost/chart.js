// Tells what each move of a cell is worth: by a click, or by the arrow keys.
const said = document.querySelector("[data-said]");
const cells = [...document.querySelectorAll("td[data-values]")];

for (const table of document.querySelectorAll("table.chart")) {
  const first = table.querySelector("td[data-values]");
  if (first) first.tabIndex = 0;
}

function tell(cell) {
  for (const each of cells) each.classList.toggle("chosen", each === cell);
  said.textContent = `${cell.dataset.cell}: ${cell.dataset.values}`;
}

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

function step(cell, [down, right]) {
  const row = cell.parentElement;
  const rows = [...row.parentElement.rows];
  const next = rows[rows.indexOf(row) + down]?.cells[cell.cellIndex + right];
  if (!next?.dataset.values) return;
  cell.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

for (const cell of cells) {
  if (cell.tabIndex !== 0) cell.tabIndex = -1;
  cell.addEventListener("click", () => cell.focus());
  cell.addEventListener("focus", () => tell(cell));
  cell.addEventListener("mouseenter", () => tell(cell));
  cell.addEventListener("keydown", (event) => {
    if (!(event.key in STEPS)) return;
    event.preventDefault();
    step(cell, STEPS[event.key]);
  });
}
