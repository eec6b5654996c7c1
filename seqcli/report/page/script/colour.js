// Colours of numbers, from the style sheet's variables, so that light and dark are decided there.

const LEVELS = 256;

function rgb(variable) {
  const hex = getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
  return [1, 3, 5].map((place) => parseInt(hex.slice(place, place + 2), 16));
}

/** `LEVELS` colours from low to high: from paper to one hue, or with negative numbers from one hue over paper to another. */
function palette(diverging) {
  const [paper, cold, hot] = ["--paper", "--cold", "--hot"].map(rgb);
  const mixed = (from, to, share) => from.map((value, place) => Math.round(value + (to[place] - value) * share));
  return Array.from({ length: LEVELS }, (_, level) => {
    const x = level / (LEVELS - 1);
    if (!diverging) return mixed(paper, cold, x);
    return x < 0.5 ? mixed(cold, paper, 2 * x) : mixed(paper, hot, 2 * x - 1);
  });
}

/** The scale of a picture: its colours with numbers at [share of the width, text]. */
function scale(kind, marks, label) {
  return el("div", { class: "scale" }, el("span", {}, label), el("div", { class: `ramp ${kind}` },
    ...marks.map(([share, text]) => {
      const mark = el("span", {}, text);
      mark.style.left = `${100 * share}%`;
      return mark;
    })));
}

/** A matrix out of its packed form (`packing.py`): {rows, columns, low, high, at(row, column)}. */
function matrix({ rows, columns, low, high, digits, packed }) {
  const digit = new Uint8Array(128);
  [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"].forEach((character, value) => {
    digit[character.charCodeAt(0)] = value;
  });
  const values = new Float32Array(rows * columns);
  for (let place = 0; place < values.length; place += 1) {
    let level = 0;
    for (let at = digits * place; at < digits * (place + 1); at += 1) level = 64 * level + digit[packed.charCodeAt(at)];
    values[place] = low + ((high - low) * level) / (64 ** digits - 1);
  }
  return { rows, columns, low, high, at: (row, column) => values[row * columns + column] };
}

/** A canvas of one pixel a cell. curve: of the share 0 ... 1 of the range, to show small numbers. */
function pixels({ rows, columns, low, high, at }, curve = (share) => share) {
  const canvas = el("canvas");
  [canvas.width, canvas.height] = [columns, rows];
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  const colours = palette(low < 0);
  for (let row = 0, place = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1, place += 4) {
      const share = curve(Math.max(0, Math.min(1, (at(row, column) - low) / (high - low))));
      image.data.set(colours[Math.round(share * (LEVELS - 1))], place);
      image.data[place + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
