// Tokens coloured by -log p: the models below each other, aligned where their tokens begin and end together.

const PART = 500; // tokens shown at once

VIEWS.surprisal = (section, views) => {
  const columns = aligned(views);
  const groups = columns ? [[views, columns]] : views.map((view) => [[view], aligned([view])]);
  section.append(natsScale());
  for (const [models, cells] of groups) section.append(totals(models), paged(cells.length, PART, (from, to) => staves(models, cells.slice(from, to))));
};

/**
 * The places at which all models have a boundary: for each column the tokens of every model, as [first, last + 1).
 * Null where the models read different characters, such as unknown words: then there is nothing to align.
 */
function aligned(views) {
  const letters = (token) => (/^<\/?\w+>$/.test(token) ? token : token.replace(/[\s▁]/gu, ""));
  const texts = views.map((view) => view.tokens.map(({ token }) => letters(token)));
  if (texts.some((text) => text.join("") !== texts[0].join(""))) return null;
  const columns = [];
  const end = texts.map(() => 0);
  const read = texts.map(() => 0); // characters
  const left = (model) => end[model] < texts[model].length;
  const take = (model) => {
    if (left(model)) read[model] += texts[model][end[model]++].length;
  };
  while (texts.some((_, model) => left(model))) {
    const begin = [...end];
    texts.forEach((_, model) => take(model));
    const behind = () => read.findIndex((length, model) => length < Math.max(...read) && left(model));
    for (let model = behind(); model >= 0; model = behind()) take(model);
    columns.push(begin.map((first, model) => [first, end[model]]));
  }
  return columns;
}

const totals = (views) => el("p", { class: "totals" }, ...views.map(({ model, tokens }) => {
  const impossible = tokens.some(({ log_prob }) => log_prob == null);
  const total = impossible ? null : -sum(tokens.map(({ log_prob }) => log_prob));
  const mean = impossible ? null : total / tokens.length;
  return el("span", { class: "pair" }, el("b", {}, model), ` ${say("total", fixed(total), count(tokens.length), fixed(mean))}`);
}));

/** Lines of columns as in a score: each as wide as the page, each with the names of the models. */
function staves(views, columns) {
  const labels = () => el("div", { class: "stave-names" }, ...views.map((view) => el("span", {}, view.model)));
  const cells = columns.map((spans, column) => el("div", { class: "column" }, ...views.map((view, model) => {
    const row = el("div", { class: "stave-cell" });
    for (let place = spans[model][0]; place < spans[model][1]; place += 1) {
      const { token, log_prob } = view.tokens[place];
      const own = log_prob == null ? null : -log_prob;
      row.append(coloured(el("button", {
        type: "button", tabindex: -1, "data-pick": "", "data-column": column, "data-model": model, "data-place": place,
        "aria-label": `${view.model}: ${visible(token)}, ${fixed(own)} ${say("nats")}`,
      }, tokenText(token), el("small", {}, fixed(own))), own));
    }
    return row;
  })));
  const music = el("div", { class: "staves", role: "group", "aria-label": say("tokens") }, el("div", { class: "stave" }, ...cells));
  const details = readout();
  details.classList.add("cards");
  pickable(music, (button) => {
    const [column, chosen] = [Number(button.dataset.column), Number(button.dataset.model)];
    details.replaceChildren(...views.map((view, model) => {
      const [first, end] = columns[column][model];
      const place = model === chosen ? Number(button.dataset.place) : first;
      return end > first ? expected(view, view.tokens[place]) : null;
    }).filter(Boolean));
  });
  responsive(music, (width) => {
    const focused = music.contains(document.activeElement) ? document.activeElement : null;
    const flat = el("div", { class: "stave" }, labels(), ...cells);
    music.replaceChildren(flat);
    const name = flat.firstChild.offsetWidth;
    const widths = cells.map((cell) => cell.offsetWidth);
    const lines = [];
    let free = 0;
    cells.forEach((cell, index) => {
      if (!lines.length || widths[index] > free) {
        lines.push(el("div", { class: "stave" }, labels()));
        free = width - name;
      }
      lines[lines.length - 1].append(cell);
      free -= widths[index];
    });
    music.replaceChildren(...lines);
    details.classList.toggle("below", music.offsetHeight > innerHeight / 2); // else the end of a long text hides the details
    focused?.focus({ preventScroll: true });
  });
  return [music, details];
}

/** What a model thought of one token, and what it expected there. */
function expected(view, { token, log_prob, expected: others }) {
  const p = log_prob == null ? 0 : Math.exp(log_prob);
  const most = Math.max(0.001, ...others.map(([, chance]) => chance));
  const rows = others.map(([name, chance]) => [tokenText(name), chance / most, probability(chance), name === token]);
  return el("div", { class: "card" },
    el("p", {}, el("b", {}, view.model), " ", tokenText(token), ` p = ${probability(p)}, −log p = ${fixed(log_prob == null ? null : -log_prob)}`),
    el("p", { class: "soft" }, say("expected")), bars(rows));
}
