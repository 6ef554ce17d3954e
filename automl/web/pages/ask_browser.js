// The model runs in the page itself, by onnxruntime-web on one thread.
import * as ort from "./onnxruntime-web/ort.wasm.bundle.min.mjs";
import { planes, resized } from "./pixels.js";
import { encoded } from "./rows.js";

export const isQuick = true;
const BLOCKS = 5, BLOCK_MS = 6;
let model, session;

async function fetched(name) {
  const response = await fetch(name);
  if (!response.ok) throw new Error(`${name} is not in this folder (${response.status}); export it again.`);
  return response;
}

export async function about() {
  ort.env.wasm.numThreads = 1;
  model = await (await fetched("model.json")).json();
  const file = new Uint8Array(await (await fetched("model.onnx")).arrayBuffer());
  session = await ort.InferenceSession.create(file, { executionProviders: ["wasm"] });
  return model;
}

/** The outputs for a row: an array of what `encoded` makes. */
export async function outputs(data) {
  const kind = data instanceof BigInt64Array ? "int64" : "float32";
  const feed = { [session.inputNames[0]]: new ort.Tensor(kind, data, [1, ...model.row_shape]) };
  const run = async () => Array.from((await session.run(feed))[session.outputNames[0]].data);
  return { run, found: await run() };
}

export const answer = row => answered(encoded(model, row));

export async function answerFile(file) {
  const [channels, height, width] = model.input_shape, { bitmap, rgba } = await decoded(file);
  const made = planes(rgba, channels)
    .map(plane => resized(plane, bitmap.width, bitmap.height, width, height));
  const found = await answered(Float32Array.from(made.flatMap(plane => [...plane])));
  return { ...found, seen: { pixels: made, height, width } };
}

async function decoded(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    throw new Error(`${file.name} does not decode; choose another picture.`);
  }
  const canvas = Object.assign(document.createElement("canvas"), { width: bitmap.width, height: bitmap.height });
  const pen = canvas.getContext("2d");
  // What is transparent is seen on white, as in training.
  pen.fillStyle = "white";
  pen.fillRect(0, 0, bitmap.width, bitmap.height);
  pen.drawImage(bitmap, 0, 0);
  return { bitmap, rgba: pen.getImageData(0, 0, bitmap.width, bitmap.height).data };
}

async function answered(data) {
  const { run, found } = await outputs(data), { classes } = model;
  if (!found.every(Number.isFinite))
    throw new Error("The answer is no finite number, so far are the values from those of training; correct them.");
  const cost = await milliseconds(run);
  if (!classes.length)
    return { predictions: [{ row: 0, prediction: found.length === 1 ? found[0] : found }], notes: [], cost };
  const most = Math.max(...found), shares = found.map(one => Math.exp(one - most));
  const total = shares.reduce((sum, one) => sum + one, 0);
  const probabilities = Object.fromEntries(classes.map((name, i) => [name, shares[i] / total]));
  return { predictions: [{ row: 0, prediction: classes[found.indexOf(most)], probabilities }], notes: [], cost };
}

/** The time of a call, in words: the median of blocks of calls, since a page's clock is coarse. */
async function milliseconds(run) {
  const means = [];
  let total = 0;
  while (means.length < BLOCKS) {
    const started = performance.now();
    let calls = 0, took = 0;
    while (took < BLOCK_MS) {
      await run();
      calls++;
      took = performance.now() - started;
    }
    means.push(took / calls);
    total += calls;
  }
  const middle = means.sort((a, b) => a - b)[BLOCKS >> 1];
  return `${Number(middle.toPrecision(2))} ms a call (median of ${BLOCKS} blocks, ${total} calls)`;
}

export function footer(place) {
  place.textContent = `Runs in this browser, on one thread of onnxruntime-web ${ort.env.versions.web}; no row leaves it.`;
}
