// Tells the parts of the page that fetch themselves when something may have changed.
const PAUSE = 3000;

export function startLive() {
  setInterval(() => {
    if (!document.hidden && document.querySelector("[hx-trigger^='holdfast:tick']") && !document.querySelector("dialog[open]")) {
      document.body.dispatchEvent(new CustomEvent("holdfast:tick"));
    }
  }, PAUSE);
}
