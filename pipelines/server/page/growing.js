// --- growing: one step after another, the state held by this page ---------------------------------

function grows(model) {
  const stream = model.stream;
  return Boolean(stream && stream.x && stream.seed && stream.step && stream.temperature);
}

// Steps without end, [step, whether it is new]: what is given first, then what the model draws.
async function* grow(model, given, seed, temperature) {
  let state = (await ask(model, [{ seed }], "stream_init"))[0];
  let x = model.stream.x.dtype === "string" ? "" : Array(model.stream.x.shape[1]).fill(0);
  for (let step = 0; ; step++) {
    const [{ y, ...after }] = await ask(model, [{ x, seed, step, temperature, ...state }], "stream");
    state = after;
    x = step < given.length ? given[step] : y;
    yield [x, step >= given.length];
  }
}

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

// Shows the steps as they come, until there are enough or `stopped` says so.
async function showGrowing(model, row, result, stopped) {
  const text = model.stream.x.dtype === "string";
  const given = text ? [...row.primer] : row.primer.slice(0, row.primer_length);
  const caption = element("figcaption"), shown = text ? element("p") : null;
  const picture = text ? null : rollPicture(row.length), playing = text ? null : newVoices(), roll = [];
  result.replaceChildren(element("figure", {}, shown || picture.canvas, caption));
  for await (const [x] of grow(model, given, row.seed, row.temperature)) {
    if (stopped()) break;
    roll.push(x);
    if (text) {
      shown.append(x);
      caption.textContent = `${roll.length} characters`;
    } else {
      playing.step(x);
      picture.draw(roll);
      caption.textContent = `step ${roll.length}, ${playing.notes} notes`;
      await pause(1000 * (playing.next - playing.context.currentTime - 1)); // a second ahead of the ear
    }
    if (roll.length >= row.length) break;
  }
  if (playing) playing.end();
}
