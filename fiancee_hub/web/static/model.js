// A checkpoint's exits in a browser: graphs that resume, over ONNX Runtime.

import { FileError, file, json, tidy } from "./files.js";
import { noise } from "./random.js";
import { fastest, route } from "./router.js";

const FORMAT = 2;
const HEAD = ["condition", "predictor"];

// WebGPU's convolutions of a graph's inputs are wrong in its own layout (onnxruntime#29651).
const PROVIDERS = { wasm: "wasm", webgpu: { name: "webgpu", preferredLayout: "NCHW" } };

/** Grey levels of 255 by which a pixel may differ from the library's. */
export const TOLERANCE = 6;

/**
 * @param {string} base address of the folder that `fiancee-hub embed` wrote, with a slash
 * @param {(bytes: number) => void} progress
 * @param {{threads?: number, provider?: "wasm" | "webgpu"}} options more than one thread where the
 *   page is cross-origin isolated; webgpu where the folder has it
 */
export async function load(base, progress, { threads = 1, provider = "wasm" } = {}) {
  const facts = await json(new URL("embed.json", base));
  if (facts.format !== FORMAT) throw new FileError("This page is of another version: reload it.");
  const ort = await runtime(facts.runtimes[provider], base, progress, threads);
  const manifest = await json(new URL("model/manifest.json", base));
  const model = new Model(ort, provider, manifest, facts, base, progress);
  for (const name of HEAD) await model.session(name);
  ort.env.wasm.wasmBinary = undefined; // Its sessions have it now.
  const kept = Object.values(facts.runtimes).map(({ binary }) => binary);
  await tidy(base, [...kept, ...manifest.graphs, ...(facts.golden ? [facts.golden] : [])]);
  return model;
}

const runtimes = new Map();

// One for all models of this worker.
function runtime({ module, binary }, base, progress, threads) {
  const key = binary.sha256;
  if (!runtimes.has(key)) {
    const made = start(module, binary, base, progress, threads);
    made.catch(() => runtimes.delete(key));
    runtimes.set(key, made);
  }
  return runtimes.get(key);
}

async function start(module, binary, base, progress, threads) {
  const wasmBinary = await file(new URL(binary.file, base).href, binary, progress);
  // With its digest, so that no cache answers with a script of another version than the binary's.
  const url = `${new URL(module.file, base)}?sha256=${module.sha256}`;
  let ort;
  try {
    ort = await import(url);
  } catch {
    throw new FileError(`${url} cannot be loaded: check the connection and try again.`);
  }
  Object.assign(ort.env.wasm, { numThreads: threads, wasmBinary });
  return ort;
}

/** Exits 1 to K of one checkpoint. A call holds what one input has computed so far. */
export class Model {
  constructor(ort, provider, manifest, facts, base, progress) {
    this.ort = ort;
    this.provider = provider;
    this.manifest = manifest;
    this.facts = facts;
    this.base = base;
    this.progress = progress;
    this.graphs = new Map(manifest.graphs.map((graph) => [graph.name, graph]));
    this.sessions = new Map();
    this.times = new Array(this.exits).fill(NaN);
  }

  get exits() {
    return this.manifest.exits.length + 1;
  }

  get stages() {
    return [...this.graphs.keys()].filter((name) => name.startsWith("stage-")).length;
  }

  /** Graphs that an exit runs, in order. */
  needed(exit) {
    const full = exit === this.exits;
    const deep = full ? this.stages : this.manifest.exits[exit - 1].stage;
    const stages = Array.from({ length: deep }, (_, index) => `stage-${index + 1}`);
    // An exit before the first stage has no guide.
    const guides = deep && this.graphs.has("guides") ? ["guides"] : [];
    return full ? [...stages, "image"] : [...stages, ...guides, `branch-${exit}`];
  }

  /** Bytes that an exit still has to fetch. */
  missing(exit) {
    const names = [...HEAD, ...this.needed(exit)].filter((name) => !this.sessions.has(name));
    return names.reduce((sum, name) => sum + this.graphs.get(name).bytes, 0);
  }

  /** One session for each graph, made when it is first needed. */
  session(name) {
    if (!this.sessions.has(name)) {
      const made = this.open(this.graphs.get(name));
      made.catch(() => this.sessions.delete(name));
      this.sessions.set(name, made);
    }
    return this.sessions.get(name);
  }

  async open(graph) {
    const url = new URL(`model/${graph.file}`, this.base);
    const content = await file(url.href, graph, this.progress);
    // What decides, and what measures, computes as everywhere.
    const decides = HEAD.includes(graph.name) || graph.name === "lpips";
    const executionProviders = [decides ? "wasm" : PROVIDERS[this.provider]];
    return this.ort.InferenceSession.create(content, { executionProviders });
  }

  /**
   * Begins with an input: its condition, and what the predictor says of it.
   * @param {Uint8Array} ids class of every pixel, row by row
   * @param {number} seed
   */
  async start(ids, seed) {
    const [height, width] = this.graphs.get("condition").inputs[0].shape.slice(1);
    if (ids.length !== height * width) throw new Error(`A map here has ${width} by ${height} pixels.`);
    const size = this.graphs.get("condition").inputs[1].shape[1];
    const { Tensor } = this.ort;
    return this.begin({
      "input-0": new Tensor("int64", BigInt64Array.from(ids, BigInt), [1, height, width]),
      "input-1": new Tensor("float32", noise(seed, size), [1, size]),
    });
  }

  /** The same with a family's inputs as the condition's graph takes them, by their names. */
  async begin(tensors) {
    const call = new Call(this, tensors);
    for (const name of HEAD) await call.run(name);
    return call;
  }

  /**
   * Every exit of the input whose pictures came with the folder, made twice.
   * @returns {Promise<{differences: number[], milliseconds: number[]}>} largest difference of a
   *   pixel to the library's picture, in grey levels, and the second time, of exits 1 to K
   */
  async check() {
    const { golden } = this.facts;
    const content = await file(new URL(golden.file, this.base).href, golden, this.progress);
    const [height, width] = this.graphs.get("condition").inputs[0].shape.slice(1);
    const ids = content.subarray(0, height * width);
    const pictures = content.subarray(ids.length);
    const size = 3 * ids.length;
    const differences = new Array(this.exits).fill(0);
    let milliseconds;
    for (let round = 0; round < 2; round++) {
      const call = await this.start(ids, golden.seed);
      milliseconds = [];
      for (let exit = 1; exit <= this.exits; exit++) {
        const made = await call.render(exit);
        milliseconds.push(made.milliseconds);
        const difference = largest(made.pixels, pictures.subarray((exit - 1) * size, exit * size));
        differences[exit - 1] = Math.max(differences[exit - 1], difference);
        if (difference > TOLERANCE) return { differences, milliseconds };
      }
    }
    return { differences, milliseconds };
  }
}

class Call {
  constructor(model, tensors) {
    this.model = model;
    this.tensors = tensors;
    this.spent = new Map();
  }

  /** Predicted LPIPS of every branch to full depth, and how sure that is. */
  get prediction() {
    return { mean: this.tensors["lpips-mean"].data, spread: this.tensors["lpips-spread"].data };
  }

  /** The exit that a budget buys; by the milliseconds of this tab if `byTime`. */
  route(budget, byTime = false) {
    const { calibration } = this.model.manifest.checkpoint;
    return byTime
      ? fastest(this.prediction, budget, calibration, this.model.times)
      : route(this.prediction, budget, calibration);
  }

  /** Makes an exit's picture; what this call has computed already is not computed again. */
  async render(exit) {
    const names = this.model.needed(exit);
    for (const name of names) await this.run(name);
    const milliseconds = [...HEAD, ...names].reduce((sum, name) => sum + this.spent.get(name), 0);
    this.model.times[exit - 1] = milliseconds;
    const { data, dims } = this.tensors[names.at(-1)];
    return { exit, milliseconds, height: dims[2], width: dims[3], pixels: toPixels(data) };
  }

  /** True LPIPS of an exit's picture to full depth's; both must have been rendered. */
  async distance(exit) {
    const session = await this.model.session("lpips");
    const first = this.tensors[exit === this.model.exits ? "image" : `branch-${exit}`];
    const { distance } = await session.run({ first, second: this.tensors.image });
    return distance.data[0];
  }

  async run(name) {
    if (this.spent.has(name)) return;
    const session = await this.model.session(name);
    const graph = this.model.graphs.get(name);
    const given = Object.fromEntries(graph.inputs.map(({ name }) => [name, this.tensors[name]]));
    const began = performance.now();
    const found = await session.run(given);
    this.spent.set(name, performance.now() - began);
    // Every exit calls what it makes "image".
    if ("image" in found) this.tensors[name] = found.image;
    else Object.assign(this.tensors, found);
  }
}

// Between a picture with four bytes a pixel and one with three.
function largest(pixels, expected) {
  let found = 0;
  for (let i = 0; i < expected.length; i++) {
    const at = 4 * Math.floor(i / 3) + (i % 3);
    found = Math.max(found, Math.abs(pixels[at] - expected[i]));
  }
  return found;
}

// Planes in [-1, 1] to red, green, blue and opaque.
function toPixels(planes) {
  const count = planes.length / 3;
  const pixels = new Uint8ClampedArray(4 * count);
  for (let i = 0; i < count; i++) {
    for (let channel = 0; channel < 3; channel++) {
      pixels[4 * i + channel] = (planes[channel * count + i] + 1) * 127.5;
    }
    pixels[4 * i + 3] = 255;
  }
  return pixels;
}
