// Keeps the list of simulations up to date while one of them is active.
const PAUSE = 1500;
const LONGEST_PAUSE = 15000;

const rows = document.getElementById("rows");
let pause = PAUSE;

async function refresh() {
  if (document.hidden) return schedule();
  try {
    const answer = await fetch(rows.dataset.rows, { signal: AbortSignal.timeout(10000) });
    if (!answer.ok) throw new Error(answer.status);
    // To the login page: the session has ended.
    if (answer.redirected) return location.reload();
    const html = await answer.text();
    pause = PAUSE;
    // Swapping under the reader's hands would lose the focus.
    if (!rows.contains(document.activeElement) && !rows.querySelector(":checked")) rows.innerHTML = html;
  } catch {
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
  schedule();
}

function schedule() {
  const list = rows.querySelector("[data-active]");
  if (list?.dataset.active === "true") setTimeout(refresh, pause);
}

schedule();
