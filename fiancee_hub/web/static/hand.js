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
  let holder = null; // the pointer that draws; a second finger draws nothing
  const stroke = (event) => {
    const now = place(event);
    embed.drawing.stroke(before ?? now, now, embed.radius, embed.chosen);
    [before, holder] = [now, event.pointerId];
    embed.changed({ moving: true });
  };
  const holds = (event) => before && event.pointerId === holder;
  const rest = (event) => {
    if (!holds(event)) return;
    before = null;
    embed.changed();
  };
  map.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || event.button !== 0) return;
    before = null;
    event.preventDefault();
    map.focus({ preventScroll: true });
    map.setPointerCapture(event.pointerId);
    embed.drawing.mark();
    if (!embed.part(".bucket").checked) return stroke(event);
    embed.drawing.fill(place(event), embed.chosen);
    embed.changed();
  });
  map.addEventListener("pointermove", (event) => holds(event) && stroke(event));
  map.addEventListener("pointerup", rest);
  map.addEventListener("pointercancel", rest);
}

/** Arrow keys move the brush, space paints, F fills. */
export function listenToKeys(embed, map) {
  let cursor = [map.width / 2, map.height / 2];
  const within = (value, end) => Math.min(end - 1, Math.max(0, value));
  map.addEventListener("keydown", (event) => {
    // With these the keys are the browser's, such as the one that finds.
    if (event.ctrlKey || event.altKey || event.metaKey) return;
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
