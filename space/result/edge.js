// Gradio's before/after slider has neither words for its pictures nor keys for its edge.
(() => {
  if (window.fianceeEdge) return;
  window.fianceeEdge = true;
  const STEP = 0.05;
  const WORDS = ["Early exit", "Full depth"];
  const KEYS = { ArrowLeft: -STEP, ArrowDown: -STEP, ArrowRight: STEP, ArrowUp: STEP, Home: -1, End: 1 };

  const middle = (box) => box.x + box.width / 2;
  const within = (value) => Math.min(1, Math.max(0, value));

  // The picture as it is drawn, which the edge does not leave; its box may be wider.
  function frame(edge) {
    const { y, height, ...box } = edge.parentElement.getBoundingClientRect().toJSON();
    const picture = edge.closest(".pictures").querySelector("img");
    if (!picture?.naturalWidth) return { y, height, ...box };
    const room = picture.getBoundingClientRect();
    const scale = Math.min(room.width / picture.naturalWidth, room.height / picture.naturalHeight);
    const width = picture.naturalWidth * scale;
    return { y, height, width, x: room.x + (room.width - width) / 2 };
  }

  const share = (edge) => within((middle(edge.getBoundingClientRect()) - frame(edge).x) / frame(edge).width);

  function tell(edge) {
    const percent = Math.round(100 * share(edge));
    edge.setAttribute("aria-valuenow", percent);
    edge.setAttribute("aria-valuetext", `${percent} % early exit`);
  }

  function move(edge, target) {
    const { x, width, y, height } = frame(edge);
    const at = (clientX) => ({ bubbles: true, view: window, clientX, clientY: y + height / 2 });
    // The slider listens to a mouse and to nothing else.
    edge.dispatchEvent(new MouseEvent("mousedown", at(x + width * share(edge))));
    window.dispatchEvent(new MouseEvent("mousemove", at(x + width * target)));
    window.dispatchEvent(new MouseEvent("mouseup", at(x + width * target)));
    requestAnimationFrame(() => tell(edge));
  }

  function dress(part) {
    part.querySelectorAll("img").forEach((picture, side) => { picture.alt = WORDS[side] ?? ""; });
    const edge = part.querySelector("[data-testid=slider]");
    if (!edge) return;
    edge.tabIndex = 0;
    edge.setAttribute("role", "slider");
    edge.setAttribute("aria-label", "Edge between early exit and full depth");
    tell(edge);
  }

  const edgeOf = (event) => event.target.closest?.(".pictures [data-testid=slider]");
  document.querySelectorAll(".pictures").forEach(dress);
  document.addEventListener("load", (event) => {
    const part = event.target.closest?.(".pictures");
    if (part) dress(part);
  }, true);
  document.addEventListener("mouseup", () => document.querySelectorAll(".pictures [role=slider]").forEach(tell));
  document.addEventListener("keydown", (event) => {
    const edge = edgeOf(event);
    if (!edge || !(event.key in KEYS) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    move(edge, within(share(edge) + KEYS[event.key]));
  });
})();
