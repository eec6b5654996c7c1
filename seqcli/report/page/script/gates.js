// The gates and states of recurrent cells: tokens across, units downwards, those that move most first.

const FEW_UNITS = 24;
const WIDEST = 200; // tokens of one picture

VIEWS.gates = (section, views) => {
  for (const view of views) section.append(el("article", {}, el("h4", {}, view.model, el("span", { class: "soft" }, ` · ${view.cell.toUpperCase()}`)), ...cell(view)));
};

function cell(view) {
  const chosen = { layer: 0, gate: 0, all: 0 };
  let redraw = null; // the part of the text that is shown
  const stage = paged(view.tokens.length, WIDEST, (from, to) => {
    const part = el("div");
    redraw = () => part.replaceChildren(...gate(view, chosen, from, to));
    redraw();
    return [part];
  });
  const names = view.layers[0].map(({ name }) => name);
  const set = (name) => (index) => { chosen[name] = index; redraw(); };
  const units = view.layers[0][0].units.length;
  const controls = [
    choice(say("layer"), view.layers.map((_, index) => String(index + 1)), set("layer")),
    choice(say("gate"), names.map((name) => say(`gate_${name}`)), set("gate")),
    choice(say("units"), units > FEW_UNITS ? [say("units_few", FEW_UNITS), units < view.layers[0][0].of ? say("units_few", units) : say("units_all", units)] : [""], set("all")),
  ];
  return [el("div", { class: "controls" }, ...controls), stage];
}

function gate(view, { layer, gate, all }, from, to) {
  const shown = view.layers[layer][gate];
  const values = matrix(shown.values);
  const rows = shown.units.slice(0, all ? undefined : FEW_UNITS);
  const tokens = view.tokens.slice(from, to);
  const details = readout();
  const name = say(`gate_${shown.name}`);
  const [low, high] = [values.low, values.high];
  function tell(row, column) {
    details.replaceChildren(
      el("span", { class: "pair" }, `${say("unit", rows[row])} `, tokenText(tokens[column]), " ", el("b", {}, fixed(values.at(from + column, row), 3))),
      el("span", { class: "pair" }, `${say("mean_of", count(shown.of))} `, el("b", {}, fixed(shown.mean[from + column], 3))));
  }
  const map = heatmap({
    values: { rows: rows.length, columns: tokens.length, low, high, at: (row, column) => values.at(from + column, row) },
    rows: rows.map((unit) => String(unit)), columns: tokens, label: say("gates_label", name), moved: tell, least: 16, most: 44, height: 14,
  });
  const middle = (low + high) / 2;
  const note = shown.units.length < shown.of ? el("p", { class: "note" }, say("units_kept", shown.units.length, shown.of)) : null;
  tell(0, 0);
  return [
    el("p", { class: "totals" }, el("b", {}, name), ` ${say("mean_and_saturation", fixed(sum(shown.mean) / Math.max(1, shown.mean.length)), Math.round(100 * shown.saturated))}`),
    scale(low < 0 ? "diverging" : "weights", [[0, fixed(low, 1)], [0.5, fixed(middle, 1)], [1, fixed(high, 1)]], name),
    note, map.element, details,
    chart({
      series: [{ name, colour: 0, points: tokens.map((_, place) => [from + place, shown.mean[from + place]]) }],
      x: { label: say("place") }, y: { label: say("mean_per_token"), format: (number) => fixed(number, 3) }, label: say("mean_per_token"), tall: 180,
    }),
  ].filter(Boolean);
}
