// One stop of the tab key for a group of buttons; the arrow keys go from one to the next in it.
(() => {
  const fiancee = (window.fiancee ??= {});
  if (fiancee.tidyStops) return;

  const STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };
  const ENDS = { Home: 0, End: -1 };

  // Where they are, which parts take turns, and what they are for those who hear the page.
  const GROUPS = [
    { at: "#tabs > .tab-wrapper [role=tablist]", items: "[role=tab]" },
    { at: ".examples .grid-container", items: "button.thumbnail-item", role: "toolbar", name: "Examples" },
    { at: ".label-map .icon-button-wrapper", items: "button, [role=button]", role: "toolbar", name: "View and history of the map" },
    { at: ".label-map .toolbar-wrap", items: "button", role: "toolbar", name: "Brush and eraser" },
    { at: ".map-tools", items: "button" },
    { at: "fieldset:has(input[type=radio]) > .wrap:not(.default)", items: "input[type=radio]", radios: true },
    { at: ".photo .icon-button-wrapper", items: "button", role: "toolbar", name: "Photograph" },
    { at: ".photo .source-selection", items: "button", role: "toolbar", name: "Ways to bring a photograph" },
    { at: ".pictures .icon-button-wrapper", items: "button", role: "toolbar", name: "Pictures" },
    { at: ".chain ol", items: "button[data-exit]" },
  ];

  const CHOSEN = "[aria-selected=true], [aria-pressed=true], .selected, :checked";
  const within = (selector) => `.fiancee ${selector}`;
  const groupOf = (element) => GROUPS.find((one) => element.closest?.(within(one.at)));
  const usable = (item) => !item.disabled && item.checkVisibility();
  const itemsOf = (place, group) => [...place.querySelectorAll(group.items)].filter(usable);

  function tidy(place, group) {
    const items = itemsOf(place, group);
    const stop = items.find((one) => one === document.activeElement)
      ?? items.find((one) => one.matches(CHOSEN)) ?? items.find((one) => one.tabIndex === 0) ?? items[0];
    for (const one of items) {
      const index = one === stop ? 0 : -1;
      if (one.getAttribute("tabindex") !== String(index)) one.tabIndex = index;
    }
    if (!group.role || place.getAttribute("role")) return;
    place.setAttribute("role", group.role);
    place.setAttribute("aria-label", group.name);
  }

  fiancee.tidyStops = () => {
    for (const group of GROUPS)
      for (const place of document.querySelectorAll(within(group.at))) tidy(place, group);
  };

  document.addEventListener("keydown", (event) => {
    const group = !event.ctrlKey && !event.altKey && !event.metaKey && groupOf(event.target);
    const place = group && event.target.closest(within(group.at));
    const items = place ? itemsOf(place, group) : [];
    const now = items.indexOf(event.target);
    if (now < 0 || !(event.key in STEPS || event.key in ENDS)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const next = items.at(event.key in ENDS ? ENDS[event.key] : (now + STEPS[event.key]) % items.length);
    next.focus();
    if (group.radios) next.click(); // as a browser's own
  }, true);

  document.addEventListener("focusin", (event) => {
    const group = groupOf(event.target);
    if (group) tidy(event.target.closest(within(group.at)), group);
  });

  // Gradio draws parts anew at any time.
  let waiting = 0;
  const later = () => { waiting ||= requestAnimationFrame(() => { waiting = 0; fiancee.tidyStops(); }); };
  new MutationObserver(later).observe(document, {
    subtree: true,
    childList: true,
    attributeFilter: ["disabled", "aria-selected", "aria-pressed", "open"],
  });
})();
