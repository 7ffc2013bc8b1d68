// The page of one job: says when it has moved on, and shows what an edit changes before it is sent.
function watchToken() {
  const live = () => document.getElementById("live");
  const seen = live()?.dataset.token;
  if (seen === undefined) return;
  document.body.addEventListener("htmx:afterSwap", () => {
    const note = live()?.querySelector("[data-moved]");
    if (note && live().dataset.token !== seen) note.hidden = false;
  });
}

// Lines that both have in the same order stay; a longest common run of them is enough for what a person has typed.
function difference(before, after) {
  const [a, b] = [before.split("\n"), after.split("\n")];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  return { gone: a.slice(start, a.length - end), come: b.slice(start, b.length - end) };
}

function showChanges() {
  const fields = document.querySelectorAll("textarea[data-before]");
  const place = document.querySelector("[data-difference]");
  if (!place) return;
  const before = new Map([...fields].map((field) => [field, field.defaultValue]));
  const update = () => {
    place.replaceChildren();
    for (const [field, was] of before) {
      const { gone, come } = difference(was, field.value);
      for (const [kind, sign, lines] of [["del", "-", gone], ["ins", "+", come]]) {
        for (const line of lines) {
          const part = document.createElement(kind);
          part.textContent = `${sign} ${field.name}: ${line}`;
          place.append(part);
        }
      }
    }
    document.querySelector("[data-changes]").hidden = place.childElementCount === 0;
  };
  for (const field of fields) field.addEventListener("input", update);
  update();
}

watchToken();
showChanges();
