// Links that bring a state back, the address bar that carries it, and the tab that a link opens.
(() => {
  const fiancee = (window.fiancee ??= {});
  if (fiancee.query) return;

  const PAUSE = 250; // milliseconds that a state must last to stand in the address
  fiancee.PAUSE = PAUSE;
  const NAME = "tab";
  const KEPT = ["__theme", "view"]; // of the page and of no tab
  const SOFT = ["budget"]; // its changes are no step to go back to

  // In a foreign page the element says where the demo is, on its own page the address bar does.
  const source = () => document.querySelector("gradio-app")?.getAttribute("src") ?? "";

  fiancee.query = () => new URL(source() || location.href, location.href).search;

  // The state that something on the page offered last, instead of the address's. It is kept: of two
  // presses Gradio may ask for the first only when the second has been made as well.
  let offered = null;

  fiancee.withOffered = (tab, _, ...inputs) => {
    const query = offered ?? fiancee.query();
    restoring.set(tab, (restoring.get(tab) ?? 0) + 1);
    return [query, ...inputs];
  };

  function offer(tab, query) {
    asleep.delete(tab);
    offered = query;
    document.getElementById(`${tab}-restore`)?.click();
  }

  document.addEventListener("click", (event) => {
    const state = event.target.closest?.("[data-state]")?.dataset.state;
    if (state) offer(new URLSearchParams(state).get(NAME), `?${state}`);
  });

  // A tab that is open at first renders nothing where a link opens another: only once it is wanted.
  const asleep = new Set();
  let stays = false; // the link opens no other tab

  function wake(tab) {
    const link = new URL(`${fiancee.home()}/?${new URLSearchParams({ [NAME]: tab })}`);
    addresses.set(tab, link); // the next listener shows it
    offer(tab, link.search);
  }

  document.addEventListener("click", (event) => {
    const tab = event.target.closest?.("[role=tab]")?.dataset.tabId;
    if (asleep.has(tab)) wake(tab);
  });

  // The inputs stay what they are, after the query; of a tab that falls asleep, the word for that.
  fiancee.withQuery = (tab, elsewhere, _, ...inputs) => {
    const query = fiancee.query();
    const wanted = new URLSearchParams(query).get(NAME);
    const sleeps = elsewhere && !stays && wanted && wanted !== tab && tabNamed(wanted);
    if (sleeps) asleep.add(tab);
    return [sleeps ? elsewhere : query, ...inputs];
  };

  const tabNamed = (name) => document.querySelector(`[role=tab][data-tab-id="${CSS.escape(name)}"]`);

  fiancee.openTab = (name) => {
    if (name) return void tabNamed(name)?.click();
    stays = true; // there is no link, or one of no use
    asleep.forEach(wake);
  };

  // Whether the clipboard has it; in a frame that may be forbidden.
  fiancee.copied = async (text) => (await navigator.clipboard?.writeText(text).then(() => true, () => false)) ?? false;

  // Values by the names of a link's fields; those that are empty or do not count now are left out.
  async function linkTo({ tab, names, modes, more }, values) {
    const mode = values[names.length];
    const counts = (name, value) => {
      const ofMode = Object.values(modes).some((fields) => fields.includes(name));
      return ofMode ? value && modes[mode]?.includes(name) : value || value === 0;
    };
    const state = names.map((name, number) => [name, values[number]]);
    const found = more.length ? await fiancee[more[0]](tab, ...more.slice(1)) : {};
    if (!found) return null; // not there yet
    const link = new URL(source() || location.pathname, location.href);
    const entries = [...Object.entries(found), ...state].filter((one) => counts(...one));
    link.search = new URLSearchParams([[NAME, tab], ...entries]);
    return link;
  }

  fiancee.copyLink = async (state, words, ...values) => {
    const link = await linkTo(state, values);
    const said = document.createElement("p");
    const anchor = document.createElement("a");
    said.setAttribute("role", "status");
    if (!link) {
      said.textContent = "There is no map to link to yet.";
      return said.outerHTML;
    }
    if (!source()) show(link, false);
    anchor.href = anchor.textContent = link.href;
    said.append((await fiancee.copied(link.href)) ? "Copied: " : "Copy this link: ", anchor, document.createElement("br"), words);
    return said.outerHTML;
  };

  // The address bar

  const addresses = new Map(); // of each tab that has a state
  const waiting = new Map();
  const late = new Map(); // of each tab, what is remembered once that of which a link tells is there
  const restoring = new Map(); // how many states of a tab are on their way back
  let shown = ""; // the tab with a state that was open last

  const opened = () => document.querySelector("[role=tab][aria-selected=true]")?.dataset.tabId;

  // What of an address is a step to go back to.
  function steps(address) {
    const query = new URLSearchParams(address.search);
    for (const name of [...KEPT, ...SOFT]) query.delete(name);
    query.sort();
    return query.toString();
  }

  function show(link, asStep) {
    const address = new URL(link);
    const now = new URLSearchParams(location.search);
    for (const name of KEPT) if (now.has(name)) address.searchParams.set(name, now.get(name));
    if (address.href === location.href) return;
    const step = asStep && now.has(NAME) && window.top === window && steps(address) !== steps(location);
    history[step ? "pushState" : "replaceState"](history.state, "", address);
  }

  fiancee.remember = (state, ...values) => {
    const { tab } = state;
    forget(tab);
    const turn = setTimeout(async () => {
      if (restoring.has(tab)) return;
      const link = await linkTo(state, values);
      if (waiting.get(tab) !== turn || restoring.has(tab)) return;
      if (!link) return void late.set(tab, () => fiancee.remember(state, ...values));
      addresses.set(tab, link);
      if (opened() !== tab) return;
      shown = tab;
      if (!source()) show(link, true);
    }, PAUSE);
    waiting.set(tab, turn);
  };

  // A result can be there before the map in the editor is.
  fiancee.hasCome = (tab) => late.get(tab)?.();

  function forget(tab) {
    clearTimeout(waiting.get(tab));
    waiting.delete(tab);
    late.delete(tab);
  }

  // The demo's own address, without a state.
  fiancee.home = () => {
    const { origin, pathname } = new URL(source() || location.pathname, location.href);
    return (origin + pathname).replace(/[/]+$/, "");
  };

  // Where the demo shows what it shows now, with further values.
  fiancee.addressOf = (more) => {
    const query = new URLSearchParams(addresses.get(shown)?.search ?? fiancee.query());
    for (const name of KEPT) query.delete(name);
    for (const [name, value] of Object.entries(more)) query.set(name, value);
    return `${fiancee.home()}/?${query}`;
  };

  fiancee.restored = (tab) => {
    const left = (restoring.get(tab) ?? 1) - 1;
    if (left) restoring.set(tab, left);
    else restoring.delete(tab);
  };

  document.addEventListener("click", (event) => {
    const tab = event.target.closest?.("[role=tab]")?.dataset.tabId;
    if (!tab || !event.isTrusted || !addresses.has(tab)) return;
    shown = tab;
    if (!source()) show(addresses.get(tab), true);
  });

  window.addEventListener("popstate", () => {
    const tab = new URLSearchParams(location.search).get(NAME);
    const button = tab && document.getElementById(`${tab}-restore`);
    if (source() || !button) return;
    forget(tab);
    asleep.delete(tab);
    offered = null;
    fiancee.openTab(tab);
    button.click();
  });
})();
