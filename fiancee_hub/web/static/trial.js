// WebGPU or WebAssembly: what is right and faster here, found out once.

import { FileError, remember, remembered } from "./files.js";
import { TOLERANCE } from "./model.js";

/** Longer than this no trial takes: what is slower than that is slower than WebAssembly. */
const PATIENCE = 90_000;

/** What tells this device's graphics processor from others; null where none is granted. */
export async function adapter() {
  try {
    const granted = await navigator.gpu?.requestAdapter();
    const { vendor = "", architecture = "", isFallbackAdapter } = granted?.info ?? {};
    // One that the processor plays is slower than the processor.
    if (!granted || (isFallbackAdapter ?? granted.isFallbackAdapter)) return null;
    return `${vendor} ${architecture}`;
  } catch {
    return null;
  }
}

/** Where the winner is remembered: by folder, files, browser and graphics processor. */
export function place(base, facts, name) {
  const known = [facts.runtimes.webgpu.binary.sha256, facts.golden.sha256, navigator.userAgent, name];
  return `${new URL("trial", base)}?${new URLSearchParams({ known })}`;
}

export async function winner(where) {
  return remembered(where);
}

/**
 * Makes every exit with both, compares the candidate's pictures with the folder's, and both times.
 * @param {Client} current has loaded the model on WebAssembly
 * @param {Client} candidate is not loaded yet; closed unless it wins
 * @returns {Promise<{won: boolean, words: string}>}
 */
export async function trial(current, candidate, where) {
  let found;
  try {
    found = await within(PATIENCE, judged(current, candidate));
  } catch (error) {
    found = { won: false, words: `The graphics processor failed (${sentence(error)}); nothing has changed.` };
    if (error instanceof FileError) found = { won: false, words: error.message, again: true };
  }
  if (!found.won) candidate.close();
  if (!found.again) await remember(where, found.won ? "webgpu" : "wasm");
  return found;
}

async function judged(current, candidate) {
  await candidate.load();
  const { differences, milliseconds } = await candidate.ask("check");
  const wrong = differences.findIndex((difference) => !(difference <= TOLERANCE));
  if (wrong >= 0) {
    const by = `off by ${differences[wrong]} of 255`;
    return { won: false, words: `The graphics processor draws exit ${wrong + 1} wrongly (${by}); nothing has changed.` };
  }
  const { milliseconds: before } = await current.ask("check");
  const [now, old] = [milliseconds, before].map((times) => times.reduce((sum, time) => sum + time, 0));
  const times = `all exits take ${now.toFixed(0)} ms, without it ${old.toFixed(0)}`;
  return now < old
    ? { won: true, words: `Same pictures, and ${times}: the graphics processor is used from now on.` }
    : { won: false, words: `Same pictures, but ${times}; nothing has changed.` };
}

function within(limit, promise) {
  let clock;
  const late = new Promise((_, reject) => {
    clock = setTimeout(() => reject(new Error("it took too long")), limit);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(clock));
}

function sentence({ message }) {
  return message.split("\n")[0].slice(0, 120);
}
