// The page's side of the worker: calls with answers.

export class Client {
  /** @param {(bytes: number) => void} progress */
  constructor(progress) {
    this.progress = progress;
    this.waiting = new Map();
    this.last = 0;
  }

  /** @param {string} base address of the embed's folder */
  async load(base) {
    this.worker = await startWorker(new URL("worker.js", base));
    this.worker.onmessage = ({ data }) => this.settle(data);
    this.worker.onerror = (event) => this.fail(event.message || "The model stopped.");
    // Threads only where the whole chain of frames is isolated; phones do better with one.
    const threads = globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
    return this.ask("load", { base, threads });
  }

  ask(action, values = {}) {
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, action, ...values });
    });
  }

  settle({ id, value, error, bytes }) {
    if (bytes !== undefined) return this.progress(bytes);
    const { resolve, reject } = this.waiting.get(id);
    this.waiting.delete(id);
    if (error === undefined) resolve(value);
    else reject(new Error(error));
  }

  fail(message) {
    for (const { reject } of this.waiting.values()) reject(new Error(message));
    this.waiting.clear();
  }

  close() {
    this.worker?.terminate();
    this.fail("The model was closed.");
  }
}

// Browsers start workers from the page's own origin only: from elsewhere a small one imports it.
async function startWorker(url) {
  if (url.origin === globalThis.location.origin) return new Worker(url, { type: "module" });
  const text = `import ${JSON.stringify(url.href)};`;
  const local = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  try {
    return new Worker(local, { type: "module" });
  } finally {
    setTimeout(() => URL.revokeObjectURL(local), 60_000);
  }
}
