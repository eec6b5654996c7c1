// The words of a text, what is nearest to each, and all of them as points of a plane.

VIEWS.embeddings = (section, views) => {
  for (const view of views) {
    const details = readout();
    const map = plane(view);
    const words = el("div", { class: "chain", role: "group", "aria-label": say("words") }, ...view.words.map((word, place) =>
      el("button", { type: "button", tabindex: -1, "data-pick": "", "data-place": place }, el("span", {}, tokenText(word.word)))));
    section.append(el("article", {}, el("h4", {}, view.model), words, el("div", { class: "pair-of" }, el("div", {}, map.element), details)));
    pickable(words, (button) => {
      const { word, neighbours } = view.words[Number(button.dataset.place)];
      map.mark(word, (neighbours ?? []).map((near) => near.word));
      details.replaceChildren(el("p", {}, tokenText(word), " ", say(neighbours ? "nearest" : "no_vector")),
        bars((neighbours ?? []).map((near) => [tokenText(near.word), Math.max(0, near.similarity), fixed(near.similarity, 3)])));
    });
  }
};

/** Points with their names; mark(word, near) lets some of them stand out. */
function plane({ points, shares }) {
  const picture = svg("svg", { class: "plane", role: "img", "aria-label": say("plane_label") });
  let marked = ["", []];
  let width = 0;
  const range = (name) => [Math.min(...points.map((point) => point[name])), Math.max(...points.map((point) => point[name]))];
  const [[left, right], [bottom, top]] = [range("x"), range("y")];
  function draw(available) {
    width = available;
    const height = Math.round(Math.min(460, 0.75 * width));
    for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` })) picture.setAttribute(name, value);
    const x = (point) => 14 + ((point.x - left) / (right - left || 1)) * (width - 28);
    const y = (point) => height - 14 - ((point.y - bottom) / (top - bottom || 1)) * (height - 36);
    const taken = [];
    const kind = ({ word, own }) => (word === marked[0] ? "chosen" : marked[1].includes(word) ? "near" : own ? "own" : "");
    const rank = { chosen: 0, near: 1, own: 2, "": 3 };
    const groups = [...points].sort((a, b) => rank[kind(a)] - rank[kind(b)]).map((point) => {
      const name = visible(point.word);
      const wide = textWidth(name);
      const right = x(point) + 7 + wide <= width;
      const box = [right ? x(point) + 7 : x(point) - 7 - wide, y(point) - 8, wide, 16];
      const free = taken.every(([a, b, w]) => box[0] > a + w || a > box[0] + box[2] || Math.abs(b - box[1]) > 13);
      if (free) taken.push(box);
      return svg("g", { class: kind(point) }, svg("circle", { cx: x(point), cy: y(point), r: 4 }, svg("title", {}, name)),
        free ? svg("text", { x: right ? x(point) + 7 : x(point) - 7, y: y(point) + 4, "text-anchor": right ? "start" : "end" }, name) : null);
    });
    picture.replaceChildren(...groups.reverse()); // what stands out is drawn last
  }
  const percent = (share) => `${fixed(100 * share, 1)} %`;
  const element = el("figure", {}, responsive(el("div", {}, picture), draw), el("figcaption", {}, say("plane", percent(shares[0]), percent(shares[1]))));
  return { element, mark: (word, near) => { marked = [word, near]; if (width) draw(width); } };
}
