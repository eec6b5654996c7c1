// How alike the encodings of two positions are.

VIEWS.positions = (section, views) => {
  section.append(scale("diverging", [[0, "−1"], [0.5, "0"], [1, "1"]], say("similarity")));
  section.append(el("div", { class: "pair-of" }, ...views.map((view) => {
    const values = matrix(view.similarity);
    const details = readout();
    const tell = (row, column) => details.replaceChildren(say("positions_are", row, column), el("b", {}, fixed(values.at(row, column), 3)));
    const map = heatmap({ values, rows: null, columns: null, moved: tell, label: say("positions_label", view.model), least: 3, most: 8 });
    tell(0, 0);
    return el("article", {}, el("h4", {}, view.model, el("span", { class: "soft" }, ` · ${say(`positions_${view.kind}`)}`)), map.element, details);
  })));
};
