// The hours over the strips of the next day, on the viewer's clock; without scripts they are UTC.
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

function tell() {
  for (const place of document.querySelectorAll("[data-hour]")) {
    const moment = new Date(place.dataset.hour);
    if (!Number.isNaN(moment.getTime())) place.textContent = clock.format(moment);
  }
}

tell();
document.body.addEventListener("htmx:afterSwap", tell);
