// Snippets for other people's pages, with the address under which the visitor sees the demo.
(() => {
  const fiancee = (window.fiancee ??= {});

  fiancee.fillSnippets = (placeholder, ...snippets) => {
    const source = document.querySelector("gradio-app")?.getAttribute("src") ?? "";
    const address = new URL(source || location.pathname, location.origin);
    const plain = (address.origin + address.pathname).replace(/[/]+$/, "");
    return snippets.map((snippet) => snippet.replaceAll(placeholder, plain));
  };
})();
