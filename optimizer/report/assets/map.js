"use strict";
// The map with its controls and the panel beside it.

{
  const { map, words } = edwc.data;
  const { classes, hubs, centers, regions, slices } = map;
  const svg = edwc.byId("map-svg");
  const model = edwc.readFlows(map, words);
  const { state } = model;
  let sums = model.addUp(state.slice);

  let pending = 0;
  const redraw = () => {
    cancelAnimationFrame(pending);
    pending = requestAnimationFrame(() => drawing.drawAll());
  };
  const whole = { x: 0, y: 0, w: map.width, h: map.height };
  const view = edwc.makeView(svg, whole, redraw);
  const drawing = edwc.makeDrawing(map, model, svg, {
    choose: (key) => setPlace(state.place === key ? "" : key),
    wasDragged: view.wasDragged,
    getWindow: view.window,
  });

  // The panel ----------------------------------------------------------------------------------------------------

  // Parts of charts that belong to a slice: they are marked while it is shown, and lead to it.
  const partsOfSlice = new Map();
  for (const element of document.querySelectorAll("[data-slice]")) {
    const slice = Number(element.dataset.slice);
    partsOfSlice.set(slice, [...(partsOfSlice.get(slice) ?? []), element]);
    element.addEventListener("click", () => setSlice(slice));
  }
  let marked = [];

  const summaryText = () => {
    const parts = [`${edwc.amount(sums.total * 1e6)} tokens an hour${model.isDifference() ? " on other ways" : ""}`];
    if (sums.total > 0 && !model.isDifference()) parts.push(`mean RTT ${edwc.fixed(sums.rtt / sums.total, 1)} ms`);
    if (map.power_mw) {
      const add = (values) => values.reduce((sum, value) => sum + value, 0);
      const drawnAt = (t) => add(map.power_mw[t]);
      const paidAt = (t) => add(map.power_mw[t].map((mw, c) => mw * map.price_cny_per_mwh[t][c]));
      // What was paid in a mean hour is the mean of what was paid, not mean price times mean power.
      const at = (of) => (state.slice >= 0 ? of(state.slice) : model.meanOf(slices.map((_, t) => of(t))));
      const price = edwc.fixed(at(paidAt) / at(drawnAt), 0);
      parts.push(`${edwc.fixed(at(drawnAt), 0)} MW at ${price} CNY/MWh (all classes)`);
    }
    return parts.join(" · ");
  };

  const fillPanel = () => {
    const text = model.sliceText();
    edwc.byId("now").textContent = state.slice < 0 ? "Mean of all hours" : text;
    edwc.byId("hour-text").textContent = text;
    edwc.byId("hour").setAttribute("aria-valuetext", text);
    edwc.byId("all-hours").setAttribute("aria-pressed", String(state.slice < 0));
    edwc.byId("now-text").textContent = summaryText();
    const all = sums.categories.reduce((sum, rate) => sum + rate, 0);
    const bars = model.categories().map((category, c) => {
      const row = edwc.make("div", { class: "region" });
      const bar = edwc.make("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
      const share = all > 0 ? sums.categories[c] / all : 0;
      bar.append(edwc.make("rect", { width: 100, height: 10, class: "track" }));
      bar.append(edwc.make("rect", { width: 100 * share, height: 10, fill: category.colour, class: "mark" }));
      row.append(edwc.make("span", {}, category.name), bar, edwc.make("span", { class: "number" }, edwc.percent(share)));
      return row;
    });
    edwc.byId("regions").replaceChildren(...bars);
    fillCenters();
    for (const element of marked) element.classList.remove("now");
    marked = partsOfSlice.get(state.slice) ?? [];
    for (const element of marked) element.classList.add("now");
  };

  const columns = [
    { name: "Data center", of: (c) => centers[c].name, isWord: true },
    { name: "region", of: (c) => regions[centers[c].region].name, isWord: true },
    { name: "tokens/h", of: (c) => edwc.amount(sums.centers[c] * 1e6) },
    { name: "share", of: (c) => edwc.percent(sums.centers[c] / sums.total) },
    { name: "RTT, ms", of: (c) => (model.isDifference() ? "–" : edwc.fixed(sums.centerRtt[c] / sums.centers[c], 1)) },
    ...(map.power_mw
      ? [
          { name: "MW", of: (c) => edwc.fixed(model.hourly(map.power_mw, c), 1) },
          { name: "CNY/MWh", of: (c) => edwc.fixed(model.hourly(map.price_cny_per_mwh, c), 0) },
        ]
      : []),
  ];
  const centersNow = edwc.byId("centers-now");
  const head = centersNow.createTHead().insertRow();
  for (const { name, isWord } of columns) {
    head.append(edwc.make("th", { scope: "col", ...(isWord ? {} : { class: "number" }) }, name));
  }
  const body = centersNow.createTBody();
  const fillCenters = () => {
    edwc.byId("centers-now-title").textContent = `Data centers, ${model.sliceText()}`;
    const order = [...centers.keys()].filter((c) => sums.centers[c] !== 0)
      .sort((a, b) => Math.abs(sums.centers[b]) - Math.abs(sums.centers[a]));
    body.replaceChildren(...order.map((c) => {
      const row = edwc.make("tr");
      columns.forEach(({ of, isWord }, i) => {
        const cell = i === 0 ? ["th", { scope: "row" }] : ["td", isWord ? {} : { class: "number" }];
        row.append(edwc.make(...cell, of(c)));
      });
      return row;
    }));
  };

  // What a reader does -------------------------------------------------------------------------------------------

  const refresh = () => {
    sums = model.addUp(state.slice);
    drawing.show(sums);
    fillPanel();
    drawing.drawHour();
  };
  const say = () => {
    const best = regions.map((region, r) => [sums.regions[r], region.name]).sort((a, b) => b[0] - a[0])[0];
    const isShare = sums.total > 0 && !model.isDifference();
    const share = isShare ? `, ${edwc.percent(best[0] / sums.total)} in the ${best[1]}` : "";
    edwc.byId("status").textContent = `${model.sliceText()}: ${edwc.amount(sums.total * 1e6)} tokens an hour${share}`;
  };
  const setSlice = (slice, isQuiet = false) => {
    state.slice = slice;
    if (slice >= 0) edwc.byId("hour").value = slice;
    refresh();
    if (!isQuiet) say();
  };
  const rescale = () => {
    drawing.rescale();
    refresh();
    drawing.drawAll();
    say();
  };
  const setPlace = (key) => {
    state.place = key;
    edwc.byId("place").value = key;
    rescale();
  };

  let clock = null;
  const play = edwc.byId("play");
  const stop = () => {
    if (clock === null) return;
    clearInterval(clock);
    clock = null;
    play.textContent = `▶ ${words.play}`;
    play.setAttribute("aria-pressed", "false");
  };
  play.addEventListener("click", () => {
    if (clock !== null) {
      stop();
      say();
      return;
    }
    play.textContent = "❚❚ Pause";
    play.setAttribute("aria-pressed", "true");
    const step = () => setSlice((state.slice + 1) % slices.length, true);
    step();
    clock = setInterval(step, 800);
  });
  edwc.byId("hour").addEventListener("input", (event) => {
    stop();
    setSlice(Number(event.target.value));
  });
  edwc.byId("all-hours").addEventListener("click", () => {
    stop();
    setSlice(-1);
  });

  classes.forEach((kind, i) => {
    const box = edwc.make("input", { type: "checkbox", value: i });
    box.checked = true;
    box.addEventListener("change", () => {
      if (box.checked) state.classes.add(i);
      else state.classes.delete(i);
      rescale();
    });
    const chip = edwc.make("label", { class: "chip" });
    chip.append(box, edwc.make("span", {}, kind.name));
    edwc.byId("classes").append(chip);
  });
  const setAll = (isOn) => {
    state.classes = new Set(isOn ? classes.keys() : []);
    for (const box of edwc.byId("classes").querySelectorAll("input")) box.checked = isOn;
    rescale();
  };
  edwc.byId("classes-all").addEventListener("click", () => setAll(true));
  edwc.byId("classes-none").addEventListener("click", () => setAll(false));

  const select = edwc.byId("place");
  select.append(edwc.make("option", { value: "" }, "all places"));
  for (const [title, kind, list] of [["Demand hubs", "h", hubs], ["Data centers", "c", centers]]) {
    const group = edwc.make("optgroup", { label: title });
    list.forEach((place, i) => {
      if (kind === "h" || model.used.has(i)) group.append(edwc.make("option", { value: `${kind}${i}` }, place.name));
    });
    select.append(group);
  }
  select.addEventListener("change", () => setPlace(select.value));
  edwc.byId("local").addEventListener("change", redraw);
  edwc.byId("difference")?.addEventListener("change", (event) => {
    model.showDifference(event.target.checked);
    rescale();
  });

  new ResizeObserver(redraw).observe(svg);
  // On paper the map is about as wide as this, and is laid out before anything can measure it.
  addEventListener("beforeprint", () => drawing.drawAll(680));
  addEventListener("afterprint", redraw);

  if (innerWidth < 700) document.querySelector("details.filters").open = false;
  rescale();
  edwc.byId("status").textContent = ""; // nothing has happened yet that needs saying
}
