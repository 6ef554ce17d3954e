// Times files in this browser: takes one job after the other from `automl measure`, which decides.
import * as ort from "./onnxruntime-web/ort.wasm.bundle.min.mjs";

const BLOCK_MS = 300, LEAST_ROUNDS = 4, MOST_ROUNDS = 20, QUANTILE = 0.1;
const TICKS = 100; // of the clock, within which calls are timed together
const answer = document.getElementById("answer");
const kept = new Map();
ort.env.wasm.numThreads = 1;

/** A file's bytes and the inputs of a call, fetched once. */
async function given(number) {
  if (!kept.has(number)) {
    const [file, inputs] = await Promise.all([fetch(`file/${number}`), fetch(`rows/${number}`)]);
    kept.set(number, { file: new Uint8Array(await file.arrayBuffer()), feed: tensors(await inputs.json()) });
  }
  return kept.get(number);
}

function tensors(inputs) {
  const made = {
    float32: values => Float32Array.from(values),
    int64: values => BigInt64Array.from(values, BigInt),
    string: values => values,
  };
  return Object.fromEntries(inputs.map(({ name, type, dims, values }) =>
    [name, new ort.Tensor(type, made[type](values), dims)]));
}

/** The smallest step of the clock, in milliseconds. */
function resolution() {
  let least = Infinity;
  for (let i = 0; i < 20; i++) {
    const started = performance.now();
    let now = started;
    while (now === started) now = performance.now();
    least = Math.min(least, now - started);
  }
  return least;
}

async function described() {
  const { file } = await given(0);
  // The first session of a page takes the start of WebAssembly with it.
  await (await ort.InferenceSession.create(file)).release();
  return {
    browser: navigator.userAgent,
    onnxruntime: ort.env.versions.web,
    cores: String(navigator.hardwareConcurrency),
    cross_origin_isolated: String(crossOriginIsolated),
    timer_resolution_ms: resolution().toPrecision(3),
  };
}

/** The milliseconds of loading and of a call of each file, all loaded anew. */
async function block(numbers) {
  const step = resolution(), sessions = [], loads = [];
  for (const number of numbers) {
    const { file, feed } = await given(number), started = performance.now();
    const session = await ort.InferenceSession.create(file, { executionProviders: ["wasm"] });
    loads.push(performance.now() - started);
    sessions.push({ session, run: () => session.run(feed), calls: 1, times: [] });
  }
  for (const own of sessions) while (await took(own) < TICKS * step) own.calls *= 2;
  const started = performance.now();
  await round(sessions);
  const rounds = Math.floor(BLOCK_MS / (performance.now() - started));
  for (let i = 0; i < Math.min(MOST_ROUNDS, Math.max(LEAST_ROUNDS, rounds)); i++) await round(sessions);
  for (const { session } of sessions) await session.release();
  return { loads, calls: sessions.map(({ times }) => quantile(times)) };
}

/** Call every session as often untimed as timed, in shuffled order. */
async function round(sessions) {
  const order = sessions.map(own => [Math.random(), own]).sort((a, b) => a[0] - b[0]);
  for (const [, own] of order) {
    await took(own);
    own.times.push(await took(own) / own.calls);
  }
}

async function took({ run, calls }) {
  const started = performance.now();
  for (let i = 0; i < calls; i++) await run();
  return performance.now() - started;
}

function quantile(values) {
  const sorted = values.toSorted((a, b) => a - b), place = QUANTILE * (sorted.length - 1);
  const low = Math.floor(place), high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (place - low) * (sorted[high] - sorted[low]);
}

async function work() {
  for (let number = 0; ;) {
    const response = await fetch(`next?after=${number}`);
    if (response.status === 204) continue;
    const job = await response.json();
    ({ number } = job);
    answer.textContent = job.done ? "Done. This window may be closed." : job.says;
    const found = job.done ? "heard" : await (job.files.length ? block(job.files) : described())
      .catch(error => ({ error: String(error.message ?? error) }));
    await fetch("result", { method: "POST", body: JSON.stringify({ number, found }) });
    if (job.done) return;
  }
}

work().catch(() => { answer.textContent = "Nobody waits for figures any more. This window may be closed."; });
