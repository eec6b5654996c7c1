// A matrix as coloured cells, with names beside it and a cursor that follows the pointer and the arrow keys.

const SMALL_FONT = "12px ui-sans-serif, system-ui, sans-serif";
const ruler = document.createElement("canvas").getContext("2d");
function textWidth(text, font = SMALL_FONT) {
  ruler.font = font;
  return ruler.measureText(text).width;
}

/**
 * values: a matrix; rows, columns: names, or null for none; least, most: a cell's size in pixels; moved(row, column): the cursor.
 * Gives the element and place(row[, column]), which moves the cursor from outside.
 */
function heatmap({ values, rows, columns, label, moved, curve, least = 4, most = 28, height = null }) {
  const canvas = el("canvas");
  const cursor = el("div", { class: "cursor" });
  const sheet = el("div", { class: "sheet" }, canvas, cursor);
  const box = el("div", { class: "heat", tabindex: 0, role: "application", "aria-label": label }, sheet);
  const at = { row: 0, column: 0 };
  let [left, top, right, wide, tall, width] = [0, 0, 0, 1, 1, 0];

  function paint() {
    const named = wide >= 13 && tall >= 13;
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const [w, h] = [left + wide * values.columns + right + 1, top + tall * values.rows + 1];
    [canvas.width, canvas.height] = [w * ratio, h * ratio];
    [canvas.style.width, canvas.style.height] = [`${w}px`, `${h}px`];
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.imageSmoothingEnabled = false;
    context.drawImage(pixels(values, curve), left, top, wide * values.columns, tall * values.rows);
    const style = getComputedStyle(document.documentElement);
    context.fillStyle = style.getPropertyValue("--paper");
    if (wide >= 9) for (let c = 1; c < values.columns; c += 1) context.fillRect(left + c * wide - 0.5, top, 1, tall * values.rows);
    if (tall >= 9) for (let r = 1; r < values.rows; r += 1) context.fillRect(left, top + r * tall - 0.5, wide * values.columns, 1);
    context.strokeStyle = style.getPropertyValue("--line");
    context.strokeRect(left + 0.5, top + 0.5, wide * values.columns, tall * values.rows);
    context.font = SMALL_FONT;
    context.fillStyle = style.getPropertyValue("--ink");
    context.textBaseline = "middle";
    context.textAlign = "right";
    if (rows && tall >= 11) rows.forEach((name, r) => context.fillText(short(name), left - 6, top + (r + 0.5) * tall));
    context.textAlign = "left";
    if (columns && (named || wide >= 13)) {
      columns.forEach((name, c) => {
        context.save();
        context.translate(left + (c + 0.5) * wide, top - 6);
        context.rotate(-Math.PI / 3);
        context.fillText(short(name), 0, 0);
        context.restore();
      });
    }
    point();
  }
  function short(name) {
    const characters = [...visible(name)];
    return characters.length > 14 ? `${characters.slice(0, 13).join("")}…` : characters.join("");
  }
  function measure(available) {
    width = available;
    const widest = (names) => Math.ceil(Math.max(0, ...names.map((name) => textWidth(short(name)))));
    left = rows ? widest(rows) + 10 : 0;
    wide = Math.floor(Math.max(least, Math.min(most, (available - left - 24) / values.columns)));
    tall = height ?? wide;
    const named = columns && wide >= 13;
    top = named ? Math.ceil(widest(columns) * 0.87) + 14 : 0;
    if (rows && tall < 11) left = 0;
    right = named ? Math.ceil(Math.max(0, widest(columns.slice(-3)) * 0.5 - wide / 2 + 8)) : 0; // the names lean out
    paint();
  }
  function point() {
    cursor.style.transform = `translate(${left + at.column * wide}px, ${top + at.row * tall}px)`;
    [cursor.style.width, cursor.style.height] = [`${wide + 1}px`, `${tall + 1}px`];
  }
  function place(row, column = at.column) {
    at.row = Math.max(0, Math.min(values.rows - 1, row));
    at.column = Math.max(0, Math.min(values.columns - 1, column));
    point();
  }
  function move(row, column) {
    place(row, column);
    moved(at.row, at.column);
  }
  const pointed = (event) => {
    const corner = canvas.getBoundingClientRect();
    const [row, column] = [(event.clientY - corner.top - top) / tall, (event.clientX - corner.left - left) / wide];
    if (row >= 0 && row < values.rows && column < values.columns) move(Math.floor(row), Math.max(0, Math.floor(column)));
  };
  box.addEventListener("pointermove", pointed);
  box.addEventListener("pointerdown", pointed);
  box.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    const end = { Home: 0, End: values.columns - 1 }[event.key];
    if (!step && end === undefined) return;
    event.preventDefault();
    if (step) move(at.row + step[0], at.column + step[1]);
    else move(at.row, end);
    const x = left + at.column * wide;
    if (x < box.scrollLeft || x + wide > box.scrollLeft + box.clientWidth) box.scrollLeft = x - box.clientWidth / 2;
  });
  REPAINTED.set(box, () => width && paint());
  return { element: responsive(box, measure), place };
}
