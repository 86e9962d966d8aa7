() => {
  // Gradio's editor tells of a stroke when it has ended; what is on its canvas can be read before.
  const LEAST_PAUSE = 120; // milliseconds
  const REST = 1000;
  const AFTER_FAILURE = 5000;

  const part = (name) => document.querySelector(`#live-${name}`);
  const wanted = () => part("wanted")?.querySelector("input").checked;
  const erasing = () => document.querySelector("#label-map button[aria-label='Eraser Size']");

  let held = false; // a button or finger is down on the map
  let busy = false; // a frame is on its way
  let changed = false; // since that frame was sent
  let pause = LEAST_PAUSE;
  let sent = 0;
  let following = 0;
  let resting = 0;
  let finished = true; // the budget's exit and full depth have been asked for since the last frame

  async function read() {
    const { composite } = await window.editor.get_blobs();
    return new Promise((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result);
      reader.readAsDataURL(composite);
    });
  }

  function touched() {
    if (!wanted()) return;
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
    const drawing = await read().catch(() => null);
    if (!busy) return;
    if (drawing === null) return stop();
    if (drawing === live.drawing) return next();
    live.drawing = drawing;
    finished = false;
    sent = performance.now();
    part("back").click();
    part("frame").click();
  }

  function next() {
    busy = false;
    if (changed) follow();
    else if (!finished) resting = setTimeout(rest, REST);
  }

  function rest() {
    finished = true;
    part("rest").click();
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
  window.fianceeLive = live;

  const onMap = (event) => event.target.closest?.("#label-map canvas");
  document.addEventListener("pointerdown", (event) => {
    held = Boolean(onMap(event));
    if (held && !erasing()) touched();
  }, true);
  document.addEventListener("pointermove", () => {
    // Until it ends, an eraser's stroke is a veil and no class.
    if (held && !erasing()) touched();
  }, true);
  for (const end of ["pointerup", "pointercancel"])
    document.addEventListener(end, () => {
      if (held) touched();
      held = false;
    }, true);
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("#label-map button[aria-label='Undo'], #label-map button[aria-label='Redo']")) touched();
    // Another map, or what Generate makes of this one, is not to be painted over.
    if (event.target.closest?.("#examples, #sources, #generate, #label-map button[aria-label='Clear canvas']")) stop();
  }, true);
}
