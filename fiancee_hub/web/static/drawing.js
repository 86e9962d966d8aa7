// A label map that is drawn on: class ids, one byte a pixel.

const MOST_UNDONE = 30;

export class Drawing {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.ids = new Uint8Array(width * height);
    this.undone = [];
  }

  /** What comes after can be undone to here. */
  mark() {
    this.undone.push(this.ids.slice());
    if (this.undone.length > MOST_UNDONE) this.undone.shift();
  }

  undo() {
    const before = this.undone.pop();
    if (before) this.ids = before;
    return Boolean(before);
  }

  /** A round brush from one place to another, in pixels. */
  stroke([x0, y0], [x1, y1], radius, id) {
    const steps = Math.max(1, Math.ceil(Math.hypot(x1 - x0, y1 - y0)));
    for (let step = 0; step <= steps; step++) {
      const share = step / steps;
      this.dab(x0 + share * (x1 - x0), y0 + share * (y1 - y0), radius, id);
    }
  }

  dab(x, y, radius, id) {
    const [top, bottom] = [Math.max(0, Math.ceil(y - radius)), Math.min(this.height - 1, y + radius)];
    for (let row = top; row <= bottom; row++) {
      const half = Math.sqrt(Math.max(0, radius ** 2 - (row - y) ** 2));
      const left = Math.max(0, Math.ceil(x - half));
      const right = Math.min(this.width - 1, Math.floor(x + half));
      if (left <= right) this.ids.fill(id, row * this.width + left, row * this.width + right + 1);
    }
  }

  /** Fills what hangs together with a place and is of one class. */
  fill([x, y], id) {
    const start = Math.floor(y) * this.width + Math.floor(x);
    const old = this.ids[start];
    if (old === undefined || old === id) return;
    const open = [start];
    while (open.length) {
      const at = open.pop();
      if (this.ids[at] !== old) continue;
      this.ids[at] = id;
      const column = at % this.width;
      if (column > 0) open.push(at - 1);
      if (column < this.width - 1) open.push(at + 1);
      if (at >= this.width) open.push(at - this.width);
      if (at + this.width < this.ids.length) open.push(at + this.width);
    }
  }

  /** As text for an address: lengths and ids of runs, two or more bytes a run. */
  packed() {
    const bytes = [];
    for (let at = 0; at < this.ids.length; ) {
      let end = at + 1;
      while (end < this.ids.length && this.ids[end] === this.ids[at]) end++;
      bytes.push(this.ids[at]);
      for (let left = end - at; ; left >>>= 7) {
        bytes.push(left > 127 ? (left & 127) | 128 : left);
        if (left <= 127) break;
      }
      at = end;
    }
    return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  }

  /** The other way; false for what is no such text. */
  unpack(text, classes) {
    let bytes;
    try {
      bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    } catch {
      return false;
    }
    const ids = new Uint8Array(this.ids.length);
    let filled = 0;
    for (let at = 0; at < bytes.length; ) {
      const id = bytes[at++];
      let length = 0;
      for (let shift = 0; ; shift += 7) {
        if (at >= bytes.length || shift > 21) return false;
        length |= (bytes[at] & 127) << shift;
        if (bytes[at++] < 128) break;
      }
      if (id >= classes || filled + length > ids.length) return false;
      ids.fill(id, filled, (filled += length));
    }
    if (filled !== ids.length) return false;
    this.ids = ids;
    return true;
  }
}

/** Ids of a picture in the class colours, cut and scaled to the map's size; unknown colours go to
 * the nearest class. */
export function idsOf(pixels, colours) {
  const known = new Map();
  const ids = new Uint8Array(pixels.length / 4);
  for (let i = 0; i < ids.length; i++) {
    const [r, g, b] = pixels.subarray(4 * i, 4 * i + 3);
    const key = (r << 16) | (g << 8) | b;
    if (!known.has(key)) known.set(key, nearest([r, g, b], colours));
    ids[i] = known.get(key);
  }
  return ids;
}

function nearest(colour, colours) {
  const distances = colours.map((one) => one.reduce((sum, v, c) => sum + (v - colour[c]) ** 2, 0));
  return distances.indexOf(Math.min(...distances));
}
