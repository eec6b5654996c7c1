// Where each token looks: all heads small, a chosen one large, as a matrix and as lines between the tokens; of one token step by step.

const MOST_LINES = 80; // tokens; more lines cannot be told apart
const MOST_STEPS = 24; // tokens that a token looks at, those of the largest weights
const root = (share) => Math.sqrt(share); // of weights, most of which are small

VIEWS.attention = (section, views) => {
  section.append(scale("weights", [0, 0.05, 0.25, 0.5, 1].map((weight) => [root(weight), String(weight)]), say("weight")));
  for (const model of new Set(views.map((view) => view.model))) {
    const own = views.filter((view) => view.model === model);
    const stage = el("div");
    const show = (index) => stage.replaceChildren(...heads(own[index]));
    section.append(el("article", {}, el("h4", {}, model),
      choice(say("kind"), own.map((view) => say(`kind_${view.kind}`)), show), stage));
    show(0);
  }
};

/** What a head does most, in words: where it looks on average, or how widely. */
function summary(head) {
  const looks = ["previous", "own", "first"].map((name) => [name, head[name] ?? 0]).sort((a, b) => b[1] - a[1])[0];
  return looks[1] >= 0.3 ? say(`looks_${looks[0]}`, fixed(looks[1])) : say("looks_around");
}

function heads(view) {
  const large = el("div", { class: "large" });
  const layers = view.layers.map((layer) => layer.map((head) => ({
    ...head, weights: matrix(head.weights), scaled: head.scaled ? matrix(head.scaled) : null,
  })));
  const name = (layer, head) => (view.averaged === "layers" ? say("mean_all")
    : view.averaged === "heads" ? say("mean_heads", layer + 1) : say("head", layer + 1, head + 1));
  const grid = el("div", { class: "heads", role: "group", "aria-label": say("heads") });
  layers.forEach((layer, l) => {
    grid.append(el("div", { class: "layer" }, ...layer.map((head, h) => {
      const small = el("span", { class: "thumbnail" });
      const paint = () => small.replaceChildren(pixels(head.weights, root));
      REPAINTED.set(small, paint);
      paint();
      return el("button", { type: "button", tabindex: -1, "data-pick": "", "data-layer": l, "data-head": h },
        small, el("span", {}, name(l, h)), el("small", {}, summary(head)));
    })));
  });
  let query = Math.min(view.query ?? Infinity, view.queries.length - 1);
  const pick = pickable(grid, (button) => {
    const [l, h] = [Number(button.dataset.layer), Number(button.dataset.head)];
    large.replaceChildren(...enlarged(view, layers[l][h], name(l, h), query, (chosen) => { query = chosen; }));
  });
  if (view.layer != null || view.head != null) {
    pick(grid.querySelector(`[data-layer="${view.layer ?? layers.length - 1}"][data-head="${view.head ?? 0}"]`));
  }
  const notes = [view.grouped > 1 ? say("grouped", view.grouped) : null, view.averaged ? say("averaged") : null];
  return [...notes.filter(Boolean).map((note) => el("p", { class: "note" }, note)), grid, large];
}

/** A head as matrix and as lines; `query` is the token whose row is described. */
function enlarged(view, head, title, query, remember) {
  const details = readout();
  const computed = el("div");
  const map = heatmap({
    values: head.weights, rows: view.queries, columns: view.keys, curve: root, moved: (row, column) => look(row, column),
    label: say("matrix_label", title), most: 26,
  });
  const links = Math.max(view.queries.length, view.keys.length) <= MOST_LINES ? lines(view, head.weights, (row) => look(row)) : null;
  function look(row, column = null) {
    remember(row);
    links?.show(row);
    map.place(row);
    const found = view.keys.map((key, place) => ({ key, place, weight: head.weights.at(row, place) })).sort((a, b) => b.weight - a.weight);
    const named = found.filter(({ place }, rank) => rank < 5 || place === column); // the cell that is pointed at too
    details.replaceChildren(el("p", {}, tokenText(view.queries[row]), " ", say("looks_at")),
      bars(named.map(({ key, place, weight }) => [tokenText(key), weight, fixed(weight, 3), place === column])));
    computed.replaceChildren(...(head.scaled ? steps(view, head, row) : []));
  }
  look(query);
  return [
    el("h5", {}, `${title}: ${summary(head)}`, el("span", { class: "soft" }, ` · ${say("entropy", fixed(head.entropy))}`)),
    el("div", { class: "pair-of attention" }, el("div", {}, map.element), el("div", {}, links?.element ?? el("p", { class: "note" }, say("no_lines", MOST_LINES)), details)),
    computed,
  ];
}

/** How the weights of a token come about: products of its query with the keys, their softmax, and what each value then adds. */
function steps(view, head, query) {
  const { low, high } = head.scaled;
  const seen = view.keys.map((key, place) => ({ key, place, scaled: head.scaled.at(query, place) }))
    .filter(({ scaled }) => scaled - low > 0.002 * (high - low)); // the others have the lowest value
  const most = Math.max(...seen.map(({ scaled }) => scaled));
  const total = sum(seen.map(({ scaled }) => Math.exp(scaled - most)));
  const shown = [...seen].sort((a, b) => b.scaled - a.scaled).slice(0, MOST_STEPS).sort((a, b) => a.place - b.place);
  const rows = shown.map(({ key, place, scaled }) => {
    const weight = Math.exp(scaled - most) / total;
    return [tokenText(key), fixed(scaled * Math.sqrt(view.width)), fixed(scaled), fixed(weight, 3), fixed(head.values[place]), fixed(weight * head.values[place], 3)];
  });
  return [
    table([say("key"), "q · k", `÷ √${view.width}`, "softmax", "|v|", say("weighted_value")], rows, el("span", {}, say("steps_of"), " ", tokenText(view.queries[query]))),
    el("p", { class: "soft" }, say("about_steps"), shown.length < seen.length ? ` ${say("steps_few", shown.length, seen.length)}` : ""),
  ];
}

/** Queries on the left, keys on the right, a line for each weight; those of one query stand out. */
function lines(view, weights, look) {
  const row = 24;
  const height = row * Math.max(view.queries.length, view.keys.length);
  const width = (names) => Math.ceil(Math.max(...names.map((name) => textWidth(visible(name), "bold 14px ui-sans-serif, system-ui, sans-serif")))) + 14;
  const [left, right] = [width(view.queries), width(view.keys)];
  const gap = 150;
  const y = (place) => row * (place + 0.5);
  const groups = view.queries.map((_, q) => svg("g", {}, ...view.keys.flatMap((_, k) => {
    const weight = weights.at(q, k);
    if (weight < 0.01) return [];
    return [svg("path", { d: `M${left} ${y(q)}C${left + gap / 2} ${y(q)} ${left + gap / 2} ${y(k)} ${left + gap} ${y(k)}`,
      "stroke-width": (1 + 4 * weight).toFixed(2), "stroke-opacity": (0.15 + 0.85 * weight).toFixed(2) })];
  })));
  const label = (name, place, x, anchor, more) =>
    svg("text", { x, y: y(place) + 5, "text-anchor": anchor, ...more }, visible(name));
  const queries = view.queries.map((name, place) =>
    label(name, place, left - 8, "end", { tabindex: -1, role: "button", "data-pick": "", "data-place": place }));
  const keys = view.keys.map((name, place) => label(name, place, left + gap + 8, "start"));
  const picture = svg("svg", { class: "links", width: left + gap + right, height, role: "group", "aria-label": say("lines_label") }, ...groups, ...queries, ...keys);
  function show(query) {
    groups.forEach((group, place) => group.setAttribute("class", place === query ? "chosen" : "faint"));
    queries.forEach((text, place) => text.setAttribute("class", place === query ? "chosen" : ""));
    keys.forEach((text, place) => { text.style.fillOpacity = Math.min(1, 0.35 + 2 * weights.at(query, place)); });
  }
  let ready = false;
  pickable(picture, (text) => ready && look(Number(text.dataset.place)));
  ready = true;
  return { element: el("div", { class: "scroll" }, picture), show };
}
