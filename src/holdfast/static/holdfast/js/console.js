// What every page has: moments in the viewer's zone, theme, menu, questions before actions, keys and the palette.
import { startMoments } from "./moments.js";
import { startPalette } from "./palette.js";
import { startLive } from "./live.js";
import { startCharts } from "./charts.js";

function startTheme() {
  const button = document.querySelector("[data-theme-switch]");
  if (!button) return;
  const names = ["system", "light", "dark"];
  const labels = button.dataset.labels.split("|");
  const say = () => { button.textContent = labels[names.indexOf(document.documentElement.dataset.theme || "system")]; };
  button.addEventListener("click", () => {
    const next = names[(names.indexOf(document.documentElement.dataset.theme || "system") + 1) % 3];
    if (next === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try { localStorage.setItem("holdfast-theme", next); } catch { /* for this page only */ }
    document.dispatchEvent(new CustomEvent("holdfast:theme"));
    say();
  });
  say();
}

function startMenu() {
  const button = document.querySelector(".menu-button");
  button?.addEventListener("click", () => {
    const open = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", String(open));
    document.getElementById("menu").classList.toggle("open", open);
  });
}

// A form with data-confirm is sent only after its question was answered.
function startQuestions() {
  const dialog = document.getElementById("confirm");
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const question = event.submitter?.dataset.confirm || form.dataset.confirm;
    if (!question || form.dataset.confirmed) return;
    event.preventDefault();
    document.getElementById("confirm-text").textContent = question;
    dialog.returnValue = "no";
    dialog.addEventListener("close", () => {
      if (dialog.returnValue !== "yes") return;
      form.dataset.confirmed = "yes";
      form.requestSubmit(event.submitter);
      // The next press is asked about anew: the browser may come back to this page.
      delete form.dataset.confirmed;
    }, { once: true });
    dialog.showModal();
  });
}

// A box that is ticked for all rows, and what may only be pressed when some row is ticked.
function startTicks() {
  const update = (form) => {
    const some = form.querySelectorAll("input[data-row]:checked").length;
    for (const button of form.querySelectorAll("[data-needs-rows]")) button.disabled = some === 0;
    for (const place of form.querySelectorAll("[data-rows-count]")) place.textContent = String(some);
  };
  document.addEventListener("change", (event) => {
    const box = event.target;
    if (!(box instanceof HTMLInputElement) || !box.form) return;
    if (box.matches("[data-all-rows]")) {
      for (const row of box.form.querySelectorAll("input[data-row]")) row.checked = box.checked;
    }
    if (box.matches("[data-all-rows], [data-row]")) update(box.form);
  });
  for (const form of document.querySelectorAll("form:has(input[data-row])")) update(form);
}

startTheme();
startMenu();
startQuestions();
startTicks();
startMoments();
startPalette();
startCharts();
startLive();
