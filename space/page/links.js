// Links that bring a state back, and the tab that a link opens.
(() => {
  const fiancee = (window.fiancee ??= {});

  // In a foreign page the element says where the demo is, on its own page the address bar does.
  const source = () => document.querySelector("gradio-app")?.getAttribute("src") ?? "";

  fiancee.query = () => new URL(source() || location.href, location.href).search;

  // The inputs stay what they are, after the query.
  fiancee.withQuery = (_, ...inputs) => [fiancee.query(), ...inputs];

  fiancee.openTab = (name) => {
    if (name) document.querySelector(`[role=tab][data-tab-id="${name}"]`)?.click();
  };

  async function copied(address) {
    return navigator.clipboard?.writeText(address).then(() => true, () => false);
  }

  // Values by the names of a link's fields; those that are empty or do not count now are left out.
  fiancee.copyLink = async (tab, names, modes, words, ...values) => {
    const mode = values[names.length];
    const counts = (name, value) => {
      const ofMode = Object.values(modes).some((fields) => fields.includes(name));
      return ofMode ? value && modes[mode]?.includes(name) : value || value === 0;
    };
    const state = names.map((name, number) => [name, values[number]]);
    const link = new URL(source() || location.pathname, location.href);
    link.search = new URLSearchParams([["tab", tab], ...state.filter((one) => counts(...one))]);
    if (!source()) history.replaceState(null, "", link);
    const said = document.createElement("p");
    const anchor = document.createElement("a");
    said.setAttribute("role", "status");
    anchor.href = anchor.textContent = link.href;
    said.append((await copied(link.href)) ? "Copied: " : "Copy this link: ", anchor, document.createElement("br"), words);
    return said.outerHTML;
  };
})();
