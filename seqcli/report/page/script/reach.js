// How far back models remember, all of them in one picture each.

VIEWS.reach = (section, views) => {
  const lines = (points, of) => views.map((view, colour) => ({ name: view.model, colour, points: view[points].map(of) }));
  const gradient = ({ distance, norm }) => [distance, norm];
  const sizes = [...new Set(views.flatMap((view) => view.contexts.map(({ tokens }) => tokens)))].sort((a, b) => a - b);
  const loss = chart({
    series: lines("contexts", ({ tokens, nats }) => [tokens, nats]), x: { label: say("context"), log: true }, at: sizes,
    y: { label: say("loss"), format: (number) => fixed(number, 3) }, label: say("loss"),
  });
  const norms = chart({
    series: views.flatMap((view, colour) => [
      { name: view.model, colour, points: view.gradients.map(gradient) },
      { name: say("untrained", view.model), colour, dashed: true, points: view.untrained.map(gradient) },
    ]),
    x: { label: say("distance") }, y: { label: say("gradient"), log: true, format: significant }, label: say("gradient"),
  });
  const text = (key) => el("p", { class: "about" }, say(key));
  if (loss) section.append(text("about_context"), loss);
  if (norms) section.append(text("about_gradient"), norms);
  const timed = views.filter((view) => view.costs.length);
  if (!timed.length) return;
  const lengths = [...new Set(timed.flatMap((view) => view.costs.map(({ tokens }) => tokens)))].sort((a, b) => a - b);
  const cost = (view, tokens) => view.costs.find((each) => each.tokens === tokens);
  const rows = [
    ["milliseconds", ({ seconds }) => fixed(1000 * seconds, 1)],
    ["operations", ({ operations }) => rounded(operations)],
    ["steps", ({ steps }) => count(steps)],
  ];
  section.append(text("about_cost"), table(
    ["", say("tokens"), ...lengths.map(count)],
    timed.flatMap((view) => rows.map(([name, shown], row) => [row ? "" : el("b", {}, view.model), say(name),
      ...lengths.map((tokens) => (cost(view, tokens) ? shown(cost(view, tokens)) : ""))])),
    say("cost")));
};

/** 1.2 M for 1,234,567. */
function rounded(number) {
  const [size, sign] = [[1e9, " G"], [1e6, " M"], [1e3, " k"]].find(([least]) => number >= least) ?? [1, ""];
  return `${sign ? fixed(number / size, 1) : number}${sign}`;
}
