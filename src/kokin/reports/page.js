"use strict";

const PRINTED_ROWS = 30;
const collator = new Intl.Collator(document.documentElement.lang, { numeric: true });

// Add a filter box and sorting headings to every list. Without this script the page is complete, but static.
for (const list of document.querySelectorAll(".list")) {
  const rows = [...list.querySelectorAll("tbody tr")];
  addLabels(list, rows);
  addCopying(list);
  addFilter(list, rows);
  list.querySelectorAll("thead th").forEach((head, column) => addSorting(list, head, column, rows));
}

// Name each cell by its heading: on a narrow screen a row is a card.
function addLabels(list, rows) {
  const heads = [...list.querySelectorAll("thead th")].map((head) => head.textContent);
  for (const row of rows) [...row.cells].forEach((cell, at) => { cell.dataset.label = heads[at]; });
  list.classList.add("cards-below");
}

// A button of a row copies the command that shows its bill or receipt.
function addCopying(list) {
  for (const button of list.querySelectorAll("button.copy")) {
    button.title = `kokin ledger show ${button.value}`;
    button.setAttribute("aria-label", button.title);
  }
  list.addEventListener("click", async ({ target }) => {
    if (!target.matches("button.copy")) return;
    try {
      await navigator.clipboard.writeText(target.title);
    } catch {
      copySelected(target.title);
    }
    list.previousElementSibling.querySelector("output").textContent = `${document.body.dataset.copied}: ${target.title}`;
  });
}

// For a page that may not use the clipboard, as one that is no secure context.
function copySelected(text) {
  const area = Object.assign(document.createElement("textarea"), { value: text });
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

// Print the first of the rows that are visible, in their order, and say how many of all they are.
function markPrinted(list, visible) {
  visible.forEach((row, at) => row.classList.toggle("cut", at >= PRINTED_ROWS));
  list.classList.add("marked");
  let note = list.nextElementSibling;
  while (note && !note.matches(".printed")) note = note.nextElementSibling;
  const shown = Math.min(visible.length, PRINTED_ROWS).toLocaleString("en");
  const all = Number(note.dataset.all).toLocaleString("en");
  note.classList.toggle("all", shown === all);
  note.textContent = document.body.dataset.printed.replace("##", all).replace("#", shown);
}

function addFilter(list, rows) {
  const { filter, rows: countText, openOnly } = document.body.dataset;
  const box = Object.assign(document.createElement("input"), { type: "search", placeholder: filter });
  box.setAttribute("aria-label", `${filter}: ${list.getAttribute("aria-label")}`);
  const count = document.createElement("output");
  const open = Object.assign(document.createElement("input"), { type: "checkbox" });
  const texts = rows.map((row) => row.textContent.normalize("NFKC").toLowerCase());

  function show() {
    const words = box.value.normalize("NFKC").toLowerCase().split(/\s+/).filter(Boolean);
    rows.forEach((row, at) => {
      row.hidden = (open.checked && row.matches(".closed")) || !words.every((word) => texts[at].includes(word));
    });
    const visible = rows.filter((row) => !row.hidden);
    const [found, total] = [visible.length, rows.length].map((number) => number.toLocaleString("en"));
    count.textContent = countText.replace("#", found === total ? found : `${found} / ${total}`);
    markPrinted(list, visible);
  }

  box.addEventListener("input", show);
  show();
  const tools = document.createElement("div");
  tools.className = "tools";
  tools.append(box);
  if (rows.some((row) => row.matches(".closed"))) {
    const label = document.createElement("label");
    label.append(open, openOnly);
    open.addEventListener("input", show);
    tools.append(label);
  }
  tools.append(count);
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
    markPrinted(list, rows.filter((row) => !row.hidden));
  });
}

function valueOf(cell) {
  const text = cell.textContent;
  if (text === "") return null;
  return cell.classList.contains("n") ? Number(text.replaceAll(",", "")) : text;
}

// Empty cells are last in both directions, numbers before texts; direction is 1 or -1.
function compare(one, two, direction) {
  if (one === null || two === null) return (one === null) - (two === null);
  if (typeof one !== typeof two) return typeof one === "number" ? -direction : direction;
  return direction * (typeof one === "number" ? one - two : collator.compare(one, two));
}
