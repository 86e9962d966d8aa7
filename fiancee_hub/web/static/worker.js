// Runs models beside the page, so that drawing never stalls. Answers one message at a time, for all
// elements of the page.

import { FileError } from "./files.js";
import { load } from "./model.js";

const models = new Map();
const calls = new Map();

const ACTIONS = {
  async load({ base, options }) {
    if (!models.has(base)) {
      models.set(base, await load(base, (bytes) => postMessage({ base, bytes }), options));
    }
    const model = models.get(base);
    return { exits: model.exits, manifest: model.manifest };
  },
  async start({ base, caller, ids, seed }) {
    const call = await models.get(base).start(ids, seed);
    calls.set(caller, call);
    return { prediction: call.prediction };
  },
  async route({ caller, budget, byTime }) {
    return { exit: calls.get(caller).route(budget, byTime) };
  },
  async missing({ base, exit }) {
    return { bytes: models.get(base).missing(exit) };
  },
  async distance({ caller, exit }) {
    return calls.get(caller).distance(exit);
  },
  async render({ caller, exit }) {
    return calls.get(caller).render(exit);
  },
  async check({ base }) {
    return models.get(base).check();
  },
  async release({ caller }) {
    calls.delete(caller);
  },
};

let queue = Promise.resolve();

addEventListener("message", ({ data }) => {
  queue = queue.then(async () => {
    try {
      postMessage({ id: data.id, value: await ACTIONS[data.action](data) });
    } catch (error) {
      const file = error instanceof FileError;
      postMessage({ id: data.id, error: String(error.message ?? error), file });
    }
  });
});
