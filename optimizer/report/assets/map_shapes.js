"use strict";
// Shapes of the map: lines beside each other, arrowheads, and round numbers for its keys.

{
  // Shift a line sideways, to the right of its direction (y points down).
  const shift = (line, offset) =>
    line.map(([x, y], i) => {
      const [before, after] = [line[Math.max(i - 1, 0)], line[Math.min(i + 1, line.length - 1)]];
      const along = [after[0] - before[0], after[1] - before[1]];
      const length = Math.hypot(...along) || 1;
      return [x - (offset * along[1]) / length, y + (offset * along[0]) / length];
    });
  const path = (line) => `M${line.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`;

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

  // The largest of 1, 2, 5, 10, 20, ... that is no more than a number.
  const roundDown = (largest) => {
    const power = 10 ** Math.floor(Math.log10(largest));
    return [5, 2, 1].find((step) => step * power <= largest) * power;
  };

  edwc.shapes = { shift, path, arrowHead, roundDown };
}
