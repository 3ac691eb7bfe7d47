"use strict";
// The table of allocations: the flows of the map added up over the year by class and route; sorted, searched, saved.

{
  const { map, name: runName } = edwc.data;
  const { flows, routes, classes, hubs, centers, regions, slices } = map;
  const rowsPerPage = 25;
  const daysPerYear = slices.reduce((sum, slice) => sum + slice.weight_h, 0) / 24;

  const columns = [
    { name: edwc.say("allocation_hub"), of: (row) => row.hub.name },
    { name: edwc.say("allocation_class"), of: (row) => row.class.name },
    { name: edwc.say("allocation_center"), of: (row) => row.center.name },
    { name: edwc.say("allocation_region"), of: (row) => regions[row.center.region].name },
    { name: edwc.say("allocation_tokens"), of: (row) => row.mtok_per_day, write: (value) => edwc.fixed(value, 1) },
    { name: edwc.say("allocation_share"), of: (row) => row.share, write: edwc.percent },
    { name: edwc.say("allocation_rtt"), of: (row) => row.rtt_ms, write: (value) => edwc.fixed(value, 2) },
    { name: edwc.say("allocation_hours"), of: (row) => row.hours, write: (value) => edwc.fixed(value, 1) },
    { name: edwc.say("allocation_way"), of: (row) => row.via },
  ];

  const rows = (() => {
    const sums = new Map();
    const asked = new Map();
    flows.mtok_per_h.forEach((rate, i) => {
      const route = routes[flows.route[i]];
      const key = flows.class[i] * routes.length + flows.route[i];
      const weight = slices[flows.slice[i]].weight_h / daysPerYear;
      const sum = sums.get(key) ?? { mtok_per_day: 0, hours: 0, rtt_ms: flows.rtt_ms[i], class: flows.class[i], route };
      sum.mtok_per_day += rate * weight;
      sum.hours += weight;
      sums.set(key, sum);
      const workload = `${route.hub}/${flows.class[i]}`;
      asked.set(workload, (asked.get(workload) ?? 0) + rate * weight);
    });
    return [...sums.values()].map(({ route, ...sum }) => ({
      ...sum,
      share: sum.mtok_per_day / asked.get(`${route.hub}/${sum.class}`),
      class: classes[sum.class],
      hub: hubs[route.hub],
      center: centers[route.center],
      route: route.id,
      via: route.via.join(" – "),
    }));
  })();
  for (const row of rows) {
    const words = [row.hub, row.class, row.center].flatMap(({ name, also, local, id }) => [name, also, local ?? "", id]);
    row.words = [...words, regions[row.center.region].name].join("\n").toLowerCase();
  }
  rows.sort((a, b) => b.mtok_per_day - a.mtok_per_day);

  const table = edwc.byId("allocation-table");
  const head = table.createTHead().insertRow();
  for (const column of columns) {
    head.append(edwc.make("th", { scope: "col", ...(column.write ? { class: "number" } : {}) }, column.name));
  }
  head.cells[4].setAttribute("aria-sort", "descending");
  const body = table.createTBody();
  let shown = rows;
  let page = 0;

  const draw = () => {
    const pages = Math.max(1, Math.ceil(shown.length / rowsPerPage));
    page = Math.min(Math.max(page, 0), pages - 1);
    body.replaceChildren(
      ...shown.slice(page * rowsPerPage, (page + 1) * rowsPerPage).map((row) => {
        const line = edwc.make("tr");
        columns.forEach(({ of, write }, i) => {
          const cell = i === 0 ? edwc.make("th", { scope: "row" }) : edwc.make("td", write ? { class: "number" } : {});
          cell.textContent = write ? write(of(row)) : of(row);
          line.append(cell);
        });
        return line;
      }),
    );
    const tokens = shown.reduce((sum, row) => sum + row.mtok_per_day, 0) * 1e6;
    edwc.byId("found").textContent = edwc.say("found", {
      shown: shown.length, all: rows.length, amount: edwc.amount(tokens),
    });
    edwc.byId("page").textContent = edwc.say("page", { page: page + 1, pages });
    edwc.byId("previous").disabled = page === 0;
    edwc.byId("next").disabled = page === pages - 1;
  };

  const search = () => {
    const words = edwc.byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = rows.filter((row) => words.every((word) => row.words.includes(word)));
    page = 0;
    draw();
  };
  edwc.makeSortable([...head.cells], (column, isDown) => {
    const key = columns[column].of;
    rows.sort((a, b) => edwc.compare(key(a), key(b)) * (isDown ? -1 : 1));
    search();
  });
  edwc.byId("search").addEventListener("input", search);
  edwc.byId("previous").addEventListener("click", () => { page -= 1; draw(); });
  edwc.byId("next").addEventListener("click", () => { page += 1; draw(); });

  const fileName = (kind) => `${kind}_${runName.replace(/[^A-Za-z0-9_]+/g, "_").slice(0, 40) || "run"}.csv`;
  edwc.byId("download").addEventListener("click", () => {
    const header = ["demand_hub", "demand_hub_name", "workload_class", "data_center", "data_center_name", "region",
      "route", "mtok_per_day", "workload_share", "rtt_ms", "hours_per_day", "way"];
    const lines = shown.map((row) => [row.hub.id, row.hub.name, row.class.id, row.center.id, row.center.name,
      regions[row.center.region].name, row.route, row.mtok_per_day, row.share, row.rtt_ms, row.hours, row.via]);
    edwc.download(fileName("allocation"), edwc.csv([header, ...lines]));
  });
  edwc.byId("download-hourly").addEventListener("click", () => {
    const header = ["slice", "weight_h", "demand_hub", "workload_class", "data_center", "route", "mtok_per_h", "rtt_ms"];
    const lines = flows.mtok_per_h.map((rate, i) => {
      const slice = slices[flows.slice[i]];
      const route = routes[flows.route[i]];
      return [slice.label, slice.weight_h, hubs[route.hub].id, classes[flows.class[i]].id, centers[route.center].id,
        route.id, rate, flows.rtt_ms[i]];
    });
    edwc.download(fileName("hourly_allocation"), edwc.csv([header, ...lines]));
  });
  edwc.keep.search = () => edwc.byId("search").value;
  edwc.byId("search").value = edwc.kept?.search ?? "";
  search();
}
