"use strict";
// Labels of the map: the most important first, each where it hides neither another label nor a circle, or not at all.

{
  const pen = document.createElement("canvas").getContext("2d");
  const family = getComputedStyle(document.body).fontFamily;
  const mostChars = 26;

  const shorten = (text) => {
    if (text.length <= mostChars) return text;
    const short = text.replace(/ \(.*$/, "");
    return short.length < mostChars ? short : `${short.slice(0, mostChars - 1).trimEnd()}…`;
  };

  // Circles in pixels, the most important first: cx, cy, r, text, size, weight. `taken` are boxes that stay free: left,
  // top, right, bottom; no label stands over a circle that is `blocking`. Returns the circles that get a label, with the
  // text and where it begins.
  edwc.placeLabels = (circles, blocking, width, height, taken) => {
    const placed = [];
    const boxes = [...taken];
    const isFree = ([left, top, right, bottom], own) =>
      left >= 2 && top >= 2 && right <= width - 2 && bottom <= height - 2 &&
      !boxes.some(([l, t, r, b]) => left < r && right > l && top < b && bottom > t) &&
      !blocking.some((other) => {
        const dx = Math.max(left - other.cx, 0, other.cx - right);
        const dy = Math.max(top - other.cy, 0, other.cy - bottom);
        return other !== own && dx * dx + dy * dy < other.r * other.r;
      });
    for (const circle of circles) {
      const { cx, cy, r, size, weight } = circle;
      if (cx <= 0 || cy <= 0 || cx >= width || cy >= height) continue;
      const text = shorten(circle.text);
      pen.font = `${weight} ${size}px ${family}`;
      const length = pen.measureText(text).width;
      const [gap, drop] = [r + 3, size * 0.36];
      const [up, down] = [cy - gap * 0.6, cy + gap * 0.6 + size * 0.7];
      const spots = [
        [cx + gap, cy + drop], [cx - gap - length, cy + drop],
        [cx - length / 2, cy - gap - 1], [cx - length / 2, cy + gap + size * 0.8],
        [cx + gap * 0.75, up], [cx + gap * 0.75, down], [cx - gap * 0.75 - length, up], [cx - gap * 0.75 - length, down],
      ];
      const boxOf = ([left, base]) => [left - 2, base - size * 0.85, left + length + 2, base + size * 0.25];
      const spot = spots.find((one) => isFree(boxOf(one), circle));
      if (!spot) continue;
      boxes.push(boxOf(spot));
      placed.push({ circle, text, left: spot[0], base: spot[1] });
    }
    return placed;
  };
}
