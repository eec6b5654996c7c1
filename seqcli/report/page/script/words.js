// What each word adds to a classifier's label.

VIEWS.words = (section, views) => {
  const most = Math.max(0.01, ...views.flatMap((view) => view.words.map(({ change }) => Math.abs(change))));
  const grouped = Math.max(...views.map((view) => view.grouped));
  if (grouped > 1) section.append(el("p", { class: "note" }, say("words_grouped", grouped)));
  section.append(el("div", { class: "pair-of" }, ...views.map((view) => el("article", {},
    el("h4", {}, view.model, el("span", { class: "soft" }, ` · ${say("labelled", view.label, fixed(view.probability, 3))}`)),
    el("ul", { class: "influences" }, ...view.words.map(({ word, change }) => {
      const bar = el("span", { class: `bar ${change < 0 ? "against" : "for"}` });
      bar.style.setProperty("--share", Math.abs(change) / most);
      return el("li", {}, tokenText(word), el("span", { class: "axis" }, bar), el("span", { class: "number" }, (change > 0 ? "+" : "") + fixed(change)));
    }))))));
};
