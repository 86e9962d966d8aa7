// Gradio's editor tells of a stroke when it has ended; what is on its canvas can be read before.
(() => {
  const fiancee = (window.fiancee ??= {});
  if (fiancee.live) return;

  const LEAST_PAUSE = 120; // milliseconds
  const REST = 1000;
  const AFTER_FAILURE = 5000;
  const FITTINGS = 4;

  // Every editor announces itself under the same name, and the last one would hide the others.
  const editors = new Set();
  const coming = new WeakMap(); // how many maps are on their way to an editor

  function announced(editor) {
    if (!editor || editors.has(editor)) return;
    editors.add(editor);
    const add = editor.add_image_from_url;
    editor.add_image_from_url = async (...image) => {
      count(editor, 1);
      try {
        return await add.apply(editor, image);
      } finally {
        count(editor, -1);
        fiancee.hasCome(tabOf(editor.target_element, ".label-map"));
      }
    };
  }

  const count = (editor, more) => coming.set(editor, (coming.get(editor) ?? 0) + more);

  announced(window.editor);
  Object.defineProperty(window, "editor", {
    configurable: true,
    get: () => [...editors].at(-1),
    set: announced,
  });

  const part = (tab, name) => document.getElementById(`${tab}-${name}`);

  function editorOf(tab) {
    for (const one of editors) if (!one.target_element?.isConnected) editors.delete(one);
    const map = part(tab, "map");
    return [...editors].find((one) => map?.contains(one.target_element));
  }

  // The editor fits a map to the size that it has just then, and that is not its last: a page is
  // slow, a window turned.
  function fitNow(tab) {
    const editor = editorOf(tab);
    if (editor?.background_image) editor.tools.get("zoom").set_zoom("fit");
  }

  const fitted = new WeakSet();
  const sizes = new ResizeObserver((changes) => {
    for (const { target } of changes) fiancee.fit(tabOf(target, ".label-map"));
  });

  fiancee.fit = (tab) => {
    const map = part(tab, "map");
    if (!map) return;
    if (!fitted.has(map)) sizes.observe(map);
    fitted.add(map);
    for (let turn = 1; turn <= FITTINGS; turn++) setTimeout(() => fitNow(tab), (turn * REST) / FITTINGS);
  };

  // The map as a data: address; empty where there is none.
  async function read(tab) {
    const editor = editorOf(tab);
    // Until a map has come its canvas is white, which is none.
    if (!editor?.background_image) return "";
    const { composite } = await editor.get_blobs();
    if (!composite) return "";
    return new Promise((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result);
      reader.readAsDataURL(composite);
    });
  }

  // Whether the editor is to hold another map than it does now.
  fiancee.mapIsComing = (tab) => coming.get(editorOf(tab)) > 0;
  fiancee.readMap = read;
  fiancee.editorOf = editorOf;

  // Inputs of an event whose first is the map as it stands.
  fiancee.withMap = async (tab, _, ...inputs) => [await read(tab), ...inputs];

  // The same with what was sent as the last frame, or is to be sent.
  fiancee.withFrame = (tab, _, ...inputs) => [fiancee.live(tab).drawing, ...inputs];

  fiancee.brush = (tab, settings, name) => {
    return { __type__: "update", brush: { ...settings.brush, default_color: settings.colours[name] } };
  };

  const press = (tab, name) => part(tab, `live-${name}`).click();

  // What is being rendered is given up, and what stands is marked.
  fiancee.newSeed = (tab, most, mark) => {
    fiancee.live(tab).stop();
    press(tab, "back");
    return [Math.floor(Math.random() * most), mark];
  };

  fiancee.showPlaced = (tab) => {
    fiancee.fit(tab);
    fiancee.live(tab).stop();
    press(tab, "back");
    press(tab, "placed");
  };

  // Lets the picture follow the hand on one tab's map.
  function follower(tab) {
    let held = false; // a button or finger is down on the map
    let busy = false; // a frame is on its way
    let changed = false; // since that frame was sent
    let pause = LEAST_PAUSE;
    let sent = 0;
    let following = 0;
    let resting = 0;
    let finished = true; // the budget's exit and full depth have been asked for since the last frame

    const wanted = () => part(tab, "live-wanted")?.querySelector("input").checked;
    const erasing = () => part(tab, "map").querySelector("button[aria-label='Eraser Size']");

    function touched() {
      clearTimeout(resting);
      changed = true;
      if (!busy && !following) follow();
    }

    function follow() {
      following = setTimeout(frame, pause);
    }

    async function frame() {
      following = 0;
      busy = true;
      changed = false;
      const drawing = await read(tab).catch(() => "");
      if (!busy) return;
      if (!drawing) return stop();
      if (drawing === live.drawing) return next();
      live.drawing = drawing;
      finished = false;
      sent = performance.now();
      press(tab, "back");
      press(tab, "frame");
    }

    function next() {
      busy = false;
      if (changed) follow();
      else if (!finished) resting = setTimeout(rest, REST);
    }

    function rest() {
      finished = true;
      press(tab, "rest");
    }

    function stop() {
      clearTimeout(following);
      clearTimeout(resting);
      following = 0;
      busy = changed = false;
    }

    const live = {
      drawing: "",
      stop,
      down() {
        held = true;
        live.moved();
      },
      moved() {
        // Until it ends, an eraser's stroke is a veil and no class.
        if (held && wanted() && !erasing()) touched();
      },
      up() {
        if (held) live.changed();
        held = false;
      },
      // The map is another one now.
      changed() {
        if (wanted()) touched();
        else press(tab, "stale");
      },
      done() {
        if (!busy) return;
        // A slow machine is asked less often: at most half of its time.
        pause = Math.max(LEAST_PAUSE, performance.now() - sent);
        next();
      },
      failed() {
        if (!busy) return;
        stop();
        pause = AFTER_FAILURE;
      },
    };
    return live;
  }

  const followers = new Map();
  fiancee.live = (tab) => {
    if (!followers.has(tab)) followers.set(tab, follower(tab));
    return followers.get(tab);
  };
  fiancee.frameDone = (tab) => fiancee.live(tab).done();
  fiancee.frameFailed = (tab) => fiancee.live(tab).failed();

  // Whose map an element belongs to; undefined where it is on none.
  const tabOf = (element, selector) => element.closest?.(selector)?.closest(".label-map-screen")?.id.replace(/-screen$/, "");

  document.addEventListener("pointerdown", (event) => {
    const tab = tabOf(event.target, ".label-map canvas");
    if (tab) fiancee.live(tab).down();
  }, true);
  document.addEventListener("pointermove", () => followers.forEach((live) => live.moved()), true);
  for (const end of ["pointerup", "pointercancel"])
    document.addEventListener(end, () => followers.forEach((live) => live.up()), true);
  document.addEventListener("click", (event) => {
    const again = ".label-map button[aria-label='Undo'], .label-map button[aria-label='Redo']";
    const edited = tabOf(event.target, again);
    if (edited) fiancee.live(edited).changed();
    // After the eraser, whoever picks a class wants to paint, be it the same class again.
    const painting = tabOf(event.target, ".classes label, .classes input");
    if (painting) part(painting, "map").querySelector("button[aria-label='Brush']")?.click();
    // Another map, or what Generate makes of this one, is not to be painted over.
    const other = tabOf(event.target, ".map-examples, .map-sources, .generate, .label-map button[aria-label='Clear canvas']");
    if (other) fiancee.live(other).stop();
  }, true);
})();
