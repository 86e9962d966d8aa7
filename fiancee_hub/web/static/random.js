// Noise from a seed: the numbers that torch.randn makes on a processor.

const LENGTH = 624;
const SHIFT = 397;

/** The Mersenne Twister (Matsumoto and Nishimura, 1998), 32 bits at a time. */
class Twister {
  constructor(seed) {
    const state = (this.state = new Uint32Array(LENGTH));
    state[0] = Number(BigInt.asUintN(32, BigInt(seed)));
    for (let i = 1; i < LENGTH; i++) {
      const before = state[i - 1] ^ (state[i - 1] >>> 30);
      state[i] = Math.imul(1812433253, before) + i;
    }
    this.position = LENGTH;
  }

  renew() {
    const { state } = this;
    for (let i = 0; i < LENGTH; i++) {
      const mixed = (state[i] & 0x80000000) | (state[(i + 1) % LENGTH] & 0x7fffffff);
      state[i] = state[(i + SHIFT) % LENGTH] ^ (mixed >>> 1) ^ (mixed & 1 ? 0x9908b0df : 0);
    }
    this.position = 0;
  }

  next() {
    if (this.position === LENGTH) this.renew();
    let value = this.state[this.position++];
    value ^= value >>> 11;
    value ^= (value << 7) & 0x9d2c5680;
    value ^= (value << 15) & 0xefc60000;
    return (value ^ (value >>> 18)) >>> 0;
  }

  /** In [0, 1), with the 24 bits of single precision. */
  single() {
    return (this.next() & 0xffffff) / 2 ** 24;
  }

  /** In [0, 1), with the 53 bits of double precision. */
  double() {
    const high = this.next() & 0x1fffff;
    return (high * 2 ** 32 + this.next()) / 2 ** 53;
  }
}

/**
 * Normal noise.
 * @param {number} seed a whole number from 0 on
 * @param {number} size how many numbers
 * @returns {Float32Array}
 */
export function noise(seed, size) {
  const twister = new Twister(seed);
  const values = new Float32Array(size);
  if (size < 16) fillFew(twister, values);
  else fill(twister, values);
  return values;
}

// Box and Muller, eight pairs at a time; what is left over at the end is drawn anew.
function fill(twister, values) {
  for (let i = 0; i < values.length; i++) values[i] = twister.single();
  for (let i = 0; i + 16 <= values.length; i += 16) transform(values.subarray(i, i + 16));
  if (values.length % 16) {
    const last = values.subarray(values.length - 16);
    for (let i = 0; i < 16; i++) last[i] = twister.single();
    transform(last);
  }
}

function transform(values) {
  for (let i = 0; i < 8; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - values[i]));
    const angle = 2 * Math.PI * values[i + 8];
    values[i] = radius * Math.cos(angle);
    values[i + 8] = radius * Math.sin(angle);
  }
}

function fillFew(twister, values) {
  for (let i = 0; i < values.length; i += 2) {
    const angle = 2 * Math.PI * twister.double();
    const radius = Math.sqrt(-2 * Math.log1p(-twister.double()));
    values[i] = radius * Math.cos(angle);
    if (i + 1 < values.length) values[i + 1] = radius * Math.sin(angle);
  }
}
