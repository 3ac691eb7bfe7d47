"use strict";
// The map with its controls and the panel beside it.

{
  const { map, words } = edwc.data;
  const { classes, hubs, centers, regions, slices } = map;
  const svg = edwc.byId("map-svg");
  const model = edwc.readFlows(map, words);
  const { state } = model;
  let sums = model.addUp(state.slice);
  let reference = null; // of the same classes and place, while differences from it are shown

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
    if (model.isDifference()) {
      const [more, less] = [...sums.categories].map((rate) => edwc.amount(rate * 1e6));
      const told = slices[state.slice].told; // of all classes and places, as everywhere on the page
      return [told, edwc.say("moved_more", { amount: more, less })].filter(Boolean).join(" ");
    }
    const parts = [edwc.say("tokens_an_hour", { amount: edwc.amount(sums.total * 1e6) })];
    if (sums.total > 0) parts.push(edwc.say("mean_rtt", { rtt: edwc.fixed(sums.rtt / sums.total, 1) }));
    if (map.power_mw) {
      const add = (values) => values.reduce((sum, value) => sum + value, 0);
      const drawnAt = (t) => add(map.power_mw[t]);
      const paidAt = (t) => add(map.power_mw[t].map((mw, c) => mw * map.price_cny_per_mwh[t][c]));
      // What was paid in a mean hour is the mean of what was paid, not mean price times mean power.
      const at = (of) => (state.slice >= 0 ? of(state.slice) : model.meanOf(slices.map((_, t) => of(t))));
      const price = edwc.fixed(at(paidAt) / at(drawnAt), 0);
      parts.push(edwc.say("power_and_price", { power: edwc.fixed(at(drawnAt), 0), price }));
    }
    return parts.join(" · ");
  };

  const fillPanel = () => {
    const text = model.sliceText();
    edwc.byId("now").textContent = state.slice < 0 ? edwc.say("mean_of_all") : text;
    edwc.byId("hour-text").textContent = text;
    edwc.byId("hour").setAttribute("aria-valuetext", text);
    edwc.byId("all-hours").setAttribute("aria-pressed", String(state.slice < 0));
    edwc.byId("now-text").textContent = summaryText();
    // Of the plan: the share of each region. Of a difference: what each region gains or loses, from the middle.
    const isDifference = model.isDifference();
    const largest = isDifference ? Math.max(...sums.regions.map(Math.abs)) : sums.total;
    const bars = regions.map((region, r) => {
      const row = edwc.make("div", { class: "region" });
      const bar = edwc.make("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
      const share = largest > 0 ? sums.regions[r] / largest : 0;
      const width = Math.abs(share) * (isDifference ? 50 : 100);
      const x = isDifference ? Math.min(50, 50 + 50 * share) : 0;
      const fill = isDifference ? model.categories()[share < 0 ? 1 : 0].colour : region.colour;
      bar.append(edwc.make("rect", { width: 100, height: 10, class: "track" }));
      bar.append(edwc.make("rect", { x, width, height: 10, fill, class: "mark" }));
      const amount = isDifference ? edwc.signed(sums.regions[r] * 1e6) : edwc.percent(share);
      row.append(edwc.make("span", {}, region.name), bar, edwc.make("span", { class: "number" }, amount));
      return row;
    });
    edwc.byId("regions").replaceChildren(...bars);
    edwc.byId("regions").classList.toggle("changed", isDifference);
    fillCenters();
    for (const element of marked) element.classList.remove("now");
    marked = partsOfSlice.get(state.slice) ?? [];
    for (const element of marked) element.classList.add("now");
  };

  const planColumns = [
    { name: edwc.say("column_center"), of: (c) => centers[c].name, isWord: true },
    { name: edwc.say("column_region"), of: (c) => regions[centers[c].region].name, isWord: true },
    { name: edwc.say("column_tokens"), of: (c) => edwc.amount(sums.centers[c] * 1e6) },
    { name: edwc.say("column_share"), of: (c) => edwc.percent(sums.centers[c] / sums.total) },
    { name: edwc.say("column_rtt"), of: (c) => edwc.fixed(sums.centerRtt[c] / sums.centers[c], 1) },
    ...(map.power_mw
      ? [
          { name: edwc.say("column_power"), of: (c) => edwc.fixed(model.hourly(map.power_mw, c), 1) },
          { name: edwc.say("column_price"), of: (c) => edwc.fixed(model.hourly(map.price_cny_per_mwh, c), 0) },
        ]
      : []),
  ];
  // A change is told beside what it is a change of: a share of all moves would read as growth or loss of the place.
  const before = (c) => reference.centers[c];
  const changeColumns = [
    ...planColumns.slice(0, 2),
    { name: edwc.say("column_change"), of: (c) => edwc.signed(sums.centers[c] * 1e6) },
    { name: edwc.say("column_before"), of: (c) => edwc.amount(before(c) * 1e6) },
    { name: edwc.say("column_change_share"), of: (c) =>
      (before(c) > 0 ? edwc.signedPercent(sums.centers[c] / before(c)) : edwc.say("new")) },
  ];
  const centersNow = edwc.byId("centers-now");
  const head = centersNow.createTHead().insertRow();
  const body = centersNow.createTBody();
  const fillCenters = () => {
    edwc.byId("centers-now-title").textContent = edwc.say("centers_at", { time: model.sliceText() });
    const columns = model.isDifference() ? changeColumns : planColumns;
    head.replaceChildren(...columns.map(({ name, isWord }) =>
      edwc.make("th", { scope: "col", ...(isWord ? {} : { class: "number" }) }, name)));
    // A change that rounds to nothing is none.
    const least = reference ? 1e-6 * reference.total : 0;
    const order = [...centers.keys()].filter((c) => Math.abs(sums.centers[c]) > least)
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
    reference = model.isDifference() ? model.ofReference() : null;
    drawing.show(sums);
    fillPanel();
    drawing.drawHour();
  };
  const say = () => {
    const told = [summaryText().split(" · ")[0]];
    if (sums.total > 0 && !model.isDifference()) {
      const [rate, region] = regions.map((one, r) => [sums.regions[r], one.name]).sort((a, b) => b[0] - a[0])[0];
      told.push(edwc.say("share_in_region", { share: edwc.percent(rate / sums.total), region }));
    }
    edwc.byId("status").textContent = edwc.say("told_of", { what: model.sliceText(), text: told.join(edwc.say("between")) });
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
  // What is known of a data center beyond its flows: of a run, written below the map.
  const abouts = [...document.querySelectorAll("[data-about]")];
  const setPlace = (key) => {
    state.place = key;
    edwc.byId("place").value = key;
    for (const about of abouts) about.hidden = about.dataset.about !== key;
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
    play.textContent = `❚❚ ${edwc.say("pause")}`;
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
  select.append(edwc.make("option", { value: "" }, edwc.say("all_places")));
  for (const [title, kind, list] of [[edwc.say("hubs"), "h", hubs], [edwc.say("centers"), "c", centers]]) {
    const group = edwc.make("optgroup", { label: title });
    list.forEach((place, i) => {
      if (kind === "h" || model.used.has(i) || abouts.length > 0) group.append(edwc.make("option", { value: `${kind}${i}` }, place.name));
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
  Object.assign(edwc.keep, {
    slice: () => state.slice, place: () => state.place, classes: () => [...state.classes], window: view.window,
    difference: () => model.isDifference(),
  });
  if (edwc.kept) {
    const { slice, place, classes: wanted, window, difference } = edwc.kept;
    state.classes = new Set(wanted);
    for (const box of edwc.byId("classes").querySelectorAll("input")) box.checked = state.classes.has(Number(box.value));
    if (difference) {
      edwc.byId("difference").checked = true;
      model.showDifference(true);
    }
    setPlace(place);
    setSlice(slice, true);
    view.show(window);
  }
  edwc.byId("status").textContent = ""; // nothing has happened yet that needs saying
}
