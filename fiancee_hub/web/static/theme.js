// Light or dark: as the page around.

/** "light" or "dark", by the colour that an element stands on. */
export function themeAround(element) {
  for (let one = element.parentElement; one; one = one.parentElement ?? one.getRootNode().host) {
    const parts = getComputedStyle(one).backgroundColor.match(/[\d.]+/g)?.map(Number);
    if (!parts || parts.length < 3 || parts[3] < 0.5) continue;
    const [red, green, blue] = parts;
    return 0.299 * red + 0.587 * green + 0.114 * blue < 128 ? "dark" : "light";
  }
  // Nothing has a colour: the browser's own, which follows the page's color-scheme.
  const schemes = getComputedStyle(element).colorScheme;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  return /dark/.test(schemes) && (dark || !/light/.test(schemes)) ? "dark" : "light";
}

/** Calls back now and whenever the page's colours may have changed; gives what ends that. */
export function watchTheme(element, tell) {
  const look = () => tell(themeAround(element));
  const media = matchMedia("(prefers-color-scheme: dark)");
  const observer = new MutationObserver(() => setTimeout(look));
  observer.observe(document.documentElement, { attributes: true });
  observer.observe(document.body, { attributes: true });
  media.addEventListener("change", look);
  look();
  return () => {
    observer.disconnect();
    media.removeEventListener("change", look);
  };
}
