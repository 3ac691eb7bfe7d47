"use strict";
// The map: bands of flow along the fibre and circles of places, for any hour, classes and place, at any zoom.
// Positions are in map units; widths, radii and letters are in pixels, so they stay as they are when the map zooms.

{
  const { map, words } = edwc.data;
  const { routes, legs, classes, hubs, centers, regions, slices } = map;
  const svg = edwc.byId("map-svg");
  const layer = (name) => edwc.byId(`${name}-layer`);
  const widestPx = 22, largestCenterPx = 18, largestHubPx = 8, mostZoom = 16;

  // What flows ---------------------------------------------------------------------------------------------------

  const hoursPerYear = slices.reduce((sum, slice) => sum + slice.weight_h, 0);
  // Flows by slice, with their mean over all slices; a band takes the colour of its category. The category is the region
  // of the data center, or, of the difference from a reference, whether there is more or less.
  const arrange = (flows, categories, categoryOf) => {
    const start = new Array(slices.length + 1).fill(flows.slice.length);
    for (let i = flows.slice.length - 1; i >= 0; i -= 1) start[flows.slice[i]] = i;
    for (let t = slices.length - 1; t >= 0; t -= 1) start[t] = Math.min(start[t], start[t + 1]);
    const sums = new Map();
    flows.mtok_per_h.forEach((rate, i) => {
      const key = `${flows.class[i]} ${flows.route[i]} ${categoryOf(i)}`;
      const sum = sums.get(key) ??
        { class: flows.class[i], route: flows.route[i], rate: 0, rtt: flows.rtt_ms[i], category: categoryOf(i) };
      sum.rate += (rate * slices[flows.slice[i]].weight_h) / hoursPerYear;
      sums.set(key, sum);
    });
    return { flows, start, categories, categoryOf, mean: [...sums.values()] };
  };
  const plain = arrange(map.flows, regions, (i) => centers[routes[map.flows.route[i]].center].region);
  const difference = map.difference &&
    arrange(map.difference, map.difference.categories, (i) => map.difference.category[i]);
  let shown = plain;

  const state = { slice: words.all ? -1 : 0, classes: new Set(classes.keys()), place: "", view: null };

  const eachFlow = (slice, visit) => {
    const wanted = (kind, route) => {
      if (!state.classes.has(kind)) return false;
      const { hub, center } = routes[route];
      return state.place === "" || state.place === `h${hub}` || state.place === `c${center}`;
    };
    if (slice < 0) {
      for (const flow of shown.mean) if (wanted(flow.class, flow.route)) visit(flow.rate, flow.route, flow.rtt, flow.category);
      return;
    }
    const { flows, start, categoryOf } = shown;
    for (let i = start[slice]; i < start[slice + 1]; i += 1) {
      if (wanted(flows.class[i], flows.route[i])) visit(flows.mtok_per_h[i], flows.route[i], flows.rtt_ms[i], categoryOf(i));
    }
  };

  // Add up what travels: mtok/h by leg, direction and category, by place, and in all. Of a difference, places gain (+)
  // or lose (-), and the total is what changed its place.
  const addUp = (slice) => {
    const count = shown.categories.length;
    const sums = {
      legs: new Float64Array(legs.length * 2 * count), centers: new Float64Array(centers.length),
      hubs: new Float64Array(hubs.length), categories: new Float64Array(count), regions: new Float64Array(regions.length),
      centerRtt: new Float64Array(centers.length), total: 0, rtt: 0,
    };
    eachFlow(slice, (amount, number, rtt, category) => {
      const route = routes[number];
      for (const step of route.legs) {
        sums.legs[((Math.abs(step) - 1) * 2 + (step < 0 ? 1 : 0)) * count + category] += amount;
      }
      sums.categories[category] += amount;
      const rate = shown === difference && category > 0 ? -amount : amount;
      sums.centers[route.center] += rate;
      sums.centerRtt[route.center] += rate * rtt;
      sums.hubs[route.hub] += shown === difference ? amount / 2 : rate;
      sums.regions[centers[route.center].region] += rate;
      sums.total += shown === difference ? amount / 2 : rate;
      sums.rtt += rate * rtt;
    });
    return sums;
  };

  // One scale for all hours, so that hours compare; it follows the classes and the place chosen.
  const largestOfDay = () => {
    const largest = { leg: 0, center: 0, hub: 0 };
    for (let t = 0; t < slices.length; t += 1) {
      const sums = addUp(t);
      for (let leg = 0; leg < legs.length; leg += 1) {
        let carried = 0;
        const width = 2 * shown.categories.length;
        for (let i = 0; i < width; i += 1) carried += sums.legs[leg * width + i];
        largest.leg = Math.max(largest.leg, carried);
      }
      largest.center = Math.max(largest.center, ...sums.centers.map(Math.abs));
      largest.hub = Math.max(largest.hub, ...sums.hubs);
    }
    return largest;
  };

  let scale = largestOfDay();
  let sums = addUp(-1);
  let mean24 = sums; // of all hours: labels keep their places while the day plays
  let small = 1; // symbols shrink on a small screen
  const radius = (rate, largest, most) =>
    largest > 0 && rate > 0 ? Math.max(2.2, small * most * Math.sqrt(rate / largest)) : 0;

  // Drawing ------------------------------------------------------------------------------------------------------

  const unitsPerPixel = (pixels) => state.view.w / (pixels || svg.clientWidth || 860);
  const setSmall = (pixels) => { small = Math.min(Math.max((pixels || svg.clientWidth || 860) / 760, 0.55), 1); };

  // Shift a line sideways, to the right of its direction (y points down).
  const shift = (line, offset) =>
    line.map(([x, y], i) => {
      const [before, after] = [line[Math.max(i - 1, 0)], line[Math.min(i + 1, line.length - 1)]];
      const along = [after[0] - before[0], after[1] - before[1]];
      const length = Math.hypot(...along) || 1;
      return [x - (offset * along[1]) / length, y + (offset * along[0]) / length];
    });
  const path = (line) => `M${line.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`;

  const bands = [];
  const arrows = edwc.make("path", { class: "arrow" });
  const drawFlows = (k) => {
    const flowLayer = layer("flow");
    const drawn = [];
    let arrowPath = "";
    const count = shown.categories.length;
    for (let leg = 0; leg < legs.length; leg += 1) {
      const at = (direction, category) => sums.legs[(leg * 2 + direction) * count + category];
      // From the left edge: what travels backward, outermost category first, then what travels forward.
      const parts = [];
      for (let category = count - 1; category >= 0; category -= 1) if (at(1, category) > 0) parts.push([1, category]);
      for (let category = 0; category < count; category += 1) if (at(0, category) > 0) parts.push([0, category]);
      const width = (part) => (small * widestPx * at(...part)) / (scale.leg || 1);
      const total = parts.reduce((sum, part) => sum + width(part), 0);
      let left = -total / 2;
      for (const part of parts) {
        const px = width(part);
        const line = shift(legs[leg].line, (left + px / 2) * k);
        drawn.push({ d: path(line), px, total, category: part[1] });
        if (px >= 3.5) arrowPath += arrowHead(part[0] ? [...line].reverse() : line, px, k);
        left += px;
      }
    }
    drawn.sort((a, b) => b.total - a.total);
    while (bands.length < drawn.length) bands.push(flowLayer.appendChild(edwc.make("path", { class: "band mark" })));
    bands.forEach((band, i) => {
      const one = drawn[i];
      band.toggleAttribute("hidden", !one);
      if (!one) return;
      band.setAttribute("d", one.d);
      // A hairline at least: a small flow still shows its way.
      band.setAttribute("stroke-width", (Math.max(one.px, 0.7) * k).toFixed(2));
      band.setAttribute("stroke", shown.categories[one.category].colour);
    });
    arrows.setAttribute("d", arrowPath);
    flowLayer.append(arrows);
  };

  // A small arrowhead half way along a line.
  const arrowHead = (line, px, k) => {
    const steps = line.slice(1).map(([x, y], i) => Math.hypot(x - line[i][0], y - line[i][1]));
    const length = steps.reduce((sum, step) => sum + step, 0);
    if (length < 2.5 * px * k) return "";
    let rest = length / 2, i = 0;
    while (i < steps.length - 1 && rest > steps[i]) rest -= steps[i++];
    const [a, b] = [line[i], line[i + 1]];
    const along = [(b[0] - a[0]) / (steps[i] || 1), (b[1] - a[1]) / (steps[i] || 1)];
    const tip = [a[0] + along[0] * rest, a[1] + along[1] * rest];
    const half = 0.34 * px * k;
    const corner = (forward, side) => [
      tip[0] + forward * along[0] - side * along[1], tip[1] + forward * along[1] + side * along[0],
    ];
    return `${path([corner(1.3 * half, 0), corner(-0.9 * half, half), corner(-0.9 * half, -half)])}Z`;
  };

  const hits = legs.map((leg, i) => {
    const hit = edwc.make("path", { class: "hit", d: path(leg.line), "data-told": "" });
    hit.tell = () => {
      const lines = [];
      for (const direction of [0, 1]) {
        const [from, to] = direction ? [...leg.ends].reverse() : leg.ends;
        shown.categories.forEach((category, c) => {
          const rate = sums.legs[(i * 2 + direction) * shown.categories.length + c];
          const what = shown === difference ? category.name : `for the ${category.name}`;
          if (rate > 0) lines.push(`${from} → ${to}, ${what}: ${edwc.amount(rate * 1e6)} tokens/h`);
        });
      }
      return lines.join("\n");
    };
    return layer("hit").appendChild(hit);
  });

  const addPlace = (place, kind, number) => {
    const key = `${kind}${number}`;
    const group = edwc.make("g", { class: "place", "data-told": "" });
    const mark = kind === "c"
      ? edwc.make("circle", { class: "center mark", fill: regions[place.region].colour, cx: place.at[0], cy: place.at[1] })
      : edwc.make("circle", { class: "hub", cx: place.at[0], cy: place.at[1] });
    const cross = edwc.make("path", { class: "unused" });
    group.append(mark, ...(kind === "c" ? [cross] : []));
    const rate = () => (kind === "c" ? sums.centers : sums.hubs)[number];
    group.tell = () => {
      const lines = [place.name + (place.local ? ` · ${place.local}` : "")];
      lines.push(`${kind === "c" ? "data center" : "demand hub"}, ${regions[place.region].name}`);
      lines.push(kind === "c" && !used.has(number) ? "not used" : `${edwc.amount(rate() * 1e6)} tokens/h${shown === difference ? " of difference" : ""}`);
      if (kind === "c" && rate() > 0 && shown === plain) lines.push(`mean RTT ${edwc.fixed(sums.centerRtt[number] / rate(), 1)} ms`);
      if (kind === "c" && map.power_mw) {
        lines.push(`${edwc.fixed(hourly(map.power_mw, number), 1)} MW (all classes)`);
        lines.push(`${edwc.fixed(hourly(map.price_cny_per_mwh, number), 0)} CNY/MWh`);
      }
      return lines.join("\n");
    };
    const choose = () => setPlace(state.place === key ? "" : key);
    group.addEventListener("click", () => { if (!wasDragged) choose(); });
    group.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      choose();
    });
    group.addEventListener("focus", () => {
      const box = mark.getBoundingClientRect();
      edwc.tip.show(group.tell(), box.right, box.bottom);
    });
    group.addEventListener("blur", edwc.tip.hide);
    layer("place").append(group);
    return { place, kind, number, key, group, mark, cross, rate };
  };
  const used = new Set(routes.map((route) => route.center));
  const hourly = (table, center) =>
    state.slice >= 0
      ? table[state.slice][center]
      : table.reduce((sum, row, t) => sum + row[center] * slices[t].weight_h, 0) / hoursPerYear;
  let wasDragged = false;
  const places = [...hubs.map((hub, i) => addPlace(hub, "h", i)), ...centers.map((one, i) => addPlace(one, "c", i))];
  // The keyboard stops at the data centers in use; the list of places beside the map chooses among all.
  const stops = places.filter((one) => one.kind === "c" && used.has(one.number));
  for (const { group } of stops) {
    group.setAttribute("tabindex", "0");
    group.setAttribute("role", "button");
  }

  const drawPlaces = (k) => {
    for (const one of places) {
      const isCenter = one.kind === "c";
      one.px = isCenter
        ? radius(Math.abs(one.rate()), scale.center, largestCenterPx)
        : radius(one.rate(), scale.hub, largestHubPx);
      if (isCenter) {
        const colour = shown === difference ? shown.categories[one.rate() < 0 ? 1 : 0] : regions[one.place.region];
        one.mark.setAttribute("fill", colour.colour);
      }
      one.mark.setAttribute("r", (one.px * k).toFixed(2));
      one.mark.setAttribute("stroke-width", (1.4 * k).toFixed(2));
      if (isCenter) {
        const [[x, y], arm] = [one.place.at, one.px > 0 ? 0 : 3.2 * k];
        one.cross.setAttribute("d", arm ? `M${x - arm} ${y - arm}L${x + arm} ${y + arm}M${x - arm} ${y + arm}L${x + arm} ${y - arm}` : "");
        one.cross.setAttribute("stroke-width", (1.4 * k).toFixed(2));
      }
    }
    for (const { group } of stops) group.setAttribute("aria-label", group.tell().replaceAll("\n", ", "));
  };
  // Small circles stand on top of large ones, where they can be pointed at.
  const stackPlaces = () => {
    const rateOf = (one) => Math.abs((one.kind === "c" ? mean24.centers : mean24.hubs)[one.number]);
    const order = [...places].sort((a, b) => rateOf(b) - rateOf(a)).map((one) => one.group);
    layer("place").append(...order.filter((group) => group !== document.activeElement));
    for (const one of places) one.group.classList.toggle("chosen", state.place === one.key);
    for (const { group, key } of stops) group.setAttribute("aria-pressed", String(state.place === key));
  };

  // Labels, most important first, each where it hides neither another label nor a circle -------------------------

  const pen = document.createElement("canvas").getContext("2d");
  const family = getComputedStyle(document.body).fontFamily;
  const drawLabels = (k) => {
    const { x, y, w, h } = state.view;
    const [width, height] = [w / k, h / k];
    // The buttons at the right and the scale at the left keep their corners.
    const taken = [[width - 56, height - 130, width, height], [0, height - 40, 150, height]];
    const circles = places.map((one) => {
      const [cx, cy] = [(one.place.at[0] - x) / k, (one.place.at[1] - y) / k];
      const isCenter = one.kind === "c";
      const rate = Math.abs((isCenter ? mean24.centers : mean24.hubs)[one.number]);
      const largest = isCenter ? scale.center : scale.hub;
      const r = radius(rate, largest, isCenter ? largestCenterPx : largestHubPx);
      // First the data centers that matter, then demand hubs, then the small data centers.
      const rank = isCenter ? (rate > largest / 100 ? 2 : 0) : 1;
      return { one, cx, cy, r, rate, rank };
    }).filter(({ rate }) => rate > 0);
    const texts = [];
    const order = circles.filter(({ cx, cy }) => cx > 0 && cy > 0 && cx < width && cy < height).sort(
      (a, b) => b.rank - a.rank || b.rate - a.rate,
    );
    for (const { one, cx, cy, r } of order) {
      const [size, weight] = one.kind === "c" ? [12, 600] : [11, 400];
      let text = edwc.byId("local").checked && one.place.local ? one.place.local : one.place.name;
      if (text.length > 26) text = text.replace(/ \(.*$/, "").slice(0, 25).trimEnd() + (text.replace(/ \(.*$/, "").length > 25 ? "…" : "");
      pen.font = `${weight} ${size}px ${family}`;
      const length = pen.measureText(text).width;
      const gap = r + 3, drop = size * 0.36;
      const spots = [
        [cx + gap, cy + drop], [cx - gap - length, cy + drop], [cx - length / 2, cy - gap - 1], [cx - length / 2, cy + gap + size * 0.8],
        [cx + gap * 0.75, cy - gap * 0.6], [cx + gap * 0.75, cy + gap * 0.6 + size * 0.7],
        [cx - gap * 0.75 - length, cy - gap * 0.6], [cx - gap * 0.75 - length, cy + gap * 0.6 + size * 0.7],
      ];
      const box = ([left, base]) => [left - 2, base - size * 0.85, left + length + 2, base + size * 0.25];
      const spot = spots.find((candidate) => {
        const [l, t, r2, b] = box(candidate);
        if (l < 2 || t < 2 || r2 > width - 2 || b > height - 2) return false;
        if (taken.some(([l2, t2, r3, b2]) => l < r3 && r2 > l2 && t < b2 && b > t2)) return false;
        return !circles.some((other) => {
          const [dx, dy] = [Math.max(l - other.cx, 0, other.cx - r2), Math.max(t - other.cy, 0, other.cy - b)];
          return other.one !== one && dx * dx + dy * dy < other.r * other.r;
        });
      });
      if (!spot) continue;
      taken.push(box(spot));
      const label = edwc.make("text", {
        x: (x + spot[0] * k).toFixed(1), y: (y + spot[1] * k).toFixed(1), "stroke-width": (3 * k).toFixed(2),
        class: one.kind === "c" ? "center-name" : "hub-name",
      }, text);
      label.style.fontSize = `${(size * k).toFixed(2)}px`;
      texts.push(label);
    }
    layer("label").replaceChildren(...texts);
  };

  const drawKey = () => {
    const key = edwc.byId("key");
    key.replaceChildren();
    const three = (largest) => {
      const power = 10 ** Math.floor(Math.log10(largest));
      const top = [5, 2, 1].find((step) => step * power <= largest) * power;
      return [top, top / 4];
    };
    let y = 14;
    const write = (x, text, kind = "") => key.append(edwc.make("text", { x, y: y + 4, class: kind }, text));
    const group = (title, largest, draw) => {
      if (!(largest > 0)) return;
      write(0, title, "strong");
      y += 22;
      for (const amount of three(largest)) {
        const room = draw(amount);
        write(52, edwc.amount(amount * 1e6));
        y += Math.max(20, room + 8);
      }
      y += 6;
    };
    group("Band, tokens an hour", scale.leg, (amount) => {
      const px = (small * widestPx * amount) / scale.leg;
      key.append(edwc.make("line", { x1: 2, x2: 40, y1: y, y2: y, class: "key-band", "stroke-width": px }));
      return px;
    });
    group("Data center (ring: demand hub)", scale.center, (amount) => {
      const r = radius(amount, scale.center, largestCenterPx);
      key.append(edwc.make("circle", { cx: 20, cy: y, r, class: "key-circle" }));
      return r + 6;
    });
    key.setAttribute("viewBox", `0 0 240 ${y}`);
    key.setAttribute("height", y);
  };

  const drawScale = (k) => {
    const most = 120 * k * map.km_per_unit;
    const power = 10 ** Math.floor(Math.log10(most));
    const length = [5, 2, 1].find((step) => step * power <= most) * power;
    const bar = edwc.byId("scale");
    bar.querySelector("span").textContent = `${length.toLocaleString("en-US")} km`;
    bar.querySelector("i").style.width = `${length / map.km_per_unit / k}px`;
  };

  // What changes from hour to hour, and what changes with the window.
  const drawHour = (k = unitsPerPixel()) => {
    drawFlows(k);
    drawPlaces(k);
  };
  const draw = (pixels) => {
    const k = unitsPerPixel(pixels);
    setSmall(pixels);
    drawHour(k);
    drawLabels(k);
    drawScale(k);
    drawKey();
    hits.forEach((hit) => hit.setAttribute("stroke-width", (12 * k).toFixed(2)));
  };

  // The panel beside the map ---------------------------------------------------------------------------------------

  const hourText = () => (state.slice < 0 ? words.all : slices[state.slice].label);
  const told = new Map();
  for (const element of document.querySelectorAll("[data-slice]")) {
    const slice = Number(element.dataset.slice);
    told.set(slice, [...(told.get(slice) ?? []), element]);
    element.addEventListener("click", () => setSlice(slice));
  }
  let marked = [];

  const fillPanel = () => {
    edwc.byId("now").textContent = state.slice < 0 ? "Mean of all hours" : hourText();
    edwc.byId("hour-text").textContent = hourText();
    edwc.byId("hour").setAttribute("aria-valuetext", hourText());
    edwc.byId("all-hours").setAttribute("aria-pressed", String(state.slice < 0));
    const parts = [`${edwc.amount(sums.total * 1e6)} tokens an hour${shown === difference ? " on other ways" : ""}`];
    if (sums.total > 0 && shown === plain) parts.push(`mean RTT ${edwc.fixed(sums.rtt / sums.total, 1)} ms`);
    if (map.power_mw) {
      const power = centers.map((_, c) => hourly(map.power_mw, c));
      const drawn = power.reduce((sum, mw) => sum + mw, 0);
      // What was paid in a mean hour is the mean of what was paid, not price times mean power.
      const paid = state.slice >= 0
        ? power.reduce((sum, mw, c) => sum + mw * map.price_cny_per_mwh[state.slice][c], 0)
        : map.power_mw.reduce((sum, row, t) => sum + slices[t].weight_h * row.reduce((s, mw, c) => s + mw * map.price_cny_per_mwh[t][c], 0), 0) / hoursPerYear;
      parts.push(`${edwc.fixed(drawn, 0)} MW at ${edwc.fixed(paid / drawn, 0)} CNY/MWh (all classes)`);
    }
    edwc.byId("now-text").textContent = parts.join(" · ");
    const all = sums.categories.reduce((sum, rate) => sum + rate, 0);
    const bars = shown.categories.map((category, c) => {
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
    marked = told.get(state.slice) ?? [];
    for (const element of marked) element.classList.add("now");
  };

  const fillCenters = () => {
    const table = edwc.byId("centers-now");
    edwc.byId("centers-now-title").textContent = `Data centers, ${hourText()}`;
    const heads = ["Data center", "region", "tokens/h", "share", "RTT, ms", ...(map.power_mw ? ["MW", "CNY/MWh"] : [])];
    const isWord = (i) => i < 2;
    if (!table.tHead) {
      const row = table.createTHead().insertRow();
      heads.forEach((name, i) => row.append(edwc.make("th", { scope: "col", ...(isWord(i) ? {} : { class: "number" }) }, name)));
      table.createTBody();
    }
    const order = [...centers.keys()].filter((c) => sums.centers[c] !== 0)
      .sort((a, b) => Math.abs(sums.centers[b]) - Math.abs(sums.centers[a]));
    table.tBodies[0].replaceChildren(...order.map((c) => {
      const row = edwc.make("tr");
      const rtt = shown === plain ? sums.centerRtt[c] / sums.centers[c] : NaN;
      const cells = [edwc.amount(sums.centers[c] * 1e6), edwc.percent(sums.centers[c] / sums.total), edwc.fixed(rtt, 1)];
      if (map.power_mw) cells.push(edwc.fixed(hourly(map.power_mw, c), 1), edwc.fixed(hourly(map.price_cny_per_mwh, c), 0));
      row.append(edwc.make("th", { scope: "row" }, centers[c].name), edwc.make("td", {}, regions[centers[c].region].name));
      row.append(...cells.map((text) => edwc.make("td", { class: "number" }, text)));
      return row;
    }));
  };

  // What a reader does ---------------------------------------------------------------------------------------------

  let pending = 0;
  const redraw = () => {
    cancelAnimationFrame(pending);
    pending = requestAnimationFrame(() => draw());
  };
  const refresh = () => {
    sums = addUp(state.slice);
    fillPanel();
    drawHour();
  };
  const say = () => {
    const best = regions.map((region, r) => [sums.regions[r], region.name]).sort((a, b) => b[0] - a[0])[0];
    const share = sums.total > 0 && shown === plain ? `, ${edwc.percent(best[0] / sums.total)} in the ${best[1]}` : "";
    edwc.byId("status").textContent = `${hourText()}: ${edwc.amount(sums.total * 1e6)} tokens an hour${share}`;
  };
  const setSlice = (slice, isQuiet = false) => {
    state.slice = slice;
    if (slice >= 0) edwc.byId("hour").value = slice;
    refresh();
    if (!isQuiet) say();
  };
  const rescale = () => {
    scale = largestOfDay();
    mean24 = addUp(-1);
    stackPlaces();
    refresh();
    draw();
    say();
  };
  const setPlace = (key) => {
    state.place = key;
    edwc.byId("place").value = key;
    rescale();
  };

  edwc.byId("hour").addEventListener("input", (event) => { stop(); setSlice(Number(event.target.value)); });
  edwc.byId("all-hours").addEventListener("click", () => { stop(); setSlice(-1); });
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
    if (clock !== null) { stop(); say(); return; }
    play.textContent = "❚❚ Pause";
    play.setAttribute("aria-pressed", "true");
    const step = () => setSlice((state.slice + 1) % slices.length, true);
    step();
    clock = setInterval(step, 800);
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
      if (kind === "h" || used.has(i)) group.append(edwc.make("option", { value: `${kind}${i}` }, place.name));
    });
    select.append(group);
  }
  select.addEventListener("change", () => setPlace(select.value));
  edwc.byId("local").addEventListener("change", redraw);
  edwc.byId("difference")?.addEventListener("change", (event) => {
    shown = event.target.checked ? difference : plain;
    rescale();
  });

  // Moving and zooming ---------------------------------------------------------------------------------------------

  const whole = { x: 0, y: 0, w: map.width, h: map.height };
  const show = (view) => {
    const w = Math.min(Math.max(view.w, whole.w / mostZoom), whole.w);
    const h = (w * whole.h) / whole.w;
    state.view = { w, h, x: Math.min(Math.max(view.x, 0), whole.w - w), y: Math.min(Math.max(view.y, 0), whole.h - h) };
    svg.setAttribute("viewBox", [state.view.x, state.view.y, w, h].map((value) => value.toFixed(2)).join(" "));
    svg.classList.toggle("zoomed", w < whole.w - 1e-6);
    redraw();
  };
  const toMap = (clientX, clientY) => {
    const box = svg.getBoundingClientRect();
    const { x, y, w, h } = state.view;
    return [x + ((clientX - box.left) / box.width) * w, y + ((clientY - box.top) / box.height) * h];
  };
  const zoom = (factor, about = [state.view.x + state.view.w / 2, state.view.y + state.view.h / 2]) => {
    const { x, y, w } = state.view;
    const kept = Math.min(Math.max(w / factor, whole.w / mostZoom), whole.w) / w;
    show({ x: about[0] - (about[0] - x) * kept, y: about[1] - (about[1] - y) * kept, w: w * kept });
  };
  const pan = (dx, dy) => show({ ...state.view, x: state.view.x + dx, y: state.view.y + dy });

  edwc.byId("zoom-in").addEventListener("click", () => zoom(1.6));
  edwc.byId("zoom-out").addEventListener("click", () => zoom(1 / 1.6));
  edwc.byId("zoom-all").addEventListener("click", () => show(whole));
  svg.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && document.activeElement !== svg) {
      edwc.byId("map-hint").hidden = false;
      setTimeout(() => { edwc.byId("map-hint").hidden = true; }, 1500);
      return;
    }
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 400), toMap(event.clientX, event.clientY));
  }, { passive: false });
  svg.addEventListener("keydown", (event) => {
    const { w, h } = state.view;
    const moves = { ArrowLeft: [-w / 8, 0], ArrowRight: [w / 8, 0], ArrowUp: [0, -h / 8], ArrowDown: [0, h / 8] };
    if (moves[event.key]) pan(...moves[event.key]);
    else if (event.key === "+" || event.key === "=") zoom(1.4);
    else if (event.key === "-") zoom(1 / 1.4);
    else if (event.key === "0") show(whole);
    else return;
    event.preventDefault();
  });
  const pointers = new Map();
  svg.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    wasDragged = false;
  });
  svg.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = [event.clientX, event.clientY];
    const k = unitsPerPixel();
    if (pointers.size === 2) {
      const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      const spread = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]) || 1;
      zoom(spread(now, other) / spread(before, other), toMap((now[0] + other[0]) / 2, (now[1] + other[1]) / 2));
    } else if (event.pointerType !== "touch" || state.view.w < whole.w) {
      if (Math.hypot(now[0] - before[0], now[1] - before[1]) > 1) wasDragged = true;
      if (wasDragged && svg.hasPointerCapture?.(event.pointerId) === false) svg.setPointerCapture(event.pointerId);
      pan((before[0] - now[0]) * k, (before[1] - now[1]) * k);
    }
    pointers.set(event.pointerId, now);
  });
  for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
    svg.addEventListener(end, (event) => { if (end !== "pointerleave" || event.buttons === 0) pointers.delete(event.pointerId); });
  }

  new ResizeObserver(redraw).observe(svg);
  // On paper the map is about as wide as this, and is laid out before anything can measure it.
  addEventListener("beforeprint", () => draw(680));
  addEventListener("afterprint", redraw);

  edwc.map = { setSlice };
  if (innerWidth < 700) document.querySelector("details.filters").open = false;
  show(whole);
  stackPlaces();
  refresh();
  draw();
}
