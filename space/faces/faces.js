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

  // A clip that stands is the one of another source, driver or budget.
  fiancee.outdatedClip = (tab, mark) => (document.querySelector(`#${tab}-clip video`) ? mark : "");

  fiancee.saveClip = (link) => {
    link.href = link.closest("figure").querySelector("video").src;
  };
})();
