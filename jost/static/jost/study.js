// Keeps runs side by side up to date while one of them is active.
import { drawAll } from "./plots.js";

const PAUSE = 2000;
const LONGEST_PAUSE = 15000;
const place = document.getElementById("study");
let pause = PAUSE;

async function look() {
  try {
    const answer = document.hidden ? null : await fetch(place.dataset.url, { signal: AbortSignal.timeout(10000) });
    if (answer) await swap(answer);
    pause = PAUSE;
  } catch {
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
  later();
}

async function swap(answer) {
  if (!answer.ok) throw new Error(answer.status);
  // To the login page: the session has ended.
  if (answer.redirected) return location.reload();
  const html = await answer.text();
  // Swapping under the reader's hands would lose the focus.
  if (place.contains(document.activeElement)) return;
  const open = new Set([...place.querySelectorAll("details[open]")].map((each) => each.dataset.name));
  place.innerHTML = html;
  for (const each of place.querySelectorAll("details")) each.open ||= open.has(each.dataset.name);
  await drawAll(place);
}

function later() {
  if (place.querySelector("[data-active]")?.dataset.active === "true") setTimeout(look, pause);
}

drawAll();
later();
