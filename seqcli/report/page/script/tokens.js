// Tokens in a row, of which one at a time is chosen: with the pointer, or by Tab and the arrow keys.

/** The most surprising number of nats that has a colour of its own. */
const NATS = 10;
function coloured(button, nats) {
  button.style.setProperty("--heat", nats == null ? 1 : Math.max(0, Math.min(1, nats / NATS)));
  return button;
}

/** The scale of `coloured`: nats, and beneath them what they mean as a probability. */
const natsScale = () => scale("nats", [0, 1, 2, 3, 4].map((zeros) => {
  const nats = zeros * Math.LN10;
  return [nats / NATS, `${fixed(nats, 1)}\n${zeros ? `1/${count(10 ** zeros)}` : "1"}`];
}), say("nats_scale"));

/** A long text part by part, with a list to choose from: draw(from, to) gives the elements of the tokens from ... to - 1. */
function paged(total, size, draw) {
  const stage = el("div");
  const show = (from) => stage.replaceChildren(...draw(from, Math.min(total, from + size)));
  show(0);
  if (total <= size) return stage;
  const select = el("select");
  for (let from = 0; from < total; from += size) {
    select.append(el("option", {}, `${count(from + 1)}–${count(Math.min(total, from + size))}`));
  }
  select.addEventListener("change", () => show(select.selectedIndex * size));
  return el("div", {}, el("label", { class: "choice" }, say("tokens"), " ", select), stage);
}

/**
 * Makes buttons inside `box` one stop of the Tab key: arrow keys go to the next of the same model, up and down to the nearest of
 * the next line, or where `moves[key](button)` says. choose(button) is called when one is pointed at, clicked or focused; the first
 * is chosen at once.
 */
function pickable(box, choose, moves = {}) {
  let chosen = null;
  function pick(button) {
    if (!button || button === chosen) return;
    chosen?.setAttribute("tabindex", -1);
    chosen?.removeAttribute("aria-current");
    chosen = button;
    chosen.setAttribute("tabindex", 0);
    chosen.setAttribute("aria-current", "true");
    choose(chosen);
  }
  const all = () => [...box.querySelectorAll("[data-pick]")];
  const under = (event) => event.target.closest?.("[data-pick]");
  for (const kind of ["pointerover", "focusin", "click"]) box.addEventListener(kind, (event) => pick(under(event)));
  box.addEventListener("keydown", (event) => {
    const from = under(event);
    if (!from) return;
    const buttons = all();
    const row = buttons.filter((button) => button.dataset.model === from.dataset.model);
    const here = row.indexOf(from);
    const to = {
      ArrowLeft: () => row[here - 1], ArrowRight: () => row[here + 1], Home: () => row[0], End: () => row[row.length - 1],
      ArrowUp: () => nearest(buttons, from, -1), ArrowDown: () => nearest(buttons, from, 1), ...moves,
    }[event.key];
    if (!to) return;
    event.preventDefault();
    to(from)?.focus();
  });
  pick(all()[0]);
  return pick;
}

/** The button of the next line above (-1) or below (1) that is closest to one. */
function nearest(buttons, from, direction) {
  const middle = (button) => {
    const { left, top, width, height } = button.getBoundingClientRect();
    return [left + width / 2, top + height / 2];
  };
  const [x, y] = middle(from);
  let [best, closest] = [null, Infinity];
  for (const button of buttons) {
    const [a, b] = middle(button);
    const far = (b - y) * direction;
    if (far < 6) continue;
    const distance = far * 1000 + Math.abs(a - x);
    if (distance < closest) [best, closest] = [button, distance];
  }
  return best;
}
