"use strict";
// What flows on the map at a time, for the classes and the place that are chosen: added up by leg, place and category.

edwc.readFlows = (map, words) => {
  const { routes, legs, classes, hubs, centers, regions, slices } = map;
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

  // Slice -1 is the mean of all; a place is "", or "h" or "c" with the number of a hub or data center.
  const state = { slice: words.all ? -1 : 0, classes: new Set(classes.keys()), place: "" };

  const eachFlow = (slice, visit) => {
    const wanted = (kind, route) => {
      if (!state.classes.has(kind)) return false;
      const { hub, center } = routes[route];
      return state.place === "" || state.place === `h${hub}` || state.place === `c${center}`;
    };
    if (slice < 0) {
      for (const flow of shown.mean) {
        if (wanted(flow.class, flow.route)) visit(flow.rate, flow.route, flow.rtt, flow.category);
      }
      return;
    }
    const { flows, start, categoryOf } = shown;
    for (let i = start[slice]; i < start[slice + 1]; i += 1) {
      if (wanted(flows.class[i], flows.route[i])) visit(flows.mtok_per_h[i], flows.route[i], flows.rtt_ms[i], categoryOf(i));
    }
  };

  // Add up what travels: mtok/h by leg, direction and category, by place and region, and in all. Of a difference, places
  // and regions gain (+) or lose (-), and circles of hubs show half of what travels on other ways.
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
      sums.total += rate;
      sums.rtt += rate * rtt;
    });
    return sums;
  };

  // One scale for all hours, so that hours compare; it follows the classes and the place chosen.
  const findLargest = () => {
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

  // Of the time shown: what an hourly table holds for a data center.
  const hourly = (table, center) =>
    state.slice >= 0
      ? table[state.slice][center]
      : table.reduce((sum, row, t) => sum + row[center] * slices[t].weight_h, 0) / hoursPerYear;

  return {
    state,
    addUp,
    findLargest,
    hourly,
    used: new Set(routes.map((route) => route.center)),
    categories: () => shown.categories,
    isDifference: () => shown === difference,
    ofReference: () => {
      const now = shown;
      shown = plain;
      const sums = addUp(map.reference);
      shown = now;
      return sums;
    },
    showDifference: (isOn) => { shown = isOn ? difference : plain; },
    sliceText: () => (state.slice < 0 ? words.all : slices[state.slice].label),
    meanOf: (values) => values.reduce((sum, value, t) => sum + value * slices[t].weight_h, 0) / hoursPerYear,
  };
};
