// --- what moved a verdict: the same question again and again, each time without one piece ---------

const MOST_PIECES = 400;

// Where a model reads letters of a biological sequence: the letter that may be any of them.
function hiddenLetter(text) {
  if (text.length < 8) return null;
  if (/^[ACGTUN]+$/i.test(text)) return "N";
  return /^[A-Z]+$/.test(text) && text.length >= 20 ? "X" : null;
}

// The pieces of a text, [piece, the text without it]: its letters, or its words. Spaces are none.
function pieces(text) {
  const hidden = hiddenLetter(text), split = hidden ? [...text] : text.split(/(\s+)/);
  return split.map((piece, i) => {
    const without = [...split.slice(0, i), hidden || "", ...split.slice(i + 1)].join("");
    return [piece, piece.trim() ? without : null];
  });
}

function logOdds(p) {
  const inside = Math.min(Math.max(p, 1e-6), 1 - 1e-6);
  return Math.log(inside / (1 - inside));
}

// [piece, influence]: what the log-odds of the likeliest label lose without the piece.
async function influences(model, name, text, probabilities) {
  const all = pieces(text), asked = all.filter(([, without]) => without !== null);
  if (asked.length > MOST_PIECES) return null;
  const best = probabilities.indexOf(Math.max(...probabilities));
  const answers = await askAll(model, asked.map(([, without]) => ({ [name]: without })));
  const found = answers.map((answer) => answer.probabilities[best]);
  const whole = logOdds(probabilities[best]);
  return all.map(([piece, without]) => [piece, without === null ? 0 : whole - logOdds(found.shift())]);
}

// Columns of a logo, [letter, height] each: bits of information of the letters at a place.
//     height = p * (log2 K + sum_k p_k log2 p_k)      with K letters in all
function information(texts) {
  const upper = texts.map((text) => text.toUpperCase()), most = Math.log2(new Set(upper.join("")).size);
  return [...upper[0]].map((_, i) => {
    const counts = {};
    for (const text of upper) counts[text[i]] = (counts[text[i]] || 0) + 1 / upper.length;
    const bits = most + Object.values(counts).reduce((sum, p) => sum + p * Math.log2(p), 0);
    return Object.entries(counts).sort((a, b) => a[1] - b[1]).map(([letter, p]) => [letter, p * bits]);
  });
}
