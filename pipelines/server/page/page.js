// --- the page -------------------------------------------------------------------------------------

// What a person fills in, and how its value is read.
function field(name, kind) {
  const text = isText(kind), value = text ? kind.value : JSON.stringify(kind.value);
  const scalar = kind.shape.length === 1 && !text;
  const box = scalar ? element("input", { name, value })
    : element("textarea", { name, value, className: text ? "" : "numbers" });
  box.ondragover = (event) => event.preventDefault();
  box.ondrop = async (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    box.value = await event.dataTransfer.files[0].text();
  };
  const label = element("label", {}, element("span", { textContent: `${name} (${kind.dtype})` }), box);
  const made = text || scalar ? label
    : element("details", {}, element("summary", { textContent: name }), label);
  return [made, () => read(name, kind, box.value)];
}

const MOST_IN_FULL = 5; // sequences whose answers are shown with all labels

// One text: its answer, and what moved it. Several sequences: an answer each, and what they share.
async function showAnswers(model, row, result) {
  const names = Object.keys(model.inputs);
  const only = names.length === 1 && isText(model.inputs[names[0]]) ? names[0] : null;
  const asked = only ? sequences(row[only]) : [["", null]];
  const rows = only ? asked.map(([, text]) => ({ [only]: text })) : [row];
  const answers = await askAll(model, rows);
  const put = (part) => result.append(SHOW[part.kind](part));
  result.replaceChildren();
  const listed = answers.length > MOST_IN_FULL && likeliest(answers, model.labels);
  if (listed) put({ kind: "list", rows: listed.map((row, i) => [asked[i][0], ...row]) });
  else answers.forEach((answer, i) => {
    if (asked[i][0]) put({ kind: "text", text: asked[i][0] });
    parts(answer, model.labels).forEach(put);
  });
  if (!only || !asked[0][1]) return;
  const texts = asked.map(([, text]) => text);
  if (texts.length > 1 && texts.every((text) => text.length === texts[0].length))
    put({ kind: "logo", columns: information(texts), caption: `bits of information in ${texts.length} sequences` });
  const probabilities = answers[0].probabilities;
  if (!probabilities || Array.isArray(probabilities[0])) return;
  const found = await influences(model, only, texts[0], probabilities);
  if (found && hiddenLetter(texts[0]))
    put({ kind: "logo", columns: found.map((pair) => [pair]), caption:
      `letters of ${asked[0][0] || "the sequence"} that spoke for the answer, and below the line against it` });
  else if (found) put({ kind: "words", words: found });
}

function section(model) {
  const result = element("output");
  const counted = (frames) => {
    const length = form.elements.namedItem("length");
    if (length) length.value = frames;
  };
  const fields = Object.entries(model.inputs).map(([name, kind]) => [name, kind, ...(isFilm(kind)
    ? filmField(name, kind, model.rate || RATE, model.body_bytes, counted) : field(name, kind))]);
  const rowOf = () => Object.fromEntries(fields.map(([name, , , value]) => [name, value()]));
  const small = fields.filter(([, kind]) => kind.shape.length === 1 && !isText(kind));
  const form = element("form", {},
    ...fields.filter((each) => !small.includes(each)).map(([, , made]) => made),
    element("div", { className: "numbers-row" }, ...small.map(([, , made]) => made)),
    element("button", { textContent: "Ask" }));
  const attempt = async (work) => {
    result.className = "";
    result.replaceChildren("...");
    try { await work(rowOf()); } catch (error) {
      result.className = "error";
      result.replaceChildren(error.message);
    }
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    attempt((row) => showAnswers(model, row, result));
  };
  if (grows(model)) {
    let growing = false;
    const button = element("button", { type: "button", textContent: "Watch it grow" });
    button.onclick = async () => {
      if (growing) { growing = false; return; }
      growing = true;
      button.textContent = "Stop";
      await attempt((row) => showGrowing(model, row, result, () => !growing));
      growing = false;
      button.textContent = "Watch it grow";
    };
    form.append(button);
  }
  form.append(result);
  const heading = element("h2", { textContent: model.name + " " },
    element("small", { textContent: `version ${model.version}` }));
  return element("section", { id: `model-${model.name}` }, heading, form);
}

if (typeof document !== "undefined") {
  const models = JSON.parse(document.getElementById("models").textContent);
  document.querySelector("main").append(...models.map(section));
}
