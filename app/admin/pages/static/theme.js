// Light or dark as chosen here, before anything is drawn; else as the system has it.
(() => {
  try {
    const chosen = localStorage.getItem("pannier-theme");
    if (chosen === "light" || chosen === "dark") {
      document.documentElement.dataset.theme = chosen;
    }
  } catch {
    // Nothing can be kept here: the system's choice it is.
  }
})();
