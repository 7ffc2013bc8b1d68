// <time datetime> in the viewer's zone and language, with how long ago it was; kept true as time passes.
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "2-digit", day: "2-digit" });
const relative = new Intl.RelativeTimeFormat(document.documentElement.lang || undefined, { numeric: "always", style: "short" });
const STEPS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function ago(moment, now) {
  const seconds = Math.round((moment - now) / 1000);
  for (const [unit, size] of STEPS) {
    if (Math.abs(seconds) >= size || unit === "second") return relative.format(Math.trunc(seconds / size), unit);
  }
  return "";
}

export function tell(root = document) {
  const now = new Date();
  for (const element of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    const far = Math.abs(moment - now) > 20 * 3600 * 1000;
    const text = `${far ? `${day.format(moment)} ` : ""}${clock.format(moment)}`;
    const said = `${text} · ${ago(moment, now)}`;
    if (element.textContent !== said) element.textContent = said;
  }
}

export function startMoments() {
  tell();
  document.body.addEventListener("htmx:afterSwap", () => tell());
  setInterval(() => { if (!document.hidden) tell(); }, 5000);
  document.addEventListener("visibilitychange", () => tell());
}
