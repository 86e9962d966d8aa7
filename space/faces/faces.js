// What the faces screen does without the server.
(() => {
  const fiancee = (window.fiancee ??= {});
  const timers = new Map();

  // Once the hand has rested, full depth follows.
  fiancee.settle = (tab, milliseconds) => {
    clearTimeout(timers.get(tab));
    timers.set(tab, setTimeout(() => document.getElementById(`${tab}-settle`)?.click(), milliseconds));
  };

  fiancee.forget = () => "";

  // Tabs in which source, clip, driving or budget have changed since the making of a clip began.
  const changed = new Set();
  fiancee.clipBegun = (tab, ...inputs) => {
    changed.delete(tab);
    return inputs;
  };
  fiancee.outdatedClip = (tab, mark) => {
    changed.add(tab);
    return document.querySelector(`#${tab}-clip video`) ? mark : "";
  };
  fiancee.clipMade = (tab, mark) => (changed.has(tab) ? mark : "");

  // A link's field.
  fiancee.drivingOf = (tab) => {
    const chosen = document.querySelector(`#${tab}-driving input:checked`)?.value.toLowerCase();
    return chosen === "absolute" ? { driving: chosen } : {};
  };

  fiancee.saveClip = (link) => {
    link.href = link.closest("figure").querySelector("video").src;
  };
})();
