// The page is built piece by piece; it is shown once it has come to rest, so that nothing jumps.
(() => {
  const fiancee = (window.fiancee ??= {});
  const READY = "fiancee-ready";
  const REST = 250; // milliseconds without a change of size
  const MOST = 4000; // and then it is shown as it is
  const root = document.documentElement;
  if (root.classList.contains(READY)) return;
  let height = 0;
  let since = 0;
  let begun = 0;

  function look(now) {
    const page = document.querySelector(".fiancee");
    if (page) {
      if (!begun) fiancee.dressView?.(page);
      begun ||= now;
      const seen = page.offsetHeight;
      if (seen !== height) [height, since] = [seen, now];
      const built = page.querySelector(".label-map canvas, .photo, .missing-tab");
      if ((built && now - since > REST) || now - begun > MOST) return root.classList.add(READY);
    }
    requestAnimationFrame(look);
  }
  requestAnimationFrame(look);
  setTimeout(() => root.classList.add(READY), 5 * MOST);
})();
