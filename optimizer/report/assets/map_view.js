"use strict";
// The window of the map: moved and zoomed by buttons, keys, wheel, pointer and two fingers.

edwc.makeView = (svg, whole, changed) => {
  const mostZoom = 16;
  let view = whole;
  let wasDragged = false;

  const show = (wanted) => {
    const w = Math.min(Math.max(wanted.w, whole.w / mostZoom), whole.w);
    const h = (w * whole.h) / whole.w;
    view = { w, h, x: Math.min(Math.max(wanted.x, 0), whole.w - w), y: Math.min(Math.max(wanted.y, 0), whole.h - h) };
    svg.setAttribute("viewBox", [view.x, view.y, w, h].map((value) => value.toFixed(2)).join(" "));
    svg.classList.toggle("zoomed", w < whole.w - 1e-6);
    changed();
  };
  const toMap = (clientX, clientY) => {
    const box = svg.getBoundingClientRect();
    const { x, y, w, h } = view;
    return [x + ((clientX - box.left) / box.width) * w, y + ((clientY - box.top) / box.height) * h];
  };
  const zoom = (factor, about = [view.x + view.w / 2, view.y + view.h / 2]) => {
    const { x, y, w } = view;
    const kept = Math.min(Math.max(w / factor, whole.w / mostZoom), whole.w) / w;
    show({ x: about[0] - (about[0] - x) * kept, y: about[1] - (about[1] - y) * kept, w: w * kept });
  };
  const pan = (dx, dy) => show({ ...view, x: view.x + dx, y: view.y + dy });

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
    const { w, h } = view;
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
    const k = view.w / (svg.clientWidth || 1);
    if (pointers.size === 2) {
      const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      const spread = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]) || 1;
      zoom(spread(now, other) / spread(before, other), toMap((now[0] + other[0]) / 2, (now[1] + other[1]) / 2));
    } else if (event.pointerType !== "touch" || view.w < whole.w) {
      if (Math.hypot(now[0] - before[0], now[1] - before[1]) > 1) wasDragged = true;
      if (wasDragged && svg.hasPointerCapture?.(event.pointerId) === false) svg.setPointerCapture(event.pointerId);
      pan((before[0] - now[0]) * k, (before[1] - now[1]) * k);
    }
    pointers.set(event.pointerId, now);
  });
  for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
    svg.addEventListener(end, (event) => {
      if (end !== "pointerleave" || event.buttons === 0) pointers.delete(event.pointerId);
    });
  }

  show(whole);
  return { show, window: () => view, wasDragged: () => wasDragged };
};
