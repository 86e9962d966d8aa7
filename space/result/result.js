// What a result's buttons and marks do without the server.
(() => {
  const fiancee = (window.fiancee ??= {});

  // On a phone the result may be far from the button that asked for it.
  fiancee.show = (id) => {
    if (matchMedia("(max-width: 767px)").matches)
      document.getElementById(id)?.scrollIntoView({ behavior: "smooth" });
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
