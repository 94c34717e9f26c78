// --- from an answer to what one sees: a list of parts, the most telling ones first ----------------

function short(text) { return text.length > 300 ? `${text.slice(0, 299)}\u2026` : text; }

// [label, probability] of each answer; null where that does not tell what was answered.
function likeliest(answers, labels) {
  const found = answers.map(({ label, probability, probabilities, labels: own }) => {
    if (typeof label === "string" && typeof probability === "number") return [label, probability];
    const names = own || labels, shares = probabilities || [];
    if (!names || !shares.length || names.length !== shares.length) return null;
    const best = shares.indexOf(Math.max(...shares));
    return [names[best], shares[best]];
  });
  return found.every(Boolean) ? found : null;
}

function parts(answer, labels) {
  const rest = { ...answer }, found = [];
  const take = (...names) => {
    const values = names.map((name) => rest[name]);
    names.forEach((name) => delete rest[name]);
    return values;
  };
  if (rest.tokens && rest.tags) {
    const [tokens, tags] = take("tokens", "tags");
    take("start", "end", "probability");
    found.push({ kind: "tokens", tokens: tokens.map((token, i) => [token, tags[i]]).filter(([token]) => token) });
  }
  if (rest.valid === true) take("valid");
  const names = rest.labels || labels;
  if (names && typeof rest.probabilities?.[0] === "number" && names.length === rest.probabilities.length) {
    const [probabilities] = take("probabilities");
    take("labels", "probability", "label");
    found.push({ kind: "bars", bars: names.map((name, i) => [name, probabilities[i]]) });
  }
  const curves = ["over_time", "probabilities"].find((name) =>
    names && Array.isArray(rest[name]) && Array.isArray(rest[name][0]) && rest[name][0].length === names.length);
  if (curves) {
    take(curves, "labels", ...(curves === "probabilities" ? ["label", "probability"] : []));
    found.push({ kind: "curves", names, rows: answer[curves] });
  }
  if (rest.translations && rest.scores) {
    const [texts, scores] = take("translations", "scores");
    take("translation", "score");
    const known = texts.map((text, i) => [text, scores[i]]).filter(([text]) => text);
    found.push(...known.map(([text, score], i) =>
      i ? { kind: "note", text: `${text} (${score.toFixed(2)})` } : { kind: "text", text }));
  }
  for (const [name, value] of Object.entries(rest)) {
    if (Array.isArray(value) && Array.isArray(value[0]) && value[0].length === 88)
      found.push({ kind: "roll", roll: value });
    else if (typeof value === "string") found.push({ kind: "text", text: value });
    else found.push({ kind: "note", text: `${name}: ${short(JSON.stringify(value))}` });
  }
  return found;
}
