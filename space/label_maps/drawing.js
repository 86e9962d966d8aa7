// What stands in the editor, as a link holds it.
(() => {
  const fiancee = (window.fiancee ??= {});

  // The place of every pixel's class in the table; null where there is no map.
  fiancee.places = async (tab, colours) => {
    const address = await fiancee.readMap(tab);
    if (!address) return null;
    const picture = await createImageBitmap(await (await fetch(address)).blob());
    const canvas = new OffscreenCanvas(picture.width, picture.height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(picture, 0, 0);
    const pixels = context.getImageData(0, 0, picture.width, picture.height).data;
    const known = colours.map((colour) => parseInt(colour.slice(1), 16));
    const nearest = new Map();
    const places = new Uint8Array(picture.width * picture.height);
    for (let i = 0; i < places.length; i++) {
      const colour = (pixels[4 * i] << 16) | (pixels[4 * i + 1] << 8) | pixels[4 * i + 2];
      if (!nearest.has(colour)) nearest.set(colour, closest(colour, known));
      places[i] = nearest.get(colour);
    }
    return places;
  };

  // A stroke's edge is a mixture of two colours.
  function closest(colour, known) {
    const parts = (value) => [value >> 16, (value >> 8) & 255, value & 255];
    const [r, g, b] = parts(colour);
    const far = known.map(parts).map(([x, y, z]) => (r - x) ** 2 + (g - y) ** 2 + (b - z) ** 2);
    return far.indexOf(Math.min(...far));
  }

  // As zlib's adler32.
  function mark(bytes) {
    let [a, b] = [1, 0];
    for (const byte of bytes) {
      a = (a + byte) % 65521;
      b = (b + a) % 65521;
    }
    return b * 65536 + a;
  }

  async function packed(bytes) {
    const squeezed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate-raw"));
    const content = new Uint8Array(await new Response(squeezed).arrayBuffer());
    return btoa(String.fromCharCode(...content)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  }

  // An example by its name, anything else pixel by pixel; null while the map is not there.
  fiancee.drawn = async (tab, colours, examples) => {
    if (fiancee.mapIsComing(tab)) return null;
    const places = await fiancee.places(tab, colours).catch(() => null);
    if (!places || fiancee.mapIsComing(tab)) return null;
    const example = examples[mark(places)];
    return example ? { example } : { map: await packed(places) };
  };
})();
