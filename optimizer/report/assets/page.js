"use strict";
// What every page does: colours, the tip at the pointer, sortable tables, files to download.
// Names from input files are hostile: text enters the page as textContent and as attributes alone.

const edwc = { data: JSON.parse(document.getElementById("data").textContent) };

edwc.byId = (id) => document.getElementById(id);

edwc.make = (tag, attributes = {}, text = null) => {
  const isSvg = ["path", "circle", "g", "text", "rect", "svg", "line"].includes(tag);
  const element = isSvg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== null) element.textContent = text;
  return element;
};

// Amounts -----------------------------------------------------------------------------------------------------------

edwc.amount = (value, digits = 3) => {
  if (!Number.isFinite(value)) return "–";
  const rounded = Number(value.toPrecision(digits));
  for (const [scale, word] of [[1e12, "trillion"], [1e9, "billion"], [1e6, "million"]]) {
    if (Math.abs(rounded) >= scale) return `${Number((rounded / scale).toPrecision(digits))} ${word}`;
  }
  return rounded.toLocaleString("en-US", { maximumSignificantDigits: digits });
};
edwc.percent = (share) => (Number.isFinite(share) ? `${(100 * share).toFixed(1)}%` : "–");
edwc.fixed = (value, decimals) =>
  Number.isFinite(value)
    ? value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals })
    : "–";

// Colours -----------------------------------------------------------------------------------------------------------

{
  const button = edwc.byId("theme");
  const choices = ["system", "light", "dark"];
  let chosen = 0;
  button.addEventListener("click", () => {
    chosen = (chosen + 1) % choices.length;
    if (chosen === 0) delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choices[chosen];
    button.textContent = `Colours: ${choices[chosen]}`;
  });
}

// The tip -----------------------------------------------------------------------------------------------------------

edwc.tip = {
  anchor: null, // what has the focus and is told, wherever the page scrolls
  show(text, x, y) {
    const tip = edwc.byId("tip");
    edwc.tip.anchor = null;
    tip.textContent = text;
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    const left = x + 14 + width > innerWidth ? x - 14 - width : x + 14;
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${Math.max(4, Math.min(y + 14, innerHeight - height - 4))}px`;
  },
  showBeside(element, text) {
    const { right, bottom } = element.getBoundingClientRect();
    edwc.tip.show(text, right, bottom);
    edwc.tip.anchor = element;
  },
  hide() {
    edwc.byId("tip").hidden = true;
    edwc.tip.anchor = null;
  },
};
// An element tells its tip in data-tip, or through a function that the map sets.
document.addEventListener("pointermove", (event) => {
  const target = event.target.closest?.("[data-tip], [data-told]");
  const text = target && (target.tell ? target.tell() : target.dataset.tip);
  if (text) edwc.tip.show(text, event.clientX, event.clientY);
  else edwc.tip.hide();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") edwc.tip.hide();
});
// A browser scrolls to what gets the focus, and says so later: the tip goes along then.
document.addEventListener("scroll", () => {
  const { anchor } = edwc.tip;
  if (!anchor) return edwc.tip.hide();
  edwc.tip.showBeside(anchor, edwc.byId("tip").textContent);
  const { top, bottom } = anchor.getBoundingClientRect();
  edwc.byId("tip").hidden = bottom < 0 || top > innerHeight; // and shown again when it comes back
}, { passive: true });

// Tables ------------------------------------------------------------------------------------------------------------

// Read "1,234.5", "45.7%" and "–"; what is no number sorts as text, what is missing last.
edwc.sortKey = (text) => {
  const number = Number.parseFloat(text.replaceAll(",", "").replace("−", "-"));
  return /^[-−]?[\d.,]+ ?%?$/.test(text.trim()) ? number : text;
};
edwc.compare = (a, b) => {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "number") return -1;
  if (typeof b === "number") return 1;
  return a.localeCompare(b, "en");
};

// Turn the headings of a table into buttons; `sort(column, isDown)` puts the rows in order.
edwc.makeSortable = (headings, sort) => {
  headings.forEach((heading, column) => {
    const button = edwc.make("button", { type: "button", class: "sort" }, heading.textContent);
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const isDown = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", isDown ? "descending" : "ascending");
      sort(column, isDown);
    });
  });
};
for (const table of document.querySelectorAll("table[data-sortable]")) {
  edwc.makeSortable([...table.tHead.rows[0].cells], (column, isDown) => {
    const rows = [...table.tBodies[0].rows].map((row) => [edwc.sortKey(row.cells[column].textContent), row]);
    rows.sort((a, b) => edwc.compare(a[0], b[0]) * (isDown ? -1 : 1));
    table.tBodies[0].append(...rows.map(([, row]) => row));
  });
}

// Files -------------------------------------------------------------------------------------------------------------

// Write rows as CSV; a text that a spreadsheet would take for a formula is marked as text, as csv_text.py does it.
edwc.csv = (rows) =>
  rows
    .map((row) =>
      row
        .map((cell) => {
          if (typeof cell === "number") return Number.isFinite(cell) ? String(cell) : "";
          const text = /^'*\s*[=+\-@\uff1d\uff0b\uff0d\uff20]/.test(cell) ? `'${cell}` : cell;
          return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
        })
        .join(","),
    )
    .join("\r\n") + "\r\n";

edwc.download = (name, text) => {
  // The mark at the start tells spreadsheets that the file is UTF-8.
  const url = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv" }));
  const link = edwc.make("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
};
