"use strict";

// Search as the model reads: without diacritics and tatweel, alef forms and alef maksura folded.
const fold = (text) => text.normalize("NFKC").replace(/[\u064b-\u065f\u0670\u0640]/g, "")
  .replace(/[\u0622\u0623\u0625\u0671]/g, "\u0627").replace(/\u0649/g, "\u064a").replace(/\s+/g, " ").trim().toLowerCase();

// Tables: a heading sorts by its column, once more turns the order round.
const value = (row, column) => {
  const cell = row.cells[column];
  const text = cell.dataset.value ?? cell.textContent.trim();
  return text !== "" && !isNaN(text) ? Number(text) : text;
};
const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "ar"));

for (const table of document.querySelectorAll("table[data-sortable]")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => heading.querySelector("button").addEventListener("click", () => {
    const falling = heading.getAttribute("aria-sort") === "ascending";
    headings.forEach((each) => each.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => (falling ? -1 : 1) * compare(value(a, column), value(b, column)));
    table.tBodies[0].append(...rows);
  }));
}

// Errors: filters, and confusion cells that set them.
const filters = document.getElementById("filters");
if (filters) {
  const rows = [...document.getElementById("errors-table").tBodies[0].rows];
  const texts = new Map(rows.map((row) => [row, fold(row.cells[0].textContent)]));
  const apply = () => {
    const { text, topic, true: truth, predicted } = Object.fromEntries(new FormData(filters));
    const wanted = { topic, true: truth, predicted };
    const words = fold(text);
    let shown = 0;
    for (const row of rows) {
      const fits = Object.entries(wanted).every(([name, choice]) => !choice || row.dataset[name] === choice);
      row.hidden = !(fits && texts.get(row).includes(words));
      shown += !row.hidden;
    }
    document.getElementById("count").textContent = `${shown} shown`;
  };
  filters.addEventListener("input", apply);
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.addEventListener("reset", () => setTimeout(apply));
  for (const button of document.querySelectorAll("button[data-topic]")) {
    button.addEventListener("click", () => {
      filters.reset();
      for (const name of ["topic", "true", "predicted"]) filters.elements[name].value = button.dataset[name];
      setTimeout(() => { apply(); document.getElementById("errors").scrollIntoView(); filters.elements.topic.focus(); });
    });
  }
  apply();  // a browser may keep the choices of an earlier visit
}
