// The chain of exits: the budget is dragged along it, a click on an exit shows that one.
(() => {
  const fiancee = (window.fiancee ??= {});
  if (fiancee.chosenExit) return;

  const KEYS = { ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, PageUp: -5, PageDown: 5 };
  const chosen = { exit: 1 };
  let dragged = null; // the place that a hand holds, and its budget

  fiancee.chosenExit = (_, ...inputs) => [chosen.exit, ...inputs];

  // Gradio gives an element's classes to what is in it as well, but its id only once.
  const placeOf = (element) => element.closest?.("[id$='-routes']");
  const tabOf = (element) => placeOf(element)?.id.replace(/-routes$/, "");

  function scale(chain) {
    const places = JSON.parse(chain.dataset.places);
    return { places, step: +chain.dataset.step, digits: 3 };
  }

  const stepOf = (chain) => Math.round(+chain.dataset.budget / +chain.dataset.step);

  // The thumb moves at once; the server says what it takes.
  function show(chain, step) {
    const { places, step: size, digits } = scale(chain);
    const budget = (step * size).toFixed(digits);
    chain.dataset.budget = budget;
    const track = chain.querySelector(".track");
    track.setAttribute("aria-valuenow", budget);
    const thumb = chain.querySelector(".thumb");
    thumb.style.left = `${100 * places[step]}%`;
    thumb.firstElementChild.textContent = budget;
    return +budget;
  }

  function set(chain, step) {
    const last = scale(chain).places.length - 1;
    const wanted = Math.min(last, Math.max(0, step));
    if (wanted === stepOf(chain)) return;
    const budget = show(chain, wanted);
    const box = document.querySelector(`#${tabOf(chain)}-budget input[type=number]`);
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(box, budget);
    for (const kind of ["input", "change"]) box.dispatchEvent(new Event(kind, { bubbles: true }));
  }

  function nearest(chain, clientX) {
    const { left, width } = chain.querySelector(".track").getBoundingClientRect();
    const share = (clientX - left) / width;
    const far = scale(chain).places.map((place) => Math.abs(place - share));
    return far.indexOf(Math.min(...far));
  }

  document.addEventListener("pointerdown", (event) => {
    const track = event.button === 0 && event.target.closest?.(".chain .track");
    if (!track) return;
    event.preventDefault();
    track.focus();
    dragged = placeOf(track);
    set(dragged.querySelector(".chain"), nearest(dragged.querySelector(".chain"), event.clientX));
  });
  document.addEventListener("pointermove", (event) => {
    const chain = dragged?.querySelector(".chain");
    if (chain) set(chain, nearest(chain, event.clientX));
  });
  for (const end of ["pointerup", "pointercancel"])
    document.addEventListener(end, () => { dragged = null; });

  document.addEventListener("keydown", (event) => {
    const chain = event.target.closest?.(".chain .track")?.closest(".chain");
    if (!chain || event.ctrlKey || event.altKey || event.metaKey) return;
    const last = scale(chain).places.length - 1;
    const ends = { Home: last, End: 0 };
    // To the right is deeper, a smaller budget; up is more, as everywhere.
    const step = event.key in ends ? ends[event.key] : stepOf(chain) - KEYS[event.key];
    if (Number.isNaN(step)) return;
    event.preventDefault();
    set(chain, step);
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".chain button[data-exit]");
    if (!button) return;
    chosen.exit = +button.dataset.exit;
    document.getElementById(`${tabOf(button)}-exit`)?.click();
  });

  // What came out is said once, in a place that stays.
  function tell() {
    const chain = [...document.querySelectorAll(".chain[data-said]")].find((one) => one.checkVisibility());
    const page = chain?.closest(".fiancee");
    if (!page) return;
    let place = page.querySelector(":scope > .said");
    if (!place) {
      place = document.createElement("p");
      place.className = "said unseen";
      place.setAttribute("role", "status");
      page.append(place);
    }
    if (place.textContent !== chain.dataset.said) place.textContent = chain.dataset.said;
  }

  // Every answer of the server draws the chain anew; whoever was on it stays there.
  let focused = null;
  document.addEventListener("focusin", (event) => {
    const place = placeOf(event.target);
    const exit = event.target.dataset?.exit;
    focused = place ? { place, at: exit ? `button[data-exit="${exit}"]` : ".track" } : null;
  });
  new MutationObserver(() => {
    tell();
    if (focused && document.activeElement === document.body)
      focused.place.querySelector(focused.at)?.focus({ preventScroll: true });
  }).observe(document, { subtree: true, childList: true });
})();
