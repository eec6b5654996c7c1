// A beam search as a tree: time runs to the right, the best continuation of a hypothesis goes straight on.

const LINE = 34;

VIEWS.search = (section, views) => {
  section.append(el("p", { class: "legend-line" }, el("span", { class: "result" }, `${ranked(1)} ${say("result")}`),
    el("span", { class: "kept" }, say("kept")), el("span", { class: "dropped" }, say("dropped"))));
  for (const view of views) {
    const details = readout();
    section.append(el("article", {}, el("h4", {}, view.model, el("span", { class: "soft" }, ` · ${say("beam", view.beam_size)}`)),
      el("div", { class: "scroll" }, tree(view.nodes, details)), details));
  }
};

/** A rank in a circle, where Unicode has one. */
const ranked = (rank) => (rank <= 20 ? String.fromCodePoint(0x245f + rank) : `${rank}.`);

function tree(nodes, details) {
  const children = nodes.map(() => []);
  const first = [];
  nodes.forEach(({ parent }, node) => (parent == null ? first : children[parent]).push(node));
  const best = (a, b) => nodes[b].log_prob - nodes[a].log_prob;
  // A node is drawn beside the child that leads to the best result below it.
  const reached = nodes.map(({ rank }) => rank ?? Infinity);
  for (let node = nodes.length - 1; node >= 0; node -= 1) {
    const { parent } = nodes[node];
    if (parent != null) reached[parent] = Math.min(reached[parent], reached[node]);
  }
  const order = (a, b) => (reached[a] === reached[b] ? best(a, b) : reached[a] - reached[b]);
  const depth = [];
  const row = [];
  let rows = 0;
  const waiting = first.sort(order).map((node) => [node, 0]).reverse();
  while (waiting.length) {
    const [node, level] = waiting.pop();
    depth[node] = level;
    const parent = nodes[node].parent;
    const straight = parent != null && children[parent][0] === node;
    row[node] = straight ? row[parent] : rows++;
    waiting.push(...children[node].sort(order).map((child) => [child, level + 1]).reverse());
  }
  const p = (node) => Math.exp(nodes[node].log_prob - (nodes[node].parent == null ? 0 : nodes[nodes[node].parent].log_prob));
  const badge = (node) => (nodes[node].rank ? `${ranked(nodes[node].rank)} ` : "");
  const wide = (name) => textWidth(name, "bold 14px ui-sans-serif, system-ui, sans-serif");
  const widths = [];
  nodes.forEach(({ token }, node) => {
    widths[depth[node]] = Math.max(widths[depth[node]] ?? 0, wide(badge(node) + visible(token)), 32);
  });
  const left = [];
  widths.reduce((x, width, level) => { left[level] = x; return x + width + 40; }, 30);
  const x = (node) => left[depth[node]];
  const y = (node) => LINE * (row[node] + 0.5);
  const picture = svg("svg", { class: "tree", role: "group", "aria-label": say("tree_label"),
    width: Math.ceil((left[left.length - 1] ?? 0) + (widths[widths.length - 1] ?? 0) + 20), height: LINE * rows + 6 });
  const groups = nodes.map(({ parent, token, kept, rank }, node) => {
    const [x0, y0] = parent == null ? [8, LINE / 2] : [x(parent) + Math.max(wide(badge(parent) + visible(nodes[parent].token)), 30) + 6, y(parent)];
    const bend = (x0 + x(node)) / 2;
    return svg("g", { class: rank ? "result" : kept ? "kept" : "dropped", tabindex: -1, role: "button", "data-pick": "", "data-node": node,
      "aria-label": `${visible(token)}, p = ${probability(p(node))}` },
      svg("path", { d: `M${x0} ${y0}C${bend} ${y0} ${bend} ${y(node)} ${x(node) - 5} ${y(node)}`, "stroke-width": (1 + 3 * p(node)).toFixed(2) }),
      svg("rect", { x: x(node) - 4, y: y(node) - 12, width: Math.max(wide(badge(node) + visible(token)), 30) + 8, height: 28, rx: 4 }),
      svg("text", { x: x(node), y: y(node) + 4 }, `${badge(node)}${visible(token)}`),
      svg("text", { class: "small", x: x(node), y: y(node) + 16 }, probability(p(node))));
  });
  picture.append(svg("circle", { cx: 6, cy: LINE / 2, r: 4 }), ...groups);
  const path = (node) => (node == null ? [] : [...path(nodes[node].parent), node]);
  const pick = pickable(picture, (group) => {
    const line = path(Number(group.dataset.node));
    const last = nodes[line[line.length - 1]];
    groups.forEach((each, node) => each.classList.toggle("on-path", line.includes(node)));
    details.replaceChildren(el("p", {}, ...spaced(line.map((node) => nodes[node].token))),
      el("p", {}, `log p = ${line.map((node) => fixed(Math.log(p(node)))).join(" + ").replaceAll("+ −", "− ")} = ${fixed(last.log_prob)}`,
        ` · ${last.rank ? say("result_n", last.rank) : say(last.kept ? "kept" : "dropped")}`));
  }, {
    ArrowLeft: (group) => groups[nodes[group.dataset.node].parent],
    ArrowRight: (group) => groups[children[group.dataset.node][0]],
  });
  pick(groups[nodes.findIndex(({ rank }) => rank === 1)]); // the best result to begin with
  return picture;
}
