// A file that is too large is refused before Gradio takes it: it would empty what stands there.
(() => {
  const fiancee = (window.fiancee ??= {});
  if (fiancee.tooLarge) return;
  const refused = { words: "" };

  fiancee.tooLarge = () => [refused.words];

  function refuse(event, files) {
    const file = [...(files ?? [])].find((one) => one.size > fiancee.mostBytes);
    const button = document.getElementById("too-large");
    if (!file || !button) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    refused.words = `${file.name} (${(file.size / 2 ** 20).toFixed(1)} MB)`;
    button.click();
  }

  document.addEventListener("change", (event) => {
    if (event.target.type !== "file") return;
    refuse(event, event.target.files);
    if (event.defaultPrevented) event.target.value = "";
  }, true);

  document.addEventListener("drop", (event) => {
    refuse(event, event.dataTransfer?.files);
    // The place must not go on waiting for it.
    if (event.defaultPrevented) event.target.dispatchEvent(new DragEvent("dragleave", { bubbles: true }));
  }, true);
})();
