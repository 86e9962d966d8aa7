// Runs the model beside the page, so that drawing never stalls. Answers one message at a time.

import { load } from "./model.js";

let model;
let call;

const ACTIONS = {
  async load({ base, threads }) {
    const loaded = await load(base, (bytes) => postMessage({ bytes }), threads);
    model = loaded;
    return { exits: model.exits, first: model.missing(1), manifest: model.manifest };
  },
  async start({ ids, seed }) {
    call = await model.start(ids, seed);
    return { prediction: call.prediction };
  },
  async route({ budget, byTime }) {
    return { exit: call.route(budget, byTime), times: model.times };
  },
  async missing({ exit }) {
    return { bytes: model.missing(exit) };
  },
  async distance({ exit }) {
    return call.distance(exit);
  },
  async render({ exit }) {
    return call.render(exit);
  },
};

let queue = Promise.resolve();

addEventListener("message", ({ data }) => {
  queue = queue.then(async () => {
    try {
      postMessage({ id: data.id, value: await ACTIONS[data.action](data) });
    } catch (error) {
      postMessage({ id: data.id, error: String(error.message ?? error) });
    }
  });
});
