// The search box proposes keys and values; the list stands still while rows are ticked.
const MOST = 12;

// The word that the cursor is in: its text, and where it begins and ends. Quotes keep spaces inside.
export function wordAt(text, place) {
  let start = 0;
  let quoted = false;
  for (let at = 0; at < place; at += 1) {
    if (text[at] === '"') quoted = !quoted;
    else if (text[at] === " " && !quoted) start = at + 1;
  }
  let end = place;
  while (end < text.length && text[end] !== " ") end += 1;
  return { start, end, word: text.slice(start, place) };
}

// What may stand in place of a word: pairs of the text to insert and what it means.
export function proposals(word, known) {
  const colon = word.indexOf(":");
  if (colon < 0) {
    return Object.entries(known.keys)
      .filter(([key]) => key.startsWith(word.toLowerCase()))
      .map(([key, means]) => ({ text: key.endsWith(".") ? key : `${key}:`, means, open: true }));
  }
  const key = word.slice(0, colon);
  const typed = word.slice(colon + 1).replaceAll('"', "");
  // Of several values with commas the last one is being written.
  const before = key === "state" ? typed.slice(0, typed.lastIndexOf(",") + 1) : "";
  const part = typed.slice(before.length).toLowerCase();
  return (known[key] || [])
    .filter((value) => value.toLowerCase().includes(part) && value.toLowerCase() !== part)
    .sort((one, other) => Number(other.toLowerCase().startsWith(part)) - Number(one.toLowerCase().startsWith(part)))
    .map((value) => ({ text: `${key}:${before}${/[\s"]/.test(value) ? JSON.stringify(value) : value}`, means: "", open: false }));
}

class Completion {
  constructor(box) {
    this.box = box;
    this.list = document.getElementById(box.dataset.list);
    this.known = JSON.parse(document.getElementById(box.dataset.completion).textContent);
    this.found = [];
    this.at = -1;
    box.setAttribute("role", "combobox");
    box.setAttribute("aria-autocomplete", "list");
    box.setAttribute("aria-controls", this.list.id);
    this.close();
    box.addEventListener("input", () => this.show());
    box.addEventListener("keydown", (event) => this.key(event));
    box.addEventListener("blur", () => this.close());
    // Before the box loses its focus.
    this.list.addEventListener("mousedown", (event) => {
      const item = event.target.closest("li");
      if (!item) return;
      event.preventDefault();
      this.take(Number(item.dataset.at));
    });
  }

  show() {
    const { word } = wordAt(this.box.value, this.box.selectionStart);
    this.found = proposals(word, this.known).slice(0, MOST);
    this.list.replaceChildren(...this.found.map((each, at) => {
      const item = document.createElement("li");
      item.id = `${this.list.id}-${at}`;
      item.dataset.at = String(at);
      item.setAttribute("role", "option");
      const name = document.createElement("span");
      name.className = "mono";
      name.textContent = each.text;
      item.append(name);
      if (each.means) {
        const means = document.createElement("span");
        means.className = "muted small-text";
        means.textContent = ` ${each.means}`;
        item.append(means);
      }
      return item;
    }));
    this.list.hidden = this.found.length === 0;
    this.box.setAttribute("aria-expanded", String(!this.list.hidden));
    this.choose(-1);
  }

  close() {
    this.list.hidden = true;
    this.box.setAttribute("aria-expanded", "false");
    this.choose(-1);
  }

  choose(at) {
    this.at = at;
    [...this.list.children].forEach((item, place) => item.setAttribute("aria-selected", String(place === at)));
    if (at < 0) this.box.removeAttribute("aria-activedescendant");
    else {
      this.box.setAttribute("aria-activedescendant", `${this.list.id}-${at}`);
      this.list.children[at].scrollIntoView({ block: "nearest" });
    }
  }

  key(event) {
    if (event.key === "Escape" && !this.list.hidden) {
      event.preventDefault();
      this.close();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (this.list.hidden) this.show();
      if (this.list.hidden) return;
      event.preventDefault();
      const many = this.found.length;
      this.choose(event.key === "ArrowDown" ? (this.at + 1) % many : (this.at <= 0 ? many : this.at) - 1);
    } else if ((event.key === "Enter" || event.key === "Tab") && this.at >= 0 && !this.list.hidden) {
      event.preventDefault();
      this.take(this.at);
    }
  }

  take(at) {
    const { start, end } = wordAt(this.box.value, this.box.selectionStart);
    const { text, open } = this.found[at];
    const written = open ? text : `${text} `;
    this.box.setRangeText(written, start, this.box.value[end] === " " && !open ? end + 1 : end, "end");
    this.close();
    if (open) this.show();
  }
}

const box = document.querySelector("input[data-completion]");
if (box) new Completion(box);

document.querySelector("select[data-submits]")?.addEventListener("change", (event) => event.target.form.requestSubmit());

// A refresh would untick what somebody is about to move, and close what is open.
const isUsed = (part) => part.id === "live" && part.querySelector("input[data-row]:checked, details[open], :focus-visible");
document.addEventListener("htmx:beforeRequest", (event) => {
  if (isUsed(event.target)) event.preventDefault();
});
// Nor may one that was asked for before somebody began.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (isUsed(event.detail.target)) event.detail.shouldSwap = false;
});
document.addEventListener("htmx:afterSwap", () => {
  document.querySelector("input[data-all-rows]")?.dispatchEvent(new Event("change", { bubbles: true }));
});
