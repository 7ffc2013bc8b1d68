// The form of a new simulation: a casino's game fills in its rules, and a ramp is written by its steps.
const form = document.getElementById("start");
const presets = JSON.parse(document.getElementById("presets")?.textContent ?? "{}");

// What is wrong may be below the fold.
document.querySelector("[aria-invalid=true]")?.focus();

for (const picks of document.querySelectorAll("[data-picks]")) {
  picks.hidden = false;
  picks.addEventListener("click", (event) => {
    if (event.target.value) document.getElementById(picks.dataset.picks).value = event.target.value;
  });
}

const preset = document.getElementById("preset");
for (const button of document.querySelectorAll("[data-needless]")) button.hidden = true;
preset?.addEventListener("change", () => {
  const chosen = preset.selectedOptions[0];
  for (const [name, value] of Object.entries(presets[preset.value] ?? {})) fill(name, value);
  document.getElementById("preset-sentence").textContent = chosen.dataset.sentence ?? "";
});
// What is changed by hand is no longer that game.
form?.addEventListener("change", (event) => {
  if (preset?.value && event.target !== preset && event.target.name in presets[preset.value]) preset.value = "";
});

function fill(name, value) {
  for (const field of form.querySelectorAll(`[name="${name}"]`)) {
    if (field.type === "radio") field.checked = field.value === String(value);
    else if (field.type === "checkbox") field.checked = Boolean(value);
    else field.value = value;
  }
}

// -- the steps of a ramp --------------------------------------------------------------------------------------------

function stepsOf(text) {
  return [...text.matchAll(/([+-]?\d+)\s*:\s*(\d+(?:\.\d+)?)/g)].map(([, count, units]) => [count, units]);
}

function makeSteps(field) {
  const steps = document.createElement("div");
  steps.className = "ramp-steps";
  const list = document.createElement("ol");
  const add = document.createElement("button");
  add.type = "button";
  add.className = "button small";
  add.textContent = "Add a step";
  add.addEventListener("click", () => {
    const last = stepsOf(field.value).at(-1) ?? ["-1", "1"];
    append(list, field, [String(Number(last[0]) + 1), last[1]]);
    write(list, field);
    list.lastElementChild.querySelector("input").focus();
  });
  for (const step of stepsOf(field.value)) append(list, field, step);
  steps.append(list, add);
  field.hidden = true;
  field.after(steps);
}

function append(list, field, [count, units]) {
  const item = document.createElement("li");
  item.append(input("from a count of", count, "1"), input("units", units, "any"));
  const away = document.createElement("button");
  away.type = "button";
  away.className = "button small";
  away.setAttribute("aria-label", "Take this step away");
  away.textContent = "×";
  away.addEventListener("click", () => {
    item.remove();
    write(list, field);
  });
  item.append(away);
  item.addEventListener("input", () => write(list, field));
  list.append(item);
}

function input(words, value, step) {
  const label = document.createElement("label");
  const box = document.createElement("input");
  Object.assign(box, { type: "number", value, step });
  label.append(words, box);
  return label;
}

function write(list, field) {
  const steps = [...list.children].map((item) => [...item.querySelectorAll("input")].map((box) => box.value));
  field.value = steps.filter(([count, units]) => count && units).map((step) => step.join(":")).join(", ");
}

for (const field of document.querySelectorAll("input[name=ramp]")) if (!field.hasAttribute("aria-invalid")) makeSteps(field);

// -- a sweep's key brings values to begin with ----------------------------------------------------------------------

const sweeps = document.getElementById("sweeps");
document.getElementById("id_key")?.addEventListener("change", (event) => {
  document.getElementById("id_values").value = JSON.parse(sweeps.textContent)[event.target.value];
});
