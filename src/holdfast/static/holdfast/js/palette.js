// Ctrl K finds a page or a job; g and a letter goes to a page; / searches; ? shows all keys.
const dialog = () => document.getElementById("palette");

function pages() {
  return [...document.querySelectorAll(".menu nav a")].map((link) => ({
    text: link.firstChild.nextSibling?.textContent.trim() || link.textContent.trim(), url: link.href, key: link.dataset.key,
  }));
}

function found(text) {
  const root = document.body.dataset.root;
  const low = text.trim().toLowerCase();
  const list = pages().filter((page) => page.text.toLowerCase().includes(low));
  if (/^[0-9a-f]{8}(-[0-9a-f]{0,4}){0,3}(-[0-9a-f]{0,12})?$/.test(low) && low.length === 36) {
    list.unshift({ text: `→ ${low}`, url: `${root}jobs/${low}/` });
  }
  if (low) list.push({ text: `⌕ ${text.trim()}`, url: `${root}jobs/?q=${encodeURIComponent(text.trim())}` });
  return list.slice(0, 12);
}

function show(text) {
  const list = document.getElementById("palette-list");
  list.replaceChildren(...found(text).map((each, at) => {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = each.url;
    link.textContent = each.text;
    item.setAttribute("role", "none");
    link.id = `palette-${at}`;
    link.tabIndex = -1;
    link.setAttribute("role", "option");
    link.setAttribute("aria-selected", String(at === 0));
    item.append(link);
    return item;
  }));
  document.getElementById("palette-text").setAttribute("aria-activedescendant", "palette-0");
}

function move(by) {
  const items = [...document.querySelectorAll("#palette-list a")];
  const now = items.findIndex((item) => item.getAttribute("aria-selected") === "true");
  const next = Math.max(0, Math.min(items.length - 1, now + by));
  items.forEach((item, at) => item.setAttribute("aria-selected", String(at === next)));
  document.getElementById("palette-text").setAttribute("aria-activedescendant", `palette-${next}`);
  items[next]?.scrollIntoView({ block: "nearest" });
}

function open() {
  const box = document.getElementById("palette-text");
  box.value = "";
  show("");
  dialog().showModal();
  box.focus();
}

export function startPalette() {
  const box = document.getElementById("palette-text");
  if (!box) return;
  box.addEventListener("input", () => show(box.value));
  box.form.addEventListener("submit", (event) => {
    event.preventDefault();
    document.querySelector("#palette-list a[aria-selected=true]")?.click();
  });
  box.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      move(event.key === "ArrowDown" ? 1 : -1);
    }
  });
  for (const button of document.querySelectorAll("[data-open=palette]")) button.addEventListener("click", open);
  let going = 0;
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, [contenteditable], dialog[open]")) return;
    if (going && Date.now() - going < 1500) {
      going = 0;
      const page = pages().find((each) => each.key === event.key);
      if (page) location.href = page.url;
      return;
    }
    if (event.key === "g") going = Date.now();
    else if (event.key === "?") document.getElementById("keys").showModal();
    else if (event.key === "t") document.querySelector("[data-theme-switch]")?.click();
    else if (event.key === "/") {
      const search = document.querySelector("main input[type=search]");
      if (search) { event.preventDefault(); search.focus(); search.select(); } else { event.preventDefault(); open(); }
    }
  });
}
