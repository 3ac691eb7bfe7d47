"use strict";
// What is drawn on the map: bands along the fibre, circles of places with their labels, and the keys to both.
// Positions are in map units; widths, radii and letters are in pixels, so they stay as they are when the map zooms.

edwc.makeDrawing = (map, model, svg, { choose, wasDragged, getWindow }) => {
  const { legs, hubs, centers, regions } = map;
  const { shift, path, arrowHead, roundDown } = edwc.shapes;
  const layer = (name) => edwc.byId(`${name}-layer`);
  const widestPx = 22, largestCenterPx = 18, largestHubPx = 8, leastPx = 2.2, arrowFromPx = 3.5;

  let scale = null; // largest amounts of any time: one scale for all, so that times compare
  let mean = null; // of all times: labels keep their places while the day plays
  let sums = null; // of the time shown
  let small = 1; // symbols shrink on a small screen

  const widthPx = (rate) => (scale.leg > 0 ? (small * widestPx * rate) / scale.leg : 0);
  const radiusPx = (rate, isCenter) => {
    const [largest, most] = isCenter ? [scale.center, largestCenterPx] : [scale.hub, largestHubPx];
    return largest > 0 && rate > 0 ? Math.max(leastPx, small * most * Math.sqrt(rate / largest)) : 0;
  };
  const tokens = (rate) => edwc.say("tokens_per_h", { amount: edwc.amount(rate * 1e6) });

  // Bands --------------------------------------------------------------------------------------------------------

  // The amounts of a leg from its left edge: what travels backward, outermost category first, then what travels forward.
  const partsOf = (leg) => {
    const count = model.categories().length;
    const parts = [];
    for (let i = count - 1; i >= 0; i -= 1) parts.push({ isBack: true, category: i, rate: sums.legs[(leg * 2 + 1) * count + i] });
    for (let i = 0; i < count; i += 1) parts.push({ isBack: false, category: i, rate: sums.legs[leg * 2 * count + i] });
    return parts.filter(({ rate }) => rate > 0);
  };

  const bands = [];
  const arrows = edwc.make("path", { class: "arrow" });
  const drawFlows = (k) => {
    const drawn = [];
    let arrowPath = "";
    legs.forEach((leg, i) => {
      const parts = partsOf(i);
      const total = widthPx(parts.reduce((sum, { rate }) => sum + rate, 0));
      let left = -total / 2;
      for (const { isBack, category, rate } of parts) {
        const px = widthPx(rate);
        const line = shift(leg.line, (left + px / 2) * k);
        drawn.push({ d: path(line), px, total, category });
        if (px >= arrowFromPx) arrowPath += arrowHead(isBack ? [...line].reverse() : line, px, k);
        left += px;
      }
    });
    drawn.sort((a, b) => b.total - a.total); // thin ones on top
    while (bands.length < drawn.length) bands.push(layer("flow").appendChild(edwc.make("path", { class: "band mark" })));
    bands.forEach((band, i) => {
      const one = drawn[i];
      band.toggleAttribute("hidden", !one);
      if (!one) return;
      band.setAttribute("d", one.d);
      // A hairline at least: a small flow still shows its way.
      band.setAttribute("stroke-width", (Math.max(one.px, 0.7) * k).toFixed(2));
      band.setAttribute("stroke", model.categories()[one.category].colour);
    });
    arrows.setAttribute("d", arrowPath);
    layer("flow").append(arrows);
  };

  // Wide and invisible, so that a pointer finds a thin band.
  const hits = legs.map((leg, i) => {
    const hit = edwc.make("path", { class: "hit", d: path(leg.line), "data-told": "" });
    hit.tell = () =>
      partsOf(i).map(({ isBack, category, rate }) => {
        const [start, end] = isBack ? [...leg.ends].reverse() : leg.ends;
        const { name } = model.categories()[category];
        const what = model.isDifference() ? name : edwc.say("for_region", { region: name });
        return edwc.say("way", { start, end, what, amount: tokens(rate) });
      }).join("\n");
    return layer("hit").appendChild(hit);
  });

  // Places -------------------------------------------------------------------------------------------------------

  const rateOf = ({ isCenter, number }, of) => (isCenter ? of.centers : of.hubs)[number];

  const tellPlace = (one) => {
    const { place, isCenter, number } = one;
    const rate = rateOf(one, sums);
    const lines = [place.name + (place.local ? ` · ${place.local}` : "")];
    lines.push(edwc.say(isCenter ? "center_in" : "hub_in", { region: regions[place.region].name }));
    if (isCenter && !model.used.has(number)) lines.push(edwc.say("not_used"));
    else if (model.isDifference() && isCenter) lines.push(edwc.say("change_against", { amount: edwc.signed(rate * 1e6) }));
    else if (!model.isDifference()) lines.push(tokens(rate));
    if (isCenter && rate > 0 && !model.isDifference()) {
      lines.push(edwc.say("mean_rtt", { rtt: edwc.fixed(sums.centerRtt[number] / rate, 1) }));
    }
    if (isCenter && map.power_mw) {
      lines.push(edwc.say("power", { power: edwc.fixed(model.hourly(map.power_mw, number), 1) }));
      lines.push(edwc.say("price", { price: edwc.fixed(model.hourly(map.price_cny_per_mwh, number), 0) }));
    }
    return lines.join("\n");
  };

  const addPlace = (place, isCenter, number) => {
    const group = edwc.make("g", { class: "place", "data-told": "" });
    const mark = edwc.make("circle", { class: isCenter ? "center mark" : "hub", cx: place.at[0], cy: place.at[1] });
    const cross = edwc.make("path", { class: "unused" });
    const one = { place, isCenter, number, key: `${isCenter ? "c" : "h"}${number}`, group, mark, cross, px: 0 };
    group.append(mark, cross);
    group.tell = () => tellPlace(one);
    group.addEventListener("click", () => { if (!wasDragged()) choose(one.key); });
    group.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      choose(one.key);
    });
    layer("place").append(group);
    return one;
  };
  const places = [...hubs.map((hub, i) => addPlace(hub, false, i)), ...centers.map((one, i) => addPlace(one, true, i))];
  // On a small map a place is called by the first words of its name that no other place of its kind begins with.
  for (const one of places) {
    const words = one.place.name.split(" ");
    const others = places.filter((other) => other !== one && other.isCenter === one.isCenter).map(({ place }) => place.name);
    const count = words.findIndex((_, i) => {
      const start = words.slice(0, i + 1).join(" ");
      return !others.some((name) => name === start || name.startsWith(`${start} `));
    });
    one.shortName = words.slice(0, count + 1).join(" ") || one.place.name;
  }
  // The keyboard stops at the data centers in use; the list of places beside the map chooses among all.
  const stops = places.filter(({ isCenter, number }) => isCenter && model.used.has(number));
  for (const { group } of stops) {
    group.setAttribute("tabindex", "0");
    group.setAttribute("role", "button");
    // Chromium lets the keyboard stop at every shape that listens for the focus: only these may.
    group.addEventListener("focus", () => edwc.tip.showBeside(group.querySelector(".center"), group.tell()));
    group.addEventListener("blur", edwc.tip.hide);
  }

  const drawPlaces = (k) => {
    for (const one of places) {
      const rate = rateOf(one, sums);
      const [x, y] = one.place.at;
      one.px = radiusPx(Math.abs(rate), one.isCenter);
      one.mark.setAttribute("r", (one.px * k).toFixed(2));
      one.mark.setAttribute("stroke-width", (1.4 * k).toFixed(2));
      if (!one.isCenter) continue;
      const colours = model.isDifference() ? model.categories()[rate < 0 ? 1 : 0] : regions[one.place.region];
      one.mark.setAttribute("fill", colours.colour);
      const arm = 3.2 * k;
      const cross = `M${x - arm} ${y - arm}L${x + arm} ${y + arm}M${x - arm} ${y + arm}L${x + arm} ${y - arm}`;
      one.cross.setAttribute("d", one.px > 0 ? "" : cross);
      one.cross.setAttribute("stroke-width", (1.4 * k).toFixed(2));
    }
    for (const { group } of stops) group.setAttribute("aria-label", group.tell().replaceAll("\n", edwc.say("between")));
  };

  // Small circles stand on top of large ones, where they can be pointed at.
  const stackPlaces = () => {
    const size = (one) => Math.abs(rateOf(one, mean));
    const order = [...places].sort((a, b) => size(b) - size(a)).map((one) => one.group);
    layer("place").append(...order.filter((group) => group !== document.activeElement));
    for (const one of places) one.group.classList.toggle("chosen", model.state.place === one.key);
    for (const { group, key } of stops) group.setAttribute("aria-pressed", String(model.state.place === key));
  };

  const drawLabels = (k) => {
    const { x, y, w, h } = getWindow();
    const isLocal = edwc.byId("local").checked;
    const isNarrow = small < 0.8 && w > map.width / 3;
    const circles = places.map((one) => {
      const { place, isCenter } = one;
      const rate = Math.abs(rateOf(one, mean));
      // First the data centers that matter, then demand hubs, then the small data centers, where there is room for them.
      const rank = isCenter ? (rate > scale.center / 100 ? 2 : 0) : 1;
      const at = { cx: (place.at[0] - x) / k, cy: (place.at[1] - y) / k, r: radiusPx(rate, isCenter) };
      const [size, weight] = isCenter ? [isNarrow ? 11 : 12, 600] : [isNarrow ? 10 : 11, 400];
      const text = (isLocal && place.local) || (isNarrow && one.shortName) || place.name;
      return { ...at, isCenter, rate, rank, size, weight, text };
    }).filter(({ rate, rank }) => rate > 0 && !(isNarrow && rank === 0));
    circles.sort((a, b) => b.rank - a.rank || b.rate - a.rate);
    // On a small map a name may stand over the circle of a place that is hardly used, so that those that matter fit.
    const blocking = isNarrow ? circles.filter(({ rank, r }) => rank === 2 || r > 4) : circles;
    const [width, height] = [w / k, h / k];
    // The buttons at the right and the scale at the left keep their corners.
    const corners = [[width - 56, height - (isNarrow ? 110 : 130), width, height], [0, height - 40, isNarrow ? 110 : 150, height]];
    const labels = edwc.placeLabels(circles, blocking, width, height, corners).map(({ circle, text, left, base }) => {
      const at = { x: (x + left * k).toFixed(1), y: (y + base * k).toFixed(1), "stroke-width": (3 * k).toFixed(2) };
      const label = edwc.make("text", { ...at, class: circle.isCenter ? "center-name" : "hub-name" }, text);
      label.style.fontSize = `${(circle.size * k).toFixed(2)}px`;
      return label;
    });
    layer("label").replaceChildren(...labels);
  };

  // Keys ---------------------------------------------------------------------------------------------------------

  const drawKey = () => {
    const key = edwc.byId("key");
    key.replaceChildren();
    let y = 14;
    const write = (x, text, kind = "") => key.append(edwc.make("text", { x, y: y + 4, class: kind }, text));
    const group = (title, largest, draw) => {
      if (!(largest > 0)) return;
      write(0, title, "strong");
      y += 22;
      const top = roundDown(largest);
      for (const amount of [top, top / 4]) {
        const room = draw(amount);
        write(52, edwc.amount(amount * 1e6));
        y += Math.max(20, room + 8);
      }
      y += 6;
    };
    group(edwc.say("key_band"), scale.leg, (amount) => {
      const px = widthPx(amount);
      key.append(edwc.make("line", { x1: 2, x2: 40, y1: y, y2: y, class: "key-band", "stroke-width": px }));
      return px;
    });
    group(edwc.say("key_center"), scale.center, (amount) => {
      const r = radiusPx(amount, true);
      key.append(edwc.make("circle", { cx: 20, cy: y, r, class: "key-circle" }));
      return r + 6;
    });
    key.setAttribute("viewBox", `0 0 240 ${y}`);
    key.setAttribute("height", y);
  };

  const drawScaleBar = (k) => {
    const length = roundDown(120 * k * map.km_per_unit);
    const bar = edwc.byId("scale");
    bar.querySelector("span").textContent = edwc.say("length_km", { length: length.toLocaleString("en-US") });
    bar.querySelector("i").style.width = `${length / map.km_per_unit / k}px`;
  };

  // What changes from hour to hour, and what changes with the window or the choice of classes and place ------------

  const pixelsOf = (pixels) => pixels || svg.clientWidth || 860;
  const drawHour = (pixels) => {
    const k = getWindow().w / pixelsOf(pixels);
    drawFlows(k);
    drawPlaces(k);
  };
  const drawAll = (pixels) => {
    const k = getWindow().w / pixelsOf(pixels);
    small = Math.min(Math.max(pixelsOf(pixels) / 760, 0.55), 1);
    drawHour(pixels);
    drawLabels(k);
    drawScaleBar(k);
    drawKey();
    for (const hit of hits) hit.setAttribute("stroke-width", (12 * k).toFixed(2));
  };
  const rescale = () => {
    scale = model.findLargest();
    mean = model.addUp(-1);
    stackPlaces();
  };
  return { drawHour, drawAll, rescale, show: (newSums) => { sums = newSums; } };
};
