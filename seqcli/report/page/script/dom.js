"use strict";

// Elements, numbers and texts that every view uses. Tokens are shown by text nodes alone, so nothing in them is ever HTML.

const DATA = JSON.parse(document.getElementById("data").textContent);
const VIEWS = {}; // name: (section, views of one text) => fills the section

/** The page's text `key`, in its language, with {0}, {1} ... filled in. */
const say = (key, ...values) => DATA.texts[key].replace(/\{(\d)\}/g, (_, place) => values[place]);

const make = (element, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) if (value != null) element.setAttribute(name, value);
  element.append(...children.filter((child) => child != null));
  return element;
};
const el = (tag, attributes = {}, ...children) => make(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) =>
  make(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

const fixed = (number, digits = 2) =>
  number == null ? "∞" : number.toFixed(digits).replace(/^-(?=0(\.0*)?$)/, "").replace("-", "−");
const probability = (p) => {
  if (p >= 0.01 || p === 0) return fixed(p, 3);
  return p >= 0.001 ? fixed(p, 4) : p.toExponential(1).replace("e-", "e−");
};
const significant = (number) => {
  const size = Math.abs(number);
  return size >= 0.001 && size < 1e4 ? String(Number(number.toPrecision(3))) : number.toExponential(1).replace("-", "−").replace("+", "");
};
const count = (number) => (number + 0).toLocaleString("en-US"); // + 0: no -0
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

/** A token as it can be seen: blanks and control characters have signs, and no token takes a whole line. */
function visible(token) {
  const shown = token
    .replace(/\n/g, "⏎").replace(/\t/g, "⇥").replace(/^\s+$/u, (blanks) => "␣".repeat(blanks.length))
    .replace(/\p{Cc}/gu, "�");
  const characters = [...shown];
  return characters.length > 32 ? `${characters.slice(0, 31).join("")}…` : shown || "∅";
}
const tokenText = (token, attributes = {}) => el("bdi", { class: "token", ...attributes }, visible(token));

/** Calls draw(width) when the element is first laid out and whenever its width changes. */
function responsive(element, draw) {
  let last = 0;
  const check = () => {
    const width = element.clientWidth;
    if (width && width !== last) draw((last = width));
  };
  new ResizeObserver(() => requestAnimationFrame(check)).observe(element); // drawing may resize what is observed
  return element;
}

const REPAINTED = new Map(); // element: what draws it, in colours that a change of light and dark does not reach
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => REPAINTED.forEach((paint, element) => {
  if (element.isConnected) paint();
  else REPAINTED.delete(element);
}));

let choices = 0;
/** Radio buttons in a row; none for a single choice. choose(index) is called for the first and for each one chosen. */
function choice(label, names, choose) {
  const group = `choice-${(choices += 1)}`;
  const options = names.map((name, index) => {
    const input = el("input", { type: "radio", name: group });
    input.checked = index === 0;
    input.addEventListener("change", () => choose(index));
    return el("label", {}, input, el("span", {}, name));
  });
  const field = el("fieldset", { class: "choice" }, el("legend", {}, label), ...options);
  field.hidden = names.length < 2;
  return field;
}

/** Bars with a name and a number each: rows of [name, share of the width, number, marked]. */
function bars(rows) {
  return el("ul", { class: "bars" }, ...rows.map(([name, share, number, marked]) => {
    const bar = el("span", { class: "bar" });
    bar.style.setProperty("--share", Math.max(0, Math.min(1, share)));
    return el("li", { class: marked ? "marked" : null }, name, bar, el("span", { class: "number" }, number));
  }));
}

/** Details of what is pointed at, announced by screen readers. */
const readout = (...children) => el("div", { class: "readout", "aria-live": "polite" }, ...children);

/** A table of rows that are strings or elements; columns of numbers are aligned on the right. */
function table(head, rows, caption) {
  const number = (content) => typeof content === "string" && /^[−\d∞][\d.,e−]*( [kMG])?$/.test(content);
  const side = (column) => (number(rows[0]?.[column]) ? "number" : null);
  return el("div", { class: "scroll" }, caption ? el("h5", {}, caption) : null, el("table", {},
    el("thead", {}, el("tr", {}, ...head.map((name, column) => el("th", { class: side(column), scope: "col" }, name)))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((content, column) => el("td", { class: side(column) }, content)))))));
}
