// Before anything is painted: that scripts run, and the theme that was chosen here, if one was.
(() => {
  document.documentElement.dataset.scripts = "";
  try {
    const chosen = localStorage.getItem("holdfast-theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch { /* storage is closed: the system's theme stays */ }
})();
