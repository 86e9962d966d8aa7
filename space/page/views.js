// ?view=compact and ?view=figure: parts of the page for a frame in somebody else's text.
(() => {
  const fiancee = (window.fiancee ??= {});
  if (fiancee.view) return;

  const VIEWS = ["compact", "figure"];

  // The view that the address asks for; empty for the whole page.
  fiancee.view = () => {
    const asked = new URLSearchParams(fiancee.query()).get("view");
    return VIEWS.includes(asked) ? asked : "";
  };

  // Before it is shown: the element around the page stays when Gradio draws it anew.
  fiancee.dressView = (page) => {
    const view = fiancee.view();
    if (view) page.closest("gradio-app")?.classList.add("fiancee-view", `fiancee-${view}`);
  };

  // The way from a view to the whole page, with what is shown.
  function aim(event) {
    const link = event.target.closest?.(".whole-page a");
    if (link) link.href = fiancee.addressOf({});
  }
  for (const kind of ["pointerdown", "focusin"]) document.addEventListener(kind, aim);
})();
