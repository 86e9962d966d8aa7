// A visitor's camera: its pictures go to the server one after the other, and the driven ones come
// back. Two are on their way at most, so that the network's time is not lost; the newest counts.
(() => {
  const fiancee = (window.fiancee ??= {});
  if (fiancee.camera) return;

  const SIDE = 320; // pixels of the square that is sent
  const QUALITY = 0.85;
  const AT_ONCE = 2;
  const STALLED = 10_000; // milliseconds after which a picture is given up
  const LEAST_PAUSE = 1000 / 15; // milliseconds between two pictures
  const COUNTED = 3000; // milliseconds over which the rate is taken
  const NO_CAMERA =
    "No camera can be used here: allow it in the browser, or open the page by itself if it stands in another.";
  const LOST = "The server does not answer. Start the camera again.";
  const TOLD = 1000; // milliseconds between two sentences

  const address = (key) => `${fiancee.home()}/camera/${key}`;
  const close = (key) => fetch(address(key), { method: "DELETE", keepalive: true }).catch(() => {});
  const end = (stream) => stream?.getTracks().forEach((track) => track.stop());

  function camera(tab) {
    // Gradio builds what becomes visible anew: nothing of the page is kept.
    const part = (name) => document.getElementById(`${tab}-${name}`);
    const video = () => part("camera-input")?.querySelector("video");
    // What changes at every frame is not read aloud.
    const say = (text, live = "polite") => {
      const words = part("camera")?.querySelector("figcaption");
      if (!words) return;
      words.ariaLive = live;
      words.textContent = text;
    };
    const canvas = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
    // As in a mirror: who turns to the left sees the source turn to the left of the page.
    canvas.getContext("2d").setTransform(-1, 0, 0, 1, SIDE, 0);
    let wanted = false;
    let turn = 0; // of starts and stops: what an older one waited for comes too late
    let stream = null;
    let key = "";
    let closed = ""; // the key before
    let timer = 0;
    let under_way = 0; // of this turn
    let requests = new AbortController(); // of this turn as well
    let sent = 0;
    let shown = 0; // number of the newest picture that is shown
    let times = [];
    let told = 0;

    function square(from) {
      const side = Math.min(from.videoWidth, from.videoHeight);
      const [left, top] = [(from.videoWidth - side) / 2, (from.videoHeight - side) / 2];
      canvas.getContext("2d").drawImage(from, left, top, side, side, 0, 0, SIDE, SIDE);
      return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
    }

    async function send() {
      const [to, from, mine, { signal }] = [key, video(), turn, requests];
      // Another driver was chosen, or another tab.
      if (!from?.offsetParent) return stop();
      if (!to || under_way >= AT_ONCE || !from.videoWidth) return;
      const number = ++sent;
      under_way++;
      const lost = () => mine === turn && stop(LOST);
      const patience = setTimeout(lost, STALLED);
      try {
        const body = await square(from);
        const answer = await fetch(address(to), { method: "POST", body, signal });
        await show(answer, number, to);
      } catch {
        lost();
      } finally {
        clearTimeout(patience);
        if (mine === turn) under_way--;
      }
    }

    async function show(answer, number, to) {
      if (answer.status === 204) return;
      if (!answer.ok) {
        const { error } = await answer.json().catch(() => ({ error: LOST }));
        if (to !== key) return;
        // Without a face the last picture stands.
        return answer.status === 422 ? say(error, "off") : stop(error);
      }
      const facts = JSON.parse(answer.headers.get("X-Frame"));
      const blob = await answer.blob();
      if (to !== key || number < shown) return;
      shown = number;
      const scene = part("camera");
      const picture = scene.querySelector("img");
      URL.revokeObjectURL(picture.src);
      picture.src = URL.createObjectURL(blob);
      // On a phone it stands below the camera's own picture.
      if (picture.hidden) requestAnimationFrame(() => scene.scrollIntoView({ block: "nearest" }));
      picture.hidden = false;
      scene.dataset.frames = Number(scene.dataset.frames ?? 0) + 1;
      const words = sentence(facts);
      if (performance.now() - told < TOLD) return;
      told = performance.now();
      say(words, "off");
    }

    function rate() {
      const now = performance.now();
      times = [...times.filter((time) => now - time < COUNTED), now];
      return times.length > 1 ? ((times.length - 1) * 1000) / (now - times[0]) : 0;
    }

    function sentence(facts) {
      const slow = facts.wanted && ` The budget alone would take ${facts.wanted.toLowerCase()}, too slow for this pace.`;
      return (
        `${rate().toFixed(1)} frames a second delivered by ${facts.name.toLowerCase()}: operations ${facts.saving}, ` +
        `predicted LPIPS ${facts.lpips.toFixed(3)}; landmarks ${Math.round(facts.reading)} ms, ` +
        `picture ${Math.round(facts.making)} ms.${slow}`
      );
    }

    function label(text) {
      const button = part("camera-input")?.querySelector("button");
      if (button) button.textContent = text;
    }

    function stop(why = "Stopped.") {
      turn++;
      requests.abort();
      clearInterval(timer);
      end(stream);
      if (key) close(key);
      [wanted, stream, key, closed] = [false, null, "", key];
      if (video()) video().srcObject = null;
      label("Start the camera");
      say(why);
    }

    async function start() {
      const mine = ++turn;
      [wanted, under_way, requests] = [true, 0, new AbortController()];
      label("Stop the camera");
      say("Waiting for the camera …");
      let given;
      try {
        given = await navigator.mediaDevices.getUserMedia({
          video: { facingMode: "user", width: 640, height: 480 },
        });
      } catch {
        if (mine === turn) stop(NO_CAMERA);
        return;
      }
      if (mine !== turn || !video()) return end(given);
      stream = given;
      video().srcObject = given;
      await video().play().catch(() => {});
      if (mine === turn) part("camera-open").click();
    }

    return {
      stop: (why) => wanted && stop(why),
      toggle: () => (wanted ? stop() : start()),
      // Another source, driving or budget: the same camera goes on with it, under the same key.
      again: () => stream && part("camera-open").click(),
      key: () => key,
      opened(given) {
        if (!stream) return close(given);
        // Stopped and started while it was being opened: the server has let it go.
        if (given === closed) return part("camera-open").click();
        if (key && key !== given) close(key);
        [key, times, told] = [given, [], 0];
        clearInterval(timer);
        timer = setInterval(send, LEAST_PAUSE);
      },
      failed: () => wanted && stop("The camera is not used."),
    };
  }

  const cameras = new Map();
  fiancee.camera = (tab) => {
    if (!cameras.has(tab)) cameras.set(tab, camera(tab));
    return cameras.get(tab);
  };
  fiancee.withCamera = (tab, _, ...inputs) => [fiancee.camera(tab).key(), ...inputs];
  fiancee.cameraOpened = (tab, key) => fiancee.camera(tab).opened(key);
  fiancee.cameraFailed = (tab) => fiancee.camera(tab).failed();
  fiancee.cameraAgain = (tab) => fiancee.camera(tab).again();
  fiancee.cameraMode = (tab, wanted, mode) => {
    if (mode !== wanted) fiancee.camera(tab).stop();
  };
  addEventListener("pagehide", () => cameras.forEach((one) => one.stop()));
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) cameras.forEach((one) => one.stop("Stopped, as the page was hidden."));
  });
})();
