// Snippets for other people's pages: with the demo's address, what is shown now, and a view of it.
(() => {
  const fiancee = (window.fiancee ??= {});
  if (fiancee.fillSnippets) return;

  const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;");

  // As Python's str.format, with names only.
  const filled = (template, values) => template.replace(/\{(\w+)\}/g, (_, name) => values[name]);

  fiancee.fillSnippets = () => {
    const place = document.getElementById("embed-snippets");
    const chosen = place?.querySelector("input:checked");
    if (!chosen) return;
    const view = chosen.value ? { view: chosen.value } : {};
    for (const part of place.querySelectorAll("[data-template]")) {
      const theme = part.id === "embed-frame" ? { __theme: "light" } : {};
      const query = new URL(fiancee.addressOf({ ...view, ...theme })).search;
      const values = { ...chosen.dataset, address: fiancee.home(), query: escaped(query) };
      part.querySelector("code").textContent = filled(part.dataset.template, values);
    }
  };

  // Whoever comes to read them sees those of what was last on the page.
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[role=tab][data-tab-id=method]")) setTimeout(fiancee.fillSnippets, fiancee.PAUSE);
  });
  document.addEventListener("change", (event) => {
    if (event.target.closest?.("#embed-snippets")) fiancee.fillSnippets();
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.(".snippet button[data-copy]");
    if (!button) return;
    const code = button.closest(".snippet").querySelector("code");
    const done = await fiancee.copied(code.textContent);
    if (!done) getSelection().selectAllChildren(code);
    button.textContent = done ? "Copied" : "Selected: copy it";
    setTimeout(() => { button.textContent = "Copy"; }, 3000);
  });
})();
