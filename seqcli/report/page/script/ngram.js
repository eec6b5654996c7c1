// How an n-gram model arrives at each number: the chain rule, the back-off path of a token, and what may follow the text.

VIEWS.ngram = (section, views) => {
  for (const view of views) {
    const details = readout();
    const chain = paged(view.tokens.length, PART, (from, to) => {
      const factors = el("div", { class: "chain", role: "group", "aria-label": say("chain") }, ...view.tokens.slice(from, to).map(factor));
      pickable(factors, (button) => details.replaceChildren(...backoff(view.tokens[from + Number(button.dataset.place)])));
      return [factors];
    });
    const total = sum(view.tokens.map((path) => path.log_prob));
    const most = Math.max(0.001, ...view.next.map((next) => next.probability));
    section.append(el("article", {},
      el("h4", {}, view.model, el("span", { class: "soft" }, ` · ${say("markov", view.order, view.order - 1)}`)),
      el("h5", {}, say("chain")), chain,
      el("p", { class: "sum" }, say("product", probability(Math.exp(total)), fixed(total))),
      el("div", { class: "pair-of" },
        el("div", {}, el("h5", {}, say("path")), details),
        el("div", {}, el("h5", {}, say("transitions")),
          bars(view.next.map((next) =>
            [tokenText(next.token), next.probability / most, `${probability(next.probability)}  ${say("from_order", next.order)}`]))),
      ),
      transitions(view),
      view.discounts.length ? table([say("order"), "D₁", "D₂", "D₃₊"],
        view.discounts.map((row, index) => [String(index + 1), ...row.map((number) => fixed(number, 3))]), say("discounts")) : null));
  }
};

/** The transition table of the context that the text ends in: of which count, discount and back-off each probability is made. */
function transitions({ context, next }) {
  const counted = context.total != null;
  const number = (value, digits) => (value == null ? "–" : fixed(value, digits));
  const rows = next.map((each) => [
    tokenText(each.token), ...(counted ? [count(each.count), number(each.discount, 3)] : []),
    fixed(each.own, 4), fixed(each.lower, 4), fixed(each.probability, 4),
  ]);
  const caption = el("span", {}, say("transitions_of"), " ", ...(context.tokens.length ? spaced(context.tokens) : [say("no_context")]));
  const weight = probability(Math.exp(context.log_backoff));
  return el("div", {},
    table([say("token"), ...(counted ? [say("count"), say("discount")] : []),
      counted ? say("own_counted", count(context.total)) : say("own"), say("lower"), say("probability")], rows, caption),
    el("p", { class: "soft" }, say(counted ? "about_counts" : "about_no_counts"),
      context.tokens.length ? ` ${say("weight_of", weight)}` : ""));
}

/** p(token | what the model looks back at), with its number. */
function factor({ token, log_prob, steps }, place) {
  const history = steps[0].context;
  return coloured(el("button", { type: "button", tabindex: -1, "data-pick": "", "data-place": place },
    el("span", {}, "p(", tokenText(token), history.length ? " | " : "", ...spaced(history), ")"),
    el("small", {}, probability(Math.exp(log_prob)))), -log_prob);
}

const spaced = (tokens) => tokens.flatMap((token, place) => (place ? [" ", tokenText(token)] : [tokenText(token)]));

/** The n-grams that were looked up for a token, and the sum that they make. */
function backoff({ token, log_prob, steps }) {
  const bracketed = (number) => (number < 0 ? `(${fixed(number, 3)})` : fixed(number, 3));
  const numbers = steps.map((step) => (step.found ? step.log_prob : step.log_backoff));
  const rows = steps.map((step, place) => [
    String(step.order), el("span", {}, ...spaced(step.context), step.context.length ? " " : "", el("b", {}, tokenText(token))),
    say(step.found ? "found" : "not_found"), fixed(numbers[place], 3),
  ]);
  return [
    table([say("order"), say("ngram"), "", say("adds")], rows),
    el("p", { class: "sum" }, `log p = ${numbers.map((number, place) => (place ? bracketed(number) : fixed(number, 3))).join(" + ")}`,
      numbers.length > 1 ? ` = ${fixed(log_prob, 3)}` : "", `; p = ${probability(Math.exp(log_prob))}`),
  ];
}
