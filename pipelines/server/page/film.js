// --- films: a dropped file becomes the frames that a model reads ----------------------------------

const RATE = 10; // frames a second, where an export does not tell
const SHOWN = 8; // frames of a film that are shown
const LATE = 1e-3; // seconds after a frame's time, so that rounding does not show the one before

// Pictures over time, (rows, frames, height, width, colours).
function isFilm({ dtype, shape }) {
  return dtype === "uint8" && shape.length === 5 && shape[2] && shape[3] && [1, 3].includes(shape[4]);
}

// How many frames one request holds: a number of three digits and a comma each, brackets besides.
function mostFrames({ shape: [, , height, width, colours] }, bytes) {
  return Math.floor((0.98 * bytes) / (height * (width * (4 * colours + 2) + 3)));
}

function happens(target, event) {
  return new Promise((done, failed) => {
    target.addEventListener(event, done, { once: true });
    target.addEventListener("error", () => failed(new Error("this browser cannot decode that file")), { once: true });
  });
}

function picture({ data }, width, colours) {
  const pixels = [];
  for (let at = 0; at < data.length; at += 4) {
    const [r, g, b] = data.subarray(at, at + 3);
    pixels.push(colours === 3 ? [r, g, b] : [Math.round(0.299 * r + 0.587 * g + 0.114 * b)]);
  }
  return Array.from({ length: pixels.length / width }, (_, y) => pixels.slice(y * width, (y + 1) * width));
}

// What is shown at the times 0, 1/rate, 2/rate, ...: [height][width][colours] each, of 0 to 255; and
// the length of the whole film in seconds.
async function readFilm(file, [, , height, width, colours], rate, most, say) {
  const film = element("video", { muted: true, preload: "auto" });
  const canvas = element("canvas", { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true }), frames = [];
  context.imageSmoothingQuality = "high";
  const seek = (time) => {
    const sought = happens(film, "seeked");
    film.currentTime = time;
    return sought;
  };
  try {
    const loaded = happens(film, "loadeddata");
    film.src = URL.createObjectURL(file);
    await loaded;
    if (film.duration === Infinity) await seek(1e9); // a recording whose end only its end tells
    do {
      await seek(frames.length / rate + LATE);
      context.drawImage(film, 0, 0, width, height);
      frames.push(picture(context.getImageData(0, 0, width, height), width, colours));
      say(`${frames.length} frames ...`);
    } while (frames.length < most && (frames.length / rate) < film.duration - LATE);
    return [frames, film.duration];
  } finally {
    URL.revokeObjectURL(film.src);
  }
}

// Some frames beside each other, in order.
function drawStrip(canvas, frames) {
  const count = Math.min(SHOWN, frames.length), height = frames[0].length, width = frames[0][0].length;
  canvas.width = count * (width + 1) - 1;
  canvas.height = height;
  canvas.style.maxWidth = `${(100 * count) / SHOWN}%`;
  const context = canvas.getContext("2d");
  for (let k = 0; k < count; k++) {
    const frame = frames[Math.floor(((k + 0.5) * frames.length) / count)];
    const data = frame.flat().flatMap((pixel) => [pixel[0], pixel[pixel.length > 1 ? 1 : 0], pixel[pixel.length - 1], 255]);
    context.putImageData(new ImageData(new Uint8ClampedArray(data), width, height), k * (width + 1), 0);
  }
}

// A field whose value are frames; `changed` hears how many there are.
function filmField(name, kind, rate, bytes, changed) {
  const [, , height, width, colours] = kind.shape, most = mostFrames(kind, bytes);
  const strip = element("canvas", { className: "strip" }), said = element("figcaption");
  const chooser = element("input", { type: "file", accept: "video/*", name });
  const made = element("figure", { className: "film" },
    element("label", {}, element("span", { textContent:
      `${name}: drop or choose a film, of which the model sees ${rate} frames a second, ` +
      `${width} x ${height}${colours === 1 ? ", grey" : ""}` }), chooser), strip, said);
  let frames = kind.value;
  const show = (words) => {
    drawStrip(strip, frames);
    said.textContent = words;
    said.className = "";
  };
  show(`an example of ${frames.length} frames`);
  const take = async (file) => {
    if (!file) return;
    try {
      const [found, seconds] = await readFilm(file, kind.shape, rate, most, (words) => { said.textContent = words; });
      frames = found;
      const part = frames.length < most ? "" : `, the first of ${seconds.toFixed(1)} seconds: one request holds no more`;
      show(`${file.name}: ${frames.length} frames${part}`);
      changed(frames.length);
    } catch (error) {
      said.textContent = `${file.name}: ${error.message}`;
      said.className = "error";
    }
  };
  chooser.onchange = () => take(chooser.files[0]);
  made.ondragover = (event) => event.preventDefault();
  made.ondrop = (event) => {
    event.preventDefault();
    chooser.files = event.dataTransfer.files;
    take(chooser.files[0]);
  };
  return [made, () => frames];
}
