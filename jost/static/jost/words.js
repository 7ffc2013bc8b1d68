// How numbers are written on the pages of simulations; templatetags/simulation_tags.py writes them the same.
const THIN = "\u202f";

export const grouped = (number) => number.toLocaleString("en").replaceAll(",", THIN);
export const dash = (value, show) => (value === null || value === undefined ? "–" : show(value));
export const signed = (text) => text.replace("-", "−");

export function percent(value, digits, { sign = true } = {}) {
  const text = Math.abs(value * 100).toFixed(digits) + THIN + "%";
  if (!sign) return text;
  return (value < 0 ? "−" : "+") + text;
}

export function duration(seconds) {
  if (seconds < 60) return seconds.toFixed(1) + THIN + "s";
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}${THIN}min ${Math.floor(seconds % 60)}${THIN}s`;
  return `${Math.floor(minutes / 60)}${THIN}h ${minutes % 60}${THIN}min`;
}

export function short(number) {
  for (const [size, letter] of [[1e9, "B"], [1e6, "M"], [1e3, "k"]]) {
    if (Math.abs(number) >= size) return signed(`${+(number / size).toPrecision(3)}`) + THIN + letter;
  }
  return signed(String(+number.toPrecision(3)));
}

export function byUnit(value, unit) {
  if (unit === "percent") return percent(value, 4);
  if (unit === "share") return percent(value, 3, { sign: false });
  if (unit === "count") return (value > 0 ? "+" : "") + signed(String(value));
  return Number.isInteger(value) ? signed(grouped(value)) : signed(value.toFixed(2));
}

// On an axis, as short as the step between its marks allows.
export function shortByUnit(value, unit, ticks) {
  if (value == null) return "";
  if (unit === "count") return (value > 0 ? "+" : "") + signed(String(+value.toFixed(6)));
  if (unit !== "percent" && unit !== "share") return short(+value.toFixed(9));
  const step = ticks.length > 1 ? Math.abs(ticks[1] - ticks[0]) * 100 : 1;
  const digits = Math.min(6, Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)));
  return signed((value * 100).toFixed(digits)) + THIN + "%";
}
