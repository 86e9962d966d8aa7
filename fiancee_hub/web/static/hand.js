// Mouse, pen, finger and keys on a map.

const STEP = 8;
const MOVES = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };

/**
 * @param {FianceeEmbed} embed whose drawing changes
 * @param {HTMLCanvasElement} map
 */
export function listenToHand(embed, map) {
  const place = (event) => {
    const box = map.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * map.width,
      ((event.clientY - box.top) / box.height) * map.height,
    ];
  };
  let before = null;
  const stroke = (event) => {
    const now = place(event);
    embed.drawing.stroke(before ?? now, now, embed.radius, embed.chosen);
    before = now;
    embed.changed({ moving: true });
  };
  const rest = () => {
    if (!before) return;
    before = null;
    embed.changed();
  };
  map.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    map.focus({ preventScroll: true });
    map.setPointerCapture(event.pointerId);
    embed.drawing.mark();
    if (!embed.part(".bucket").checked) return stroke(event);
    embed.drawing.fill(place(event), embed.chosen);
    embed.changed();
  });
  map.addEventListener("pointermove", (event) => before && stroke(event));
  map.addEventListener("pointerup", rest);
  map.addEventListener("pointercancel", rest);
}

/** Arrow keys move the brush, space paints, F fills. */
export function listenToKeys(embed, map) {
  let cursor = [map.width / 2, map.height / 2];
  const within = (value, end) => Math.min(end - 1, Math.max(0, value));
  map.addEventListener("keydown", (event) => {
    if (event.key in MOVES) {
      const [x, y] = MOVES[event.key];
      cursor = [within(cursor[0] + x, map.width), within(cursor[1] + y, map.height)];
      embed.paintMap(cursor);
    } else if (event.key === " " || event.key.toLowerCase() === "f") {
      embed.drawing.mark();
      if (event.key === " ") embed.drawing.stroke(cursor, cursor, embed.radius, embed.chosen);
      else embed.drawing.fill(cursor, embed.chosen);
      embed.changed();
    } else return;
    event.preventDefault();
  });
  map.addEventListener("blur", () => embed.paintMap());
}
