"use strict";
// What every page does: colours, the tip at the pointer, sortable tables, files to download.
// Names from input files are hostile: text enters the page as textContent and as attributes alone.

const edwc = {
  data: JSON.parse(document.getElementById("data").textContent),
  // What a reader has chosen stays while the page loads again in the other language: every part says what it keeps.
  keep: {},
  kept: history.state?.edwc ?? null,
};

// Language: the page holds both; what is asked for after # is put in the place of the other before anything else runs.
{
  const asked = () => /(?:^#|&)lang=(en|zh)\b/.exec(location.hash)?.[1];
  const root = document.documentElement;
  const other = document.getElementById("other");
  if (asked() === other.dataset.lang) {
    // Outlines of the map and pictures without words are in the first alone.
    const shared = [...document.querySelectorAll("[data-shared]")];
    [...other.content.querySelectorAll("[data-shared]")].forEach((place, i) => place.replaceWith(shared[i]));
    document.getElementById("shown").replaceChildren(other.content);
    root.lang = other.dataset.lang;
    document.title = other.dataset.title;
  }
  addEventListener("hashchange", () => {
    if (!asked() || asked() === root.lang) return;
    const chosen = Object.entries(edwc.keep).map(([name, read]) => [name, read()]);
    history.scrollRestoration = "manual";
    history.replaceState({ edwc: Object.fromEntries(chosen) }, "");
    location.reload();
  });
  const { data } = edwc;
  for (const kind of ["words", "names", "scales"]) data[kind] = data[kind][root.lang];
  // What the data of the map call by English names: regions, classes, places, stops, and what is told of each case.
  const called = (text) => (Object.hasOwn(data.names, text) ? data.names[text] : text);
  const { map } = data;
  for (const kind of ["regions", "classes", "hubs", "centers"]) {
    for (const one of map[kind] ?? []) {
      one.also = one.name; // still found by a search
      one.name = called(one.name);
      if (one.name === one.local) one.local = "";
    }
  }
  for (const one of map.difference?.categories ?? []) one.name = called(one.name);
  for (const leg of map.legs ?? []) leg.ends = leg.ends.map(called);
  for (const route of map.routes ?? []) route.via = route.via.map(called);
  for (const slice of map.slices ?? []) {
    slice.label = called(slice.label);
    if (slice.told) slice.told = called(slice.told);
  }
}

edwc.byId = (id) => document.getElementById(id);

// What is unfolded, and how far down its section a reader is, in either language.
{
  const folds = () => [...document.querySelectorAll("#shown details")];
  const sections = [...document.querySelectorAll("#shown section")];
  edwc.keep.open = () => folds().map((fold) => fold.open);
  edwc.keep.read = () => {
    const at = sections.findLastIndex((section) => section.getBoundingClientRect().top <= 0);
    if (at < 0) return null;
    const { top, height } = sections[at].getBoundingClientRect();
    return [at, -top / height];
  };
  if (edwc.kept) addEventListener("load", () => {
    const { open, read } = edwc.kept;
    folds().forEach((fold, i) => { fold.open = open[i]; });
    if (read) {
      const { top, height } = sections[read[0]].getBoundingClientRect();
      scrollBy({ top: top + read[1] * height, behavior: "instant" });
    }
    history.scrollRestoration = "auto";
    history.replaceState(null, ""); // or a later visit would begin with it
  });
}

edwc.make = (tag, attributes = {}, text = null) => {
  const isSvg = ["path", "circle", "g", "text", "rect", "svg", "line"].includes(tag);
  const element = isSvg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== null) element.textContent = text;
  return element;
};

// Words: looked up by key, with values in the place of what stands in braces.
edwc.say = (key, values = {}) =>
  edwc.data.words[key].replace(/\{(\w+)\}/g, (_, name) => (name in values ? values[name] : `{${name}}`));

// Amounts -----------------------------------------------------------------------------------------------------------

edwc.amount = (value, digits = 3) => {
  if (!Number.isFinite(value)) return "–";
  const rounded = Number(value.toPrecision(digits));
  for (const [size, word] of edwc.data.scales) {
    if (size >= 1e4 && Math.abs(rounded) >= size) return `${(rounded / size).toLocaleString("en-US", { maximumSignificantDigits: digits })}${word}`;
  }
  return rounded.toLocaleString("en-US", { maximumSignificantDigits: digits });
};
edwc.percent = (share) => (Number.isFinite(share) ? `${(100 * share).toFixed(1)}%` : "–");
edwc.fixed = (value, decimals) =>
  Number.isFinite(value)
    ? value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals })
    : "–";

edwc.signed = (value) => (value > 0 ? "+" : "") + edwc.amount(value);
edwc.signedPercent = (share) => (share > 0 ? "+" : "") + edwc.percent(share);

// Colours -----------------------------------------------------------------------------------------------------------

{
  const button = edwc.byId("theme");
  const choices = ["system", "light", "dark"];
  let chosen = 0;
  const show = () => {
    if (chosen === 0) delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choices[chosen];
    button.textContent = edwc.say("colours", { choice: edwc.say(`colours_${choices[chosen]}`) });
  };
  button.addEventListener("click", () => {
    chosen = (chosen + 1) % choices.length;
    show();
  });
  edwc.keep.colours = () => chosen;
  if (edwc.kept) {
    chosen = edwc.kept.colours;
    show();
  }
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

// Read "1,234.5", "45.7%", "1.2 billion" and "–"; what is no number sorts as text, what is missing last.
edwc.sortKey = (text) => {
  const found = /^([-+−]?[\d.,]+)( ?%|\D*)$/.exec(text.trim());
  const [size] = (found && edwc.data.scales.find(([, word]) => word === found[2])) ?? [1];
  const isNumber = found && (size > 1 || ["", "%", " %"].includes(found[2]));
  return isNumber ? size * Number.parseFloat(found[1].replaceAll(",", "").replace("−", "-")) : text;
};
edwc.compare = (a, b) => {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "number") return -1;
  if (typeof b === "number") return 1;
  return a.localeCompare(b, document.documentElement.lang);
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

// Long tables show their first rows until all are asked for; on paper they are whole.
{
  const [shown, fewest] = [12, 16];
  for (const table of document.querySelectorAll(".scroll > table")) {
    const body = table.tBodies[0];
    if (!body || body.rows.length < fewest) continue;
    table.classList.add("short");
    const button = edwc.make("button", { type: "button", class: "all-rows" }, edwc.say("show_rows", { count: body.rows.length }));
    button.addEventListener("click", () => {
      table.classList.remove("short");
      button.remove();
    });
    table.closest(".sideways").after(button);
  }
}

// What is wider than its place scrolls: it says so, and the keyboard can stop there.
{
  const watch = (box) => {
    const [outer, scroll] = [box.parentElement, box];
    const isCut = scroll.scrollWidth > scroll.clientWidth + 1;
    outer.classList.toggle("cut", isCut && scroll.scrollLeft + scroll.clientWidth < scroll.scrollWidth - 2);
    let hint = outer.querySelector(".more");
    if (!isCut) {
      hint?.remove();
      for (const name of ["tabindex", "role", "aria-label"]) scroll.removeAttribute(name);
      return;
    }
    const table = scroll.querySelector("table");
    const labelledBy = table?.getAttribute("aria-labelledby");
    const label = table?.getAttribute("aria-label") ?? (labelledBy && edwc.byId(labelledBy)?.textContent);
    for (const [name, value] of [["tabindex", "0"], ["role", "region"], ["aria-label", label ?? ""]]) scroll.setAttribute(name, value);
    if (hint) return;
    hint = edwc.make("p", { class: "more" }, edwc.say("more_columns"));
    outer.prepend(hint);
  };
  const boxes = [...document.querySelectorAll(".scroll")];
  const sizes = new ResizeObserver((entries) => entries.forEach(({ target }) => watch(target.closest(".scroll"))));
  for (const box of boxes) {
    sizes.observe(box);
    for (const table of box.children) sizes.observe(table);
    box.addEventListener("scroll", () => watch(box), { passive: true });
  }
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
