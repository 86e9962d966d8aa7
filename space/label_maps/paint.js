// What Gradio's editor lacks: a fill bucket, and a cursor for the keyboard.
(() => {
  const fiancee = (window.fiancee ??= {});
  if (fiancee.fill) return;

  const STRIDE = 8; // pixels of the map that an arrow key moves the cursor
  const RADIUS = 9; // of a spot
  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const cursors = new Map();

  const part = (tab, name) => document.getElementById(`${tab}-${name}`);
  const tabOf = (element) => element.closest?.(".label-map-screen")?.id.replace(/-screen$/, "");
  const onMap = (element) => element.closest?.(".label-map canvas") && tabOf(element);
  const tools = (tab) => part(tab, "tools").querySelector(".map-tools");
  const colours = (tab) => JSON.parse(tools(tab).dataset.colours);
  const filling = (tab) => tools(tab)?.querySelector("[data-tool=fill]").getAttribute("aria-pressed") === "true";

  function choose(tab, tool) {
    for (const button of tools(tab).querySelectorAll("button"))
      button.setAttribute("aria-pressed", button.dataset.tool === tool);
    if (tool === "brush") part(tab, "map").querySelector("button[aria-label='Brush']")?.click();
  }

  function chosenClass(tab) {
    const inputs = [...part(tab, "classes").querySelectorAll("input")];
    const place = Math.max(0, inputs.findIndex((one) => one.checked));
    return { place, name: inputs[place].value, names: inputs.map((one) => one.value) };
  }

  // Pixels of a map that are to be painted.
  function area(places, width, x, y) {
    const start = y * width + x;
    const old = places[start];
    const found = new Uint8Array(places.length);
    const open = [start];
    while (open.length) {
      const at = open.pop();
      if (found[at] || places[at] !== old) continue;
      found[at] = 1;
      const column = at % width;
      if (column > 0) open.push(at - 1);
      if (column < width - 1) open.push(at + 1);
      if (at >= width) open.push(at - width);
      if (at + width < places.length) open.push(at + width);
    }
    return found;
  }

  function spot(length, width, x, y) {
    const found = new Uint8Array(length);
    for (let at = 0; at < length; at++)
      if ((at % width - x) ** 2 + (Math.floor(at / width) - y) ** 2 <= RADIUS ** 2) found[at] = 1;
    return found;
  }

  function inked(found, width, colour) {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width, found.length / width];
    const context = canvas.getContext("2d");
    const picture = context.createImageData(canvas.width, canvas.height);
    const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
    found.forEach((is, at) => { if (is) picture.data.set([red, green, blue, 255], 4 * at); });
    context.putImageData(picture, 0, 0);
    return canvas;
  }

  // A step that the editor's undo and redo know like one of its own strokes.
  function step(editor, canvas) {
    const { layer_manager: layers } = editor;
    const active = layers.get_layers().find((one) => one.container === layers.get_active_layer());
    const texture = () => layers.get_layer_textures((active ?? layers.get_layers().at(-1)).id).draw;
    const Sprite = editor.background_image.constructor;
    const Target = texture().constructor;
    const painted = Object.getPrototypeOf(Target).from(canvas, true);
    painted.source.scaleMode = "nearest";
    function draw(source, target, clear) {
      const sprite = new Sprite(source);
      editor.app.renderer.render({ container: sprite, target, clear });
      sprite.destroy();
    }
    let before = null;
    return {
      name: "Draw",
      async execute() {
        const { width, height } = texture();
        before ??= Target.create({ width, height, resolution: window.devicePixelRatio || 1 });
        draw(texture(), before, true);
        draw(painted, texture(), false);
      },
      async undo() { if (before) draw(before, texture(), true); },
    };
  }

  async function paint(tab, shape) {
    const editor = fiancee.editorOf(tab);
    if (!editor?.background_image) return;
    const known = colours(tab);
    const places = await fiancee.places(tab, known);
    const { place } = chosenClass(tab);
    const canvas = inked(shape(places, editor.width), editor.width, known[place]);
    await editor.execute_command(step(editor, canvas));
    editor.notify("change");
    fiancee.live(tab).changed();
  }

  fiancee.fill = (tab, x, y) => paint(tab, (places, width) => area(places, width, x, y));
  const spray = (tab, x, y) => paint(tab, (places, width) => spot(places.length, width, x, y));

  function pixelAt(tab, event) {
    const editor = fiancee.editorOf(tab);
    const box = event.target.getBoundingClientRect();
    const { width, height } = editor.app.screen;
    const at = { x: ((event.clientX - box.x) * width) / box.width, y: ((event.clientY - box.y) * height) / box.height };
    const { x, y } = editor.image_container.toLocal(at);
    const inside = x >= 0 && y >= 0 && x < editor.width && y < editor.height;
    return inside ? [Math.floor(x), Math.floor(y)] : null;
  }

  document.addEventListener("pointerdown", (event) => {
    const tab = event.button === 0 && onMap(event.target);
    if (!tab || !filling(tab)) return;
    event.stopImmediatePropagation();
    event.preventDefault();
    const pixel = pixelAt(tab, event);
    if (pixel) fiancee.fill(tab, ...pixel);
  }, true);

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".map-tools button");
    if (button) choose(tabOf(button), button.dataset.tool);
    const own = event.isTrusted && event.target.closest?.(".label-map button[aria-label='Brush'], .label-map button[aria-label='Erase']");
    if (own && filling(tabOf(own))) choose(tabOf(own), "none");
  });

  // The keyboard

  function cursor(tab) {
    const editor = fiancee.editorOf(tab);
    if (!cursors.has(tab)) cursors.set(tab, [Math.floor(editor.width / 2), Math.floor(editor.height / 2)]);
    return cursors.get(tab);
  }

  function place(tab, canvas) {
    const editor = fiancee.editorOf(tab);
    const [x, y] = cursor(tab);
    const { x: left, y: top } = editor.image_container.toGlobal({ x, y });
    const mark = canvas.parentElement.querySelector(".map-cursor") ?? document.createElement("i");
    mark.className = "map-cursor";
    const box = canvas.getBoundingClientRect();
    const around = canvas.parentElement.getBoundingClientRect();
    mark.style.left = `${box.x - around.x + (left * box.width) / editor.app.screen.width}px`;
    mark.style.top = `${box.y - around.y + (top * box.height) / editor.app.screen.height}px`;
    if (!mark.isConnected) canvas.parentElement.append(mark);
    if (getComputedStyle(canvas.parentElement).position === "static") canvas.parentElement.style.position = "relative";
  }

  async function say(tab) {
    const [x, y] = cursor(tab);
    const places = await fiancee.places(tab, colours(tab));
    const name = chosenClass(tab).names[places?.[y * fiancee.editorOf(tab).width + x]] ?? "nothing";
    tools(tab).querySelector("output").textContent = `Column ${x}, row ${y}: ${name}`;
  }

  function dress(canvas) {
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label", "Label map. Arrow keys move a cursor, Enter fills the area under it with the chosen class, Space paints a spot, Control and Z takes back.");
  }

  document.addEventListener("focusin", (event) => {
    const tab = onMap(event.target);
    if (tab && event.target.matches(":focus-visible")) { place(tab, event.target); say(tab); }
  });
  document.addEventListener("focusout", (event) => {
    if (onMap(event.target)) event.target.parentElement.querySelector(".map-cursor")?.remove();
  });
  document.addEventListener("keydown", async (event) => {
    const tab = onMap(event.target);
    const editor = tab && fiancee.editorOf(tab);
    // With these the keys are the browser's.
    if (!editor || event.ctrlKey || event.altKey || event.metaKey) return;
    if (!(event.key in MOVES || event.key === "Enter" || event.key === " ")) return;
    event.preventDefault(); // At once: after a wait the page has scrolled.
    const [x, y] = cursor(tab);
    if (event.key === "Enter") await fiancee.fill(tab, x, y);
    else if (event.key === " ") await spray(tab, x, y);
    else {
      const [right, down] = MOVES[event.key];
      const stride = event.shiftKey ? 1 : STRIDE;
      const within = (value, most) => Math.min(most - 1, Math.max(0, value));
      cursors.set(tab, [within(x + stride * right, editor.width), within(y + stride * down, editor.height)]);
    }
    place(tab, event.target);
    say(tab);
  }, true);

  new MutationObserver(() => {
    for (const canvas of document.querySelectorAll(".label-map .pixi-target canvas:not([role])")) dress(canvas);
  }).observe(document, { subtree: true, childList: true });
})();
