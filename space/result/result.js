// What a result's buttons and marks do without the server.
(() => {
  const fiancee = (window.fiancee ??= {});

  // The result may be far from the button that asked for it, on a phone most of all.
  fiancee.show = (id) => {
    const part = document.getElementById(id);
    if (!part) return;
    const { top, height } = part.getBoundingClientRect();
    const seen = Math.min(innerHeight, top + height) - Math.max(0, top);
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (seen < Math.min(height, innerHeight) / 2)
      part.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "nearest" });
  };

  fiancee.save = (file) => {
    const link = document.createElement("a");
    link.href = file.address;
    link.download = file.name;
    document.body.append(link);
    link.click();
    link.remove();
  };

  fiancee.outdated = (mark) => mark;
})();
