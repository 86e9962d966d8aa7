// Files of the model: fetched once, checked against their manifest, kept where the browser allows.

const STORE = "fiancee-embed";

/** What went wrong with a file, in a sentence that a reader can act on. */
export class FileError extends Error {
  name = "FileError";
}

/**
 * @param {string} url
 * @param {{bytes: number, sha256: string}} entry what the manifest says of it
 * @param {(bytes: number) => void} progress called with the bytes of every piece
 * @returns {Promise<Uint8Array>}
 */
export async function file(url, entry, progress = () => {}) {
  const key = `${url}?sha256=${entry.sha256}`;
  const kept = await keptFile(key);
  if (kept && (await isWhole(kept, entry))) {
    progress(kept.length);
    return kept;
  }
  const content = await fetched(url, progress);
  if (!(await isWhole(content, entry))) {
    if (isPage(content)) throw new FileError(`${url} is a web page instead of the file: it is missing on this site.`);
    throw new FileError(`${name(url)} arrived damaged: try again.`);
  }
  await keep(key, content);
  return content;
}

/** Text as JSON. */
export async function json(url) {
  const response = await answer(url, { cache: "no-cache" });
  try {
    return await response.json();
  } catch {
    throw new FileError(`${url} is no JSON: the server answered with another page.`);
  }
}

/** Deletes what was kept of earlier files of a folder. */
export async function tidy(base, entries) {
  const digests = new Set(entries.map(({ sha256 }) => sha256));
  try {
    const store = await caches.open(STORE);
    for (const { url } of await store.keys()) {
      const [path, digest] = url.split("?sha256=");
      if (digest && path.startsWith(base) && !digests.has(digest)) await store.delete(url);
    }
  } catch {
    // Nothing is kept here.
  }
}

/** What was remembered on this device under an address; undefined for nothing. */
export async function remembered(key) {
  try {
    return await (await (await caches.open(STORE)).match(key))?.text();
  } catch {
    return undefined;
  }
}

export async function remember(key, text) {
  await keep(key, text);
}

/** Deletes what was kept on this device. */
export async function forget() {
  try {
    return await caches.delete(STORE);
  } catch {
    return false;
  }
}

async function fetched(url, progress) {
  const response = await answer(url);
  if (!response.body) return new Uint8Array(await response.arrayBuffer());
  // Counted decoded: the header tells the size of what was compressed, or nothing.
  const pieces = [];
  try {
    for (const reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      pieces.push(value);
      progress(value.length);
    }
  } catch {
    throw new FileError(`${name(url)} broke off: check the connection and try again.`);
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}

async function answer(url, options) {
  let response;
  try {
    response = await fetch(url, { credentials: "omit", ...options });
  } catch {
    throw new FileError(`${name(url)} cannot be reached: check the connection and try again.`);
  }
  if (!response.ok) {
    throw new FileError(`${url} is missing on this site (${response.status}).`);
  }
  return response;
}

async function isWhole(content, { bytes, sha256 }) {
  if (content.length !== bytes) return false;
  // Browsers compute digests in secure contexts only.
  if (!globalThis.crypto?.subtle) return true;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return sha256 === Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// What sites answer that have one page for every address.
function isPage(content) {
  return new TextDecoder().decode(content.subarray(0, 64)).trimStart().startsWith("<");
}

async function keptFile(key) {
  try {
    const found = await (await caches.open(STORE)).match(key);
    return found && new Uint8Array(await found.arrayBuffer());
  } catch {
    return undefined; // Private windows and sandboxed frames keep nothing.
  }
}

async function keep(key, content) {
  try {
    await (await caches.open(STORE)).put(key, new Response(content));
  } catch {
    // No room, or nothing may be kept: it is fetched again next time.
  }
}

function name(url) {
  return new URL(url).pathname.split("/").pop();
}
