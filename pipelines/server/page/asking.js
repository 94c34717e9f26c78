// --- from a form to a request, and to its answer --------------------------------------------------

// The sequences of a FASTA file; of a text without headers, the text itself.
function sequences(text) {
  if (!/^\s*>/.test(text)) return [["", text]];
  return text.trim().split(/^>/m).slice(1).map((entry) => {
    const [header, ...lines] = entry.split(/\r?\n/);
    return [header.trim(), lines.map((line) => line.trim()).join("")];
  });
}

function isText(kind) { return kind.dtype === "string" && kind.shape.length === 1; }

function read(name, kind, text) {
  if (isText(kind)) return text;
  try { return JSON.parse(text); } catch (error) { throw new Error(`${name}: ${error.message}`); }
}

// An answer a row, each an object of the signature's outputs.
async function ask(model, rows, signature = "serving_default") {
  const response = await fetch(`/v1/models/${encodeURIComponent(model.name)}:predict`, {
    method: "POST", body: JSON.stringify({ signature_name: signature, instances: rows }),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  const outputs = model.outputs[signature];
  return answer.predictions.map((row) => outputs.length > 1 ? row : { [outputs[0]]: row });
}

const ROWS = 200; // in one request

async function askAll(model, rows) {
  const found = [];
  for (let start = 0; start < rows.length; start += ROWS)
    found.push(...(await ask(model, rows.slice(start, start + ROWS))));
  return found;
}
