// <fiancee-embed>: a generator with early exits in a page, without a server.
//
//   <script type="module" src="…/fiancee-embed.js"></script>
//   <fiancee-embed theme="light"><img src="…/poster.webp" alt="…"></fiancee-embed>
//
// Shows what stands between its tags until the reader presses the button; only then is the model
// fetched. Attributes: src, the folder of `fiancee-hub embed` (the script's own if left out);
// theme, light or dark (the page's own if left out); state, a link's state to begin with.

import { Client } from "./client.js";
import { Drawing, idsOf } from "./drawing.js";
import { FileError, forget, json, remember } from "./files.js";
import { listenToHand, listenToKeys } from "./hand.js";
import { begins, ends, stopped } from "./tab.js";
import { watchTheme } from "./theme.js";
import { adapter, place, trial, winner } from "./trial.js";

const HERE = new URL("./", import.meta.url);
const MEGABYTE = 1e6;
const STOPPED =
  "The last try here did not come to its end: if this tab was closed for want of memory, it may be again.";
const parts = Promise.all(
  ["element.html", "element.css"].map(async (name) => (await fetch(new URL(name, HERE))).text()),
);

class FianceeEmbed extends HTMLElement {
  async connectedCallback() {
    this.ignoreTheme = watchTheme(this, (theme) => {
      this.dataset.around = theme;
    });
    if (this.shadowRoot) return;
    this.base = new URL(this.getAttribute("src") ?? "./", this.hasAttribute("src") ? location : HERE);
    const root = this.attachShadow({ mode: "open" });
    const [html, css] = await parts;
    root.innerHTML = html;
    const style = new CSSStyleSheet();
    style.replaceSync(css);
    root.adoptedStyleSheets = [style];
    this.part(".start").onclick = () => this.begin();
    if (stopped) this.say(STOPPED);
    try {
      this.facts = await json(new URL("embed.json", this.base));
      const { first_bytes: first, full_bytes: full } = this.facts;
      const more = `${megabytes(full)} with full depth`;
      this.part(".size").textContent = `${megabytes(first)} to the first picture, ${more}`;
    } catch (error) {
      this.say(error.message);
    }
    this.dispatchEvent(new Event("ready"));
  }

  disconnectedCallback() {
    this.ignoreTheme();
    // One that is only moved goes on.
    queueMicrotask(() => this.isConnected || this.rest());
  }

  /** Ends the model; the poster is back, and the next press goes on where this was. */
  rest() {
    this.client?.close();
    if (!this.drawing) return;
    this.setAttribute("state", this.state());
    this.show(".poster", ".offer");
  }

  /** Of the parts that take turns only these. */
  show(...names) {
    for (const name of [".poster", ".offer", ".loading", ".tool"]) this.part(name).hidden = !names.includes(name);
  }

  part(selector) {
    return this.shadowRoot.querySelector(selector);
  }

  say(message) {
    const place = this.part(".message");
    place.textContent = message;
    place.hidden = !message;
  }

  /** Fetches the model; the poster stays until the first picture is there. */
  async begin() {
    this.say("");
    this.show(".poster", ".loading");
    begins();
    this.bytes = 0;
    this.loaded = false;
    try {
      this.facts ??= await json(new URL("embed.json", this.base));
      await this.open(await this.provider());
      await this.build();
    } catch (error) {
      if (!this.loaded) {
        this.client?.close();
        this.show(".poster", ".offer");
      }
      this.say(error.message);
    } finally {
      ends();
    }
  }

  /** The first picture is there: the tool takes the poster's place. */
  reveal() {
    if (this.loaded) return;
    this.loaded = true;
    this.show(".tool");
    this.dispatchEvent(new Event("loaded"));
  }

  /** Loads the model; on WebAssembly if what won before fails now. */
  async open(provider) {
    const before = this.client;
    this.client = new Client(this.base.href, provider, (more) => this.count(more));
    before?.close();
    try {
      const { manifest, exits } = await this.client.load();
      [this.manifest, this.exits, this.started] = [manifest, exits, false];
    } catch (error) {
      if (provider === "wasm") throw error;
      await this.mistrust(error);
      await this.open("wasm");
    }
    this.part(".engine").textContent = this.engine;
  }

  /** WebGPU won here once, and fails now: unless a file is missing, it is not used again. */
  async mistrust(error) {
    if (!(error instanceof FileError)) await remember(this.trialPlace, "wasm");
  }

  get engine() {
    const { provider, threads } = this.client;
    if (provider === "webgpu") return "by WebGPU";
    return `by WebAssembly, ${threads === 1 ? "one thread" : `${threads} threads`}`;
  }

  count(more) {
    this.bytes += more;
    const { first_bytes: first, runtimes } = this.facts;
    const other = runtimes[this.client.provider].binary.bytes - runtimes.wasm.binary.bytes;
    const whole = Math.max(first + other, this.bytes);
    this.part("progress").value = this.bytes / whole;
    this.part(".loaded").textContent = `${megabytes(this.bytes)} of ${megabytes(whole)}`;
  }

  // The graphics processor

  /** What won here before; offers the trial where there was none. */
  async provider() {
    this.trialPlace = null;
    const name = this.facts.runtimes.webgpu && (await adapter());
    if (typeof name !== "string") return "wasm";
    this.trialPlace = place(this.base, this.facts, name);
    const won = await winner(this.trialPlace);
    this.part(".graphics").hidden = Boolean(won);
    const { binary } = this.facts.runtimes.webgpu;
    this.part(".graphics").textContent = `Try the graphics processor, ${megabytes(binary.bytes)}`;
    return won ?? "wasm";
  }

  async tryGraphics() {
    this.part(".graphics").hidden = true;
    let bytes = 0;
    const candidate = new Client(this.base.href, "webgpu", (more) => {
      bytes += more;
      this.say(`Trying the graphics processor: ${megabytes(bytes)} …`);
    });
    const { won, words, again } = await trial(this.client, candidate, this.trialPlace);
    while (this.working) await new Promise((resolve) => setTimeout(resolve, 50));
    if (won) {
      this.client.close();
      this.client = candidate;
      this.started = false;
      this.part(".engine").textContent = this.engine;
    }
    this.part(".graphics").hidden = !again;
    this.note = words;
    await this.renew();
  }

  // What the reader works with

  async build() {
    const { height, width } = this.manifest.checkpoint.generator;
    this.drawing = new Drawing(width, height);
    for (const name of [".map", ".early", ".full"]) {
      Object.assign(this.part(name), { width, height });
    }
    this.seed = 0;
    this.shown = null;
    this.buildClasses();
    this.buildExits();
    this.buildExamples();
    if (!this.listening) this.listen();
    if (!this.readState(this.getAttribute("state") ?? "")) await this.takeExample(0);
    this.paintMap();
    await this.make(false);
    this.say(this.note ?? "");
  }

  get classes() {
    return this.manifest.checkpoint.classes;
  }

  buildClasses() {
    const place = this.part(".classes");
    place.replaceChildren();
    for (const { id, name, colour } of this.classes) {
      const label = place.appendChild(document.createElement("label"));
      const input = Object.assign(document.createElement("input"), { type: "radio", name: "class", value: id });
      input.style.setProperty("--chip", `rgb(${colour})`);
      input.checked = id === this.classes[0].id;
      label.append(input, name);
    }
  }

  buildExits() {
    const { exits } = this.manifest.checkpoint.costs;
    this.part(".exits").replaceChildren(
      ...exits.map((macs, index) => {
        const exit = index + 1;
        const button = document.createElement("button");
        button.type = "button";
        button.append(exit === exits.length ? "full" : String(exit));
        const share = document.createElement("small");
        share.textContent = percent(macs / exits.at(-1));
        button.append(share);
        const name = exit === exits.length ? "full depth" : `exit ${exit}`;
        button.setAttribute("aria-label", `${name}: ${share.textContent} of the computation`);
        button.onclick = () => {
          this.shown = exit;
          this.renew();
        };
        return button;
      }),
    );
  }

  buildExamples() {
    this.part(".examples").replaceChildren(
      ...this.facts.examples.map(({ file, title }, index) => {
        const button = Object.assign(document.createElement("button"), { type: "button" });
        const image = Object.assign(new Image(), { src: new URL(file, this.base).href, alt: title, loading: "lazy" });
        image.crossOrigin = "anonymous";
        button.append(image);
        button.onclick = async () => {
          this.drawing.mark();
          await this.takeExample(index);
          this.shown = null; // Another input: the router has its say again.
          this.changed();
        };
        return button;
      }),
    );
  }

  async takeExample(index) {
    const { file } = this.facts.examples[index];
    const image = Object.assign(new Image(), { crossOrigin: "anonymous", src: new URL(file, this.base).href });
    await image.decode();
    const { width, height } = this.drawing;
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.imageSmoothingEnabled = false;
    context.drawImage(image, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    const places = idsOf(data, this.classes.map(({ colour }) => colour));
    this.drawing.ids = places.map((place) => this.classes[place].id);
  }

  listen() {
    this.listening = true;
    const on = (selector, event, action) => this.part(selector).addEventListener(event, action);
    on(".budget", "input", () => {
      this.shown = null;
      this.renew();
    });
    on(".by-time", "change", () => {
      this.shown = null;
      this.renew();
    });
    on(".edge", "input", () => this.moveEdge());
    on(".undo", "click", () => this.drawing.undo() && this.changed());
    on(".blank", "click", () => {
      this.drawing.mark();
      this.drawing.ids.fill(this.chosen);
      this.changed();
    });
    on(".seed", "click", () => {
      this.seed += 1;
      this.changed();
    });
    on(".measure", "click", () => this.measure());
    on(".link", "click", () => this.copyLink());
    on(".graphics", "click", () => this.tryGraphics());
    on(".forget", "click", async () => {
      await forget();
      this.say("Removed: the model is fetched again the next time.");
    });
    listenToHand(this, this.part(".map"));
    listenToKeys(this, this.part(".map"));
    this.moveEdge();
  }

  get chosen() {
    return Number(this.part(".classes :checked").value);
  }

  get radius() {
    return Number(this.part(".brush").value) / 2;
  }

  get budget() {
    return Number(this.part(".budget").value);
  }

  moveEdge() {
    this.part(".pair").style.setProperty("--edge", `${this.part(".edge").value}%`);
  }

  // From the map to the pictures: the newest counts, one at a time

  changed({ moving = false } = {}) {
    this.started = false;
    this.note = "";
    this.paintMap();
    this.part(".undo").disabled = !this.drawing.undone.length;
    return this.renew({ moving });
  }

  async renew(options = {}) {
    this.wanted = { ...options };
    this.paintMap();
    if (this.working) return;
    this.working = true;
    try {
      while (this.wanted) {
        const { moving = false } = this.wanted;
        this.wanted = null;
        await this.makeAgain(moving);
      }
      this.say(this.note ?? "");
    } catch (error) {
      this.say(error.message);
    } finally {
      this.working = false;
    }
  }

  /** What is lost with a model that broke down is made anew on WebAssembly, once. */
  async makeAgain(moving) {
    try {
      await this.make(moving);
    } catch (error) {
      if (error instanceof FileError || !this.isConnected) throw error;
      if (this.client.provider === "webgpu") await this.mistrust(error);
      await this.open("wasm");
      await this.make(moving);
    }
  }

  async make(moving) {
    this.part(".budget-value").value = this.budget.toFixed(3);
    this.part(".full").classList.add("stale");
    if (!this.started) {
      this.started = true;
      this.full = null;
      this.made = new Set();
      const { prediction } = await this.client.ask("start", { ids: this.drawing.ids, seed: this.seed });
      this.prediction = prediction;
    }
    const byTime = this.part(".by-time").checked;
    const routed = await this.client.ask("route", { budget: this.budget, byTime });
    const exit = this.shown ?? routed.exit;
    // While the brush moves, and before anything is there, the first exit stands in.
    let early = await this.picture(moving || !this.loaded ? 1 : exit);
    this.paint(".early", early);
    this.tell(early, routed.exit);
    this.reveal();
    if (moving || this.wanted) return;
    if (early.exit !== exit) {
      early = await this.picture(exit);
      this.paint(".early", early);
      this.tell(early, routed.exit);
    }
    this.full ??= await this.picture(this.exits);
    this.paint(".full", this.full);
    this.part(".full").classList.remove("stale");
    this.tell(early, routed.exit);
  }

  /** The true distance of what is shown; its network is fetched now. */
  async measure() {
    const early = this.early;
    if (!early || !this.full || this.working) return;
    const { bytes } = this.manifest.graphs.find(({ name }) => name === "lpips");
    this.say(`Measuring; the first time fetches ${megabytes(bytes)} …`);
    try {
      early.distance = await this.client.ask("distance", { exit: early.exit });
      this.say("");
      if (early === this.early) this.tell(early, this.taken);
    } catch (error) {
      this.say(error.message);
    }
  }

  async picture(exit) {
    const { bytes } = await this.client.ask("missing", { exit });
    const name = exit === this.exits ? "full depth" : `exit ${exit}`;
    if (bytes && this.loaded) this.say(`Fetching ${name}, ${megabytes(bytes)} …`);
    const made = await this.client.ask("render", { exit });
    this.made.add(exit);
    if (bytes) this.say(this.note ?? "");
    return made;
  }

  // What the reader sees

  paintMap(cursor = null) {
    const map = this.part(".map");
    const context = map.getContext("2d");
    const image = context.createImageData(map.width, map.height);
    const colours = new Map(this.classes.map(({ id, colour }) => [id, colour]));
    this.drawing.ids.forEach((id, at) => image.data.set([...colours.get(id), 255], 4 * at));
    context.putImageData(image, 0, 0);
    if (cursor) {
      context.strokeStyle = "#fff";
      context.beginPath();
      context.arc(...cursor, this.radius, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  paint(selector, { pixels, width, height }) {
    this.part(selector).getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
  }

  tell(early, taken) {
    [this.early, this.taken] = [early, taken];
    const { exits } = this.manifest.checkpoint.costs;
    const share = percent(exits[early.exit - 1] / exits.at(-1));
    const predicted = this.prediction.mean[early.exit - 1];
    const said = early.distance === undefined ? "" : `, measured ${early.distance.toFixed(3)}`;
    const distance = predicted === undefined ? "" : `, predicted LPIPS ${predicted.toFixed(3)}${said}`;
    const name = early.exit === this.exits ? "Full depth" : `Exit ${early.exit} of ${this.exits}`;
    const fits = this.reason(early.exit, taken);
    this.part(".headline").textContent = `${name}: ${share} of the computation${distance}; ${fits}.`;
    this.part(".left").textContent = `${name.toLowerCase()}, ${early.milliseconds.toFixed(0)} ms here`;
    this.part(".right").textContent = this.full
      ? `full depth, ${this.full.milliseconds.toFixed(0)} ms here`
      : "full depth follows";
    for (const [index, button] of [...this.part(".exits").children].entries()) {
      button.setAttribute("aria-pressed", String(index + 1 === early.exit));
      button.classList.toggle("taken", index + 1 === taken);
      button.classList.toggle("computed", this.made.has(index + 1));
    }
  }

  reason(exit, taken) {
    const fits = this.part(".by-time").checked ? "fastest" : "cheapest";
    if (exit === taken) return `the ${fits} within ${this.budget.toFixed(3)}`;
    return exit === this.shown ? "chosen by hand" : "the first stands in";
  }

  // Links

  get weights() {
    return this.manifest.checkpoint.model_sha256.slice(0, 12);
  }

  state() {
    const values = { map: this.drawing.packed(), seed: this.seed, budget: this.budget, weights: this.weights };
    if (this.shown) values.exit = this.shown;
    return new URLSearchParams(values).toString();
  }

  /** Takes over a link's state; false where it has no map that fits. */
  readState(text) {
    const values = new URLSearchParams(text);
    const ids = Math.max(...this.classes.map(({ id }) => id)) + 1;
    if (!values.has("map") || !this.drawing.unpack(values.get("map"), ids)) return false;
    // Larger ones are not kept exactly, and none is without an end.
    const most = Number.MAX_SAFE_INTEGER;
    const whole = (name) => Math.min(most, Math.max(0, Math.floor(Number(values.get(name))) || 0));
    this.seed = whole("seed");
    if (values.has("budget")) this.part(".budget").value = Number(values.get("budget")) || 0;
    this.shown = Math.min(whole("exit"), this.exits) || null;
    if (values.has("weights") && values.get("weights") !== this.weights) {
      this.note = "This link was made with other weights: its picture may differ.";
    }
    return true;
  }

  async copyLink() {
    const link = new URL("index.html", this.base);
    link.hash = this.state();
    try {
      await navigator.clipboard.writeText(link.href);
      this.say("Link copied.");
    } catch {
      this.say(link.href); // Some frames may not write to the clipboard.
    }
  }
}

function megabytes(bytes) {
  return `${(bytes / MEGABYTE).toFixed(1)} MB`;
}

function percent(share) {
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
}

// The first script of a page serves all of its elements.
if (!customElements.get("fiancee-embed")) customElements.define("fiancee-embed", FianceeEmbed);
