"use strict";

// Add a filter box and sorting headings to every list. Without this script the page is complete, but static.
for (const list of document.querySelectorAll(".list")) {
  const rows = [...list.querySelectorAll("tbody tr")];
  addFilter(list, rows);
  list.querySelectorAll("thead th").forEach((head, column) => addSorting(list, head, column, rows));
}

function addFilter(list, rows) {
  const { filter, rows: countText } = document.body.dataset;
  const box = Object.assign(document.createElement("input"), { type: "search", placeholder: filter });
  box.setAttribute("aria-label", `${filter}: ${list.getAttribute("aria-label")}`);
  const count = document.createElement("output");
  const texts = rows.map((row) => row.textContent.normalize("NFKC").toLowerCase());

  function show() {
    const words = box.value.normalize("NFKC").toLowerCase().split(/\s+/).filter(Boolean);
    rows.forEach((row, at) => { row.hidden = !words.every((word) => texts[at].includes(word)); });
    const visible = rows.filter((row) => !row.hidden).length;
    count.textContent = countText.replace("#", visible === rows.length ? visible : `${visible} / ${rows.length}`);
  }

  box.addEventListener("input", show);
  show();
  const tools = document.createElement("div");
  tools.className = "tools";
  tools.append(box, count);
  list.before(tools);
}

function addSorting(list, head, column, rows) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const values = new Map(rows.map((row) => [row, valueOf(row.cells[column])]));
    const order = (one, two) => compare(values.get(one), values.get(two), down ? -1 : 1);
    list.querySelector("tbody").append(...rows.sort(order));
  });
}

function valueOf(cell) {
  const text = cell.textContent;
  if (text === "") return null;
  return cell.classList.contains("n") ? Number(text.replaceAll(",", "")) : text;
}

// Empty cells are last in both directions; direction is 1 or -1.
function compare(one, two, direction) {
  if (one === null || two === null) return (one === null) - (two === null);
  return direction * (typeof one === "number" ? one - two : one.localeCompare(two, document.documentElement.lang));
}
