// Lines over numbers, with axes, a legend, and a cursor that follows the pointer and the arrow keys.

const MARKS = ["M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0", "M-3.5-3.5h7v7h-7z", "M0-4.5 4.5 3.5h-9z", "M0-5 5 0 0 5-5 0z", "M-4-4 4 4M4-4-4 4", "M-5 0H5M0-5V5"];

/** Round numbers within low ... high: of 1, 2, 5 x 10^k, powers of ten on a logarithmic scale. */
function ticks(low, high, log, wanted) {
  if (log) {
    const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
    const step = Math.max(1, Math.ceil((last - first) / wanted));
    return Array.from({ length: Math.max(0, Math.floor((last - first) / step) + 1) }, (_, k) => 10 ** (first + k * step));
  }
  const rough = (high - low) / wanted || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const found = [];
  for (let value = Math.ceil(low / step - 1e-9) * step; value <= high + step * 1e-9; value += step) found.push(value);
  return found;
}

const power = (value) => {
  const exponent = Math.round(Math.log10(value));
  if (exponent >= -2 && exponent <= 3) return String(Number(value.toPrecision(1)));
  return `10${[...String(exponent)].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit] ?? "⁻").join("")}`;
};

/**
 * series: [{name, points: [[x, y], ...], colour, dashed}]; x, y: {label, log, format}; at: where x has its ticks, or null.
 * tall: in pixels. Points that a logarithmic axis cannot show are left out.
 */
function chart({ series, x, y, at, label, tall = 300 }) {
  const lines = series
    .map((each) => ({ ...each, points: each.points.filter(([a, b]) => b != null && (!y.log || b > 0) && (!x.log || a > 0)) }))
    .filter((each) => each.points.length);
  if (!lines.length) return null;
  const values = lines.flatMap((line) => line.points);
  const xs = [...new Set(values.map(([a]) => a))].sort((a, b) => a - b);
  const ys = values.map(([, b]) => b);
  const [x0, x1] = [xs[0], xs[xs.length - 1]];
  let [y0, y1] = [ys.reduce((a, b) => Math.min(a, b)), ys.reduce((a, b) => Math.max(a, b))];
  if (y.log) [y0, y1] = [10 ** Math.floor(Math.log10(y0)), 10 ** Math.ceil(Math.log10(y1))];
  else [y0, y1] = [y0 - (y1 - y0 || 1) * 0.08, y1 + (y1 - y0 || 1) * 0.08];
  if (y.log && y0 === y1) y0 /= 10;
  const details = readout();
  const frame = el("div", { class: "plot", tabindex: 0, role: "application", "aria-label": label });
  let [shown, cursor, place] = [0, null, (value) => value];

  function draw(width) {
    const [left, right, top, bottom] = [52, 14, 12, 44];
    const share = (value, low, high, log) =>
      low === high ? 0.5 : log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
    place = (value) => left + share(value, x0, x1, x.log) * (width - left - right);
    const height = (value) => top + (1 - share(value, y0, y1, y.log)) * (tall - top - bottom);
    const picture = svg("svg", { width, height: tall, "aria-hidden": true });
    for (const value of ticks(y0, y1, y.log, 6)) {
      picture.append(
        svg("line", { class: "rule", x1: left, x2: width - right, y1: height(value), y2: height(value) }),
        svg("text", { x: left - 8, y: height(value) + 4, "text-anchor": "end" }, y.log ? power(value) : fixed(value, y1 - y0 < 1 ? 2 : 1)),
      );
    }
    let free = 0;
    for (const value of at ?? ticks(x0, x1, x.log, Math.max(3, width / 90))) {
      if (place(value) < free) continue;
      free = place(value) + 30;
      picture.append(svg("text", { x: place(value), y: tall - bottom + 18, "text-anchor": "middle" }, count(value)));
    }
    picture.append(svg("text", { class: "axis", x: (left + width - right) / 2, y: tall - 6, "text-anchor": "middle" }, x.label));
    for (const line of lines) {
      const every = Math.ceil(line.points.length / 12);
      const path = line.points.map(([a, b], index) => `${index ? "L" : "M"}${place(a).toFixed(1)} ${height(b).toFixed(1)}`).join("");
      const group = svg("g", { class: `series s${line.colour % 6} ${line.dashed ? "dashed" : ""}` }, svg("path", { d: path }));
      line.points.forEach(([a, b], index) => {
        if (index % every === 0) group.append(svg("path", { class: "mark", d: MARKS[line.colour % 6], transform: `translate(${place(a).toFixed(1)} ${height(b).toFixed(1)})` }));
      });
      picture.append(group);
    }
    cursor = svg("line", { class: "pointer", y1: top, y2: tall - bottom });
    picture.append(cursor);
    frame.replaceChildren(picture);
    tell(shown);
  }
  function tell(index) {
    shown = Math.max(0, Math.min(xs.length - 1, index));
    const value = xs[shown];
    cursor?.setAttribute("x1", place(value));
    cursor?.setAttribute("x2", place(value));
    const found = lines.flatMap((line) => {
      const point = line.points.find(([a]) => a === value);
      return point ? [el("span", { class: "pair" }, `${line.name} `, el("b", {}, y.format(point[1])))] : [];
    });
    details.replaceChildren(el("span", { class: "pair" }, `${x.label}: `, el("b", {}, count(value))), ...found);
  }
  frame.addEventListener("pointermove", (event) => {
    const pointed = event.clientX - frame.getBoundingClientRect().left;
    let best = 0;
    xs.forEach((value, index) => { if (Math.abs(place(value) - pointed) < Math.abs(place(xs[best]) - pointed)) best = index; });
    if (best !== shown) tell(best);
  });
  frame.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: shown - 1, ArrowRight: shown + 1, Home: 0, End: xs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    tell(to);
  });
  const legend = el("ul", { class: "legend" }, ...lines.map((line) =>
    el("li", {}, svg("svg", { width: 34, height: 14, viewBox: "-17 -7 34 14", "aria-hidden": true },
      svg("g", { class: `series s${line.colour % 6} ${line.dashed ? "dashed" : ""}` },
        svg("path", { d: "M-16 0H16" }), svg("path", { class: "mark", d: MARKS[line.colour % 6] }))), line.name)));
  return el("figure", {}, el("figcaption", {}, y.label), responsive(frame, draw), lines.length > 1 ? legend : null, details);
}
