// The page's side of the workers: calls with answers. All elements of a page share one worker, and
// with it one runtime; a runtime on WebGPU has its own.

import { FileError } from "./files.js";

const workers = new Map();
let callers = 0;

/** Threads that pay here: only where the whole chain of frames is isolated, and never on iOS. */
export function threads() {
  const { userAgent, maxTouchPoints, hardwareConcurrency } = navigator;
  const apple = /iPhone|iPad|iPod/.test(userAgent) || (/Macintosh/.test(userAgent) && maxTouchPoints > 1);
  return globalThis.crossOriginIsolated && !apple ? Math.min(4, hardwareConcurrency) : 1;
}

export class Client {
  /**
   * @param {string} base address of the embed's folder
   * @param {"wasm" | "webgpu"} provider
   * @param {(bytes: number) => void} progress
   */
  constructor(base, provider, progress) {
    this.base = base;
    this.provider = provider;
    this.progress = progress;
    this.caller = ++callers;
  }

  /** @returns {Promise<{exits: number, manifest: object}>} */
  async load() {
    try {
      return await this.enter(threads());
    } catch (error) {
      const alone = this.host?.users.size === 1;
      this.close();
      if (error instanceof FileError || !alone || threads() === 1) throw error;
      return this.enter(1); // Threads may be there, and fail.
    }
  }

  async enter(count) {
    if (!workers.has(this.provider)) workers.set(this.provider, new Host(this.provider, count));
    this.host = workers.get(this.provider);
    this.host.users.add(this);
    const { threads, provider } = this.host;
    return this.ask("load", { options: { threads, provider } });
  }

  /** Threads of its runtime. */
  get threads() {
    return this.host.threads;
  }

  ask(action, values = {}) {
    if (!this.host) return Promise.reject(new Error("The model was closed."));
    return this.host.ask({ action, base: this.base, caller: this.caller, ...values });
  }

  close() {
    this.host?.leave(this);
    this.host = null;
  }
}

/** A worker and who uses it. */
class Host {
  constructor(provider, threads) {
    this.provider = provider;
    this.threads = threads;
    this.users = new Set();
    this.waiting = new Map();
    this.last = 0;
    try {
      this.worker = startWorker(new URL("worker.js", import.meta.url));
    } catch {
      return; // Every question says so.
    }
    this.worker.onmessage = ({ data }) => this.settle(data);
    this.worker.onerror = (event) => {
      event.preventDefault();
      this.fail(event.message ? new Error(event.message) : refused());
    };
  }

  ask(message) {
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      if (!this.worker) return reject(refused());
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, ...message });
    });
  }

  settle({ id, value, error, file, base, bytes }) {
    if (bytes !== undefined) {
      for (const user of this.users) if (user.base === base) user.progress(bytes);
      return;
    }
    const { resolve, reject } = this.waiting.get(id);
    this.waiting.delete(id);
    if (error === undefined) resolve(value);
    else reject(file ? new FileError(error) : new Error(error));
  }

  // What runs in it is lost; who asks again gets a new one.
  fail(error) {
    if (workers.get(this.provider) === this) workers.delete(this.provider);
    this.worker?.terminate();
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }

  leave(user) {
    this.users.delete(user);
    if (!this.users.size) this.fail(new Error("The model was closed."));
    else this.ask({ action: "release", caller: user.caller });
  }
}

function refused() {
  const page = new URL("index.html", import.meta.url);
  return new FileError(`This page does not let the model start: it runs at ${page}.`);
}

// Browsers start workers from the page's own origin only: from elsewhere a small one imports it.
function startWorker(url) {
  const type = { type: "module" };
  if (url.origin === globalThis.origin) return new Worker(url, type);
  const text = `import ${JSON.stringify(url.href)};`;
  // Sandboxed frames have no origin, and take no modules from blobs.
  if (globalThis.origin === "null") return new Worker(`data:text/javascript,${encodeURIComponent(text)}`, type);
  const local = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  try {
    return new Worker(local, type);
  } finally {
    setTimeout(() => URL.revokeObjectURL(local), 60_000);
  }
}
