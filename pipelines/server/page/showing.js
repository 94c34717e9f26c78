// --- showing: only textContent, so that no answer becomes part of the page ------------------------

function element(tag, attributes = {}, ...children) {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...children);
  return made;
}

const COLOURS = ["#3b6fd4", "#d43b3b", "#2a9d4a", "#e0a020", "#8a4fc0", "#1f9fb5", "#c2578e", "#7a6a4f"];
const LETTERS = { A: "#2a9d4a", C: "#3b6fd4", G: "#e0a020", T: "#d43b3b", U: "#d43b3b" };

const SHOW = {
  text: ({ text }) => element("p", { textContent: text }),
  note: ({ text }) => element("p", {}, element("small", { textContent: text })),
  bars: ({ bars }) => element("div", {}, ...bars.map(([name, share]) => {
    const bar = element("i");
    bar.style.width = `${100 * share}%`;
    return element("div", { className: "bar" }, element("span", { textContent: name }),
      element("span", {}, bar), element("span", { textContent: share.toFixed(3) }));
  })),
  list: ({ rows }) => element("table", {}, ...rows.map(([name, label, probability]) =>
    element("tr", {}, ...[name, label, probability.toFixed(3)].map((textContent) => element("td", { textContent }))))),
  curves: ({ names, rows }) => {
    const last = rows[rows.length - 1], order = names.map((_, i) => i).sort((a, b) => last[b] - last[a]);
    const drawn = order.slice(0, COLOURS.length), canvas = element("canvas", { className: "curves", width: 800, height: 160 });
    drawCurves(canvas, drawn.map((i) => rows.map((row) => row[i])));
    const legend = drawn.map((i, k) => {
      const mark = element("i");
      mark.style.background = COLOURS[k];
      return element("span", { className: "legend" }, mark, names[i]);
    });
    return element("figure", {}, canvas, element("figcaption", {},
      `probability after each of ${rows.length} frames: `, ...legend));
  },
  tokens: ({ tokens }) => element("p", {}, ...tokens.map(([token, tag]) => {
    const entity = tag && tag !== "O";
    const word = element("span", { className: entity ? "entity" : "", textContent: token });
    return element("span", { className: "token" }, word,
      element("small", { textContent: entity ? tag : "\u00a0" }));
  })),
  words: ({ words }) => {
    const most = Math.max(...words.map(([, influence]) => Math.abs(influence)), 1e-6);
    const text = element("p", {}, ...words.map(([word, influence]) => {
      if (!word.trim()) return word;
      const shown = element("span", { className: "word", textContent: word, title: influence.toFixed(3) });
      const strength = Math.round(100 * Math.abs(influence) / most) / 100;
      shown.style.background = `rgb(${influence > 0 ? "74 125 214" : "214 90 74"} / ${0.7 * strength})`;
      return shown;
    }));
    return element("figure", {}, text, element("figcaption", {
      textContent: "blue spoke for this answer, red against it: what its log-odds lose without the word" }));
  },
  logo: ({ columns, caption }) => {
    const canvas = element("canvas", { className: "logo", width: Math.max(24 * columns.length, 480), height: 160 });
    drawLogo(canvas, columns);
    return element("figure", {}, canvas, element("figcaption", { textContent: caption }));
  },
  roll: ({ roll }) => {
    const picture = rollPicture(roll.length), button = element("button", { type: "button", textContent: "Play" });
    picture.draw(roll);
    button.onclick = () => play(roll, (steps) => picture.draw(roll.slice(0, steps)));
    return element("div", {}, picture.canvas, button);
  },
};

// A canvas of 88 keys by so many steps; a struck key is darker than a held one.
function rollPicture(steps) {
  const canvas = element("canvas", { className: "roll", width: Math.max(steps, 1), height: 88 });
  const context = canvas.getContext("2d");
  const draw = (roll) => {
    context.clearRect(0, 0, canvas.width, 88);
    roll.forEach((frame, step) => frame.forEach((state, key) => {
      if (!state) return;
      context.fillStyle = state === 2 ? "#2f5fb3" : "#7aa3e8";
      context.fillRect(step, 87 - key, 1, 1);
    }));
  };
  return { canvas, draw };
}

// Curves from 0 at the bottom to 1 at the top, the first one above the others.
function drawCurves(canvas, curves) {
  const context = canvas.getContext("2d"), { width, height } = canvas;
  const y = (share) => 3 + (1 - share) * (height - 6);
  context.fillStyle = "#8884";
  for (const share of [0, 0.5, 1]) context.fillRect(0, y(share), width, 1);
  context.lineWidth = 3;
  context.lineJoin = "round";
  curves.map((shares, k) => [shares, k]).reverse().forEach(([shares, k]) => {
    context.strokeStyle = COLOURS[k];
    context.beginPath();
    [...shares, shares[shares.length - 1]].forEach((share, t) => context.lineTo((t * width) / shares.length, y(share)));
    context.stroke();
  });
}

// Letters stacked, each as high as its number; those below zero hang under the line.
function drawLogo(canvas, columns) {
  const context = canvas.getContext("2d"), width = canvas.width / columns.length;
  const reach = (sign) => Math.max(...columns.map((column) =>
    column.reduce((sum, [, height]) => sum + Math.max(sign * height, 0), 0)));
  const above = reach(1), below = reach(-1), unit = (canvas.height - 4) / (above + below || 1);
  const zero = 2 + above * unit;
  context.font = "bold 100px sans-serif";
  context.textBaseline = "alphabetic";
  columns.forEach((column, place) => {
    let up = zero, down = zero;
    for (const [letter, height] of column) {
      const size = Math.abs(height) * unit, box = context.measureText(letter.toUpperCase());
      if (size < 0.5) continue;
      const bottom = height > 0 ? up : down + size;
      context.save();
      context.translate(place * width, bottom);
      context.scale(width / box.width, size / box.actualBoundingBoxAscent);
      context.fillStyle = LETTERS[letter.toUpperCase()] || "#888";
      context.fillText(letter.toUpperCase(), 0, 0);
      context.restore();
      if (height > 0) up -= size; else down += size;
    }
  });
  context.fillStyle = "#8888";
  context.fillRect(0, zero, canvas.width, 1);
}
