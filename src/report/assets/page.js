// The page's data, choices and buttons. Charts are in charts.js; this file knows none of them.
"use strict";

const page = JSON.parse(document.getElementById("data").textContent);

// Okabe and Ito's colours for arms, grey for what they are compared with; two of Tol's for groups of firms.
// An arm and a group have one colour everywhere.
const KNOWN_ARMS = { reference: "#0072B2", factual: "#0072B2", tightening: "#D55E00", easing: "#009E73" };
const MORE_ARMS = ["#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#8C6D31", "#117733", "#A63603", "#3B3B98"];
const TWIN_ARM = "#666666";
const GROUPS = { constrained: "#882255", unconstrained: "#2A9D8F", "": "#666666" };

const colours = new Map();
{
  let next = 0;
  for (const arm of page.arms.treated) {
    colours.set(arm, KNOWN_ARMS[arm] ?? MORE_ARMS[next++ % MORE_ARMS.length]);
  }
  for (const arm of page.arms.counterfactual) colours.set(arm, TWIN_ARM);
}
const colourOf = (arm) => colours.get(arm) ?? TWIN_ARM;
const groupColour = (group) => GROUPS[group] ?? GROUPS[""];

// --- tables -------------------------------------------------------------------------------------------------------

const figures = new Map(Object.entries(page.figures));

/** The rows of a figure's table as objects. */
function rowsOf(key) {
  const figure = figures.get(key);
  if (figure.rows) return figure.rows;
  const columns = figure.columns;
  const count = columns.length ? (columns[0].numbers ?? columns[0].codes).length : 0;
  figure.rows = Array.from({ length: count }, (_, row) => {
    const object = {};
    for (const column of columns) {
      if (column.numbers) object[column.name] = column.numbers[row];
      else object[column.name] = column.codes[row] === null ? null : column.texts[column.codes[row]];
    }
    return object;
  });
  return figure.rows;
}

const unique = (list) => [...new Set(list)];

/** A cell of a CSV file; text that a spreadsheet could take for a formula gets a quote in front. */
function cell(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "";
  if (typeof value === "number") return String(value);
  const safe = /^'*[=+\-@\t\r]/.test(value) ? "'" + value : value;
  return /[",\n\r]/.test(safe) ? '"' + safe.replaceAll('"', '""') + '"' : safe;
}

function csvOf(key) {
  const figure = figures.get(key);
  const rows = figure.shown ?? rowsOf(key);
  const names = figure.columns.length ? figure.columns.map((c) => c.name) : Object.keys(rows[0] ?? {});
  return [names, ...rows.map((row) => names.map((name) => row[name]))]
    .map((line) => line.map(cell).join(",") + "\n").join("");
}

// --- words --------------------------------------------------------------------------------------------------------

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `2027-03` as a date; also `2027`, `2027-Q3` (its end). */
function dateOf(text) {
  const quarter = /^(\d{4})-?Q([1-4])/.exec(text);
  if (quarter) return new Date(Date.UTC(+quarter[1], +quarter[2] * 3 - 1, 15));
  const month = /^(\d{4})(?:-(\d{2}))?/.exec(text);
  return month ? new Date(Date.UTC(+month[1], month[2] ? +month[2] - 1 : 11, 15)) : new Date(NaN);
}

function monthName(text) {
  const month = /^(\d{4})-(\d{2})$/.exec(text ?? "");
  return month ? `${MONTHS[+month[2] - 1]} ${month[1]}` : String(text ?? "");
}

const minus = (text) => text.replace(/-/g, "\u2212");

/** A number with three digits that count. */
function plain(x) {
  if (x === null || x === undefined || !Number.isFinite(x)) return "\u2013";
  if (x === 0) return "0";
  const size = Math.abs(x);
  const [value, suffix] = size >= 1e12 ? [x / 1e12, " tn"] : size >= 1e9 ? [x / 1e9, " bn"]
    : size >= 1e6 ? [x / 1e6, " m"] : size >= 1e4 ? [x / 1e3, " k"] : [x, ""];
  const text = Math.abs(value) < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
  return minus(text) + suffix;
}

/** A value with its unit; shares as per cent, differences of shares as percentage points. */
function said(x, unit, difference) {
  if (x === null || x === undefined || !Number.isFinite(x)) return "\u2013";
  const sign = difference && x > 0 ? "+" : "";
  if (unit === "share") return sign + plain(100 * x) + (difference ? " pp" : " %");
  return sign + plain(x) + (unit && unit !== "ratio" && unit !== "1" ? " " + unit : "");
}

const scaleOf = (unit) => (unit === "share" ? 100 : 1);
const axisUnit = (unit, difference) => unit === "share" ? (difference ? "percentage points" : "%") : unit;

// --- choices ------------------------------------------------------------------------------------------------------

const choice = { arms: new Set(), firms: new Set(), horizon: null, study: null, own: {} };
const effectsKey = [...figures.keys()].find((key) => figures.get(key).kind === "effects");
const everyMonth = unique([...figures.keys()].flatMap((key) => {
  const column = figures.get(key).columns.find((c) => c.name === "month");
  return column ? column.texts : [];
})).sort();
choice.horizon = everyMonth.at(-1) ?? null;

const firms = [];
for (const figure of figures.values()) {
  for (const firm of figure.more?.firms ?? []) {
    if (!firms.some((known) => known.id === firm.id)) firms.push(firm);
  }
}
firms.sort((a, b) => d3.ascending(a.group, b.group) || d3.ascending(a.name, b.name));
const firmOf = (id) => firms.find((firm) => firm.id === id) ?? { id, name: id, group: "" };
{
  const usual = ["alibaba", "bytedance", "deepseek", "tencent", "alphabet", "anthropic", "meta", "openai", "xai"];
  const there = firms.filter((firm) => usual.includes(firm.id));
  for (const firm of there.length > 2 ? there : firms.slice(0, 10)) choice.firms.add(firm.id);
}

/** The arms of the chosen study, or of all where there is none. */
function armsOfStudy() {
  if (!effectsKey) return page.arms.treated;
  return unique(rowsOf(effectsKey).filter((row) => row.study === choice.study).map((row) => row.arm));
}

if (effectsKey) {
  const studies = figures.get(effectsKey).more.studies;
  choice.study = studies[0].name;
  for (const study of studies) {
    choice.study = study.name;
    const arms = armsOfStudy();
    for (const arm of arms.length <= 4 ? arms : arms.slice(0, 4)) choice.arms.add(arm);
  }
  choice.study = studies[0].name;
} else {
  for (const arm of page.arms.treated.slice(0, 4)) choice.arms.add(arm);
}

/** The last of `months` that is not after the horizon; the first if all are. */
function monthAt(months) {
  const sorted = unique(months.filter(Boolean)).sort();
  return sorted.filter((month) => month <= choice.horizon).at(-1) ?? sorted[0];
}

function element(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null) node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

/** A list to choose one of; `items` are pairs of value and label. */
function select(label, items, value, change) {
  const options = items.map(([key, text]) => {
    const option = element("option", { value: key }, text);
    option.selected = key === value;
    return option;
  });
  const list = element("select", { onchange: (event) => change(event.target.value) }, ...options);
  return element("label", {}, element("span", {}, label), list);
}

function chip(text, colour, on, change) {
  const swatch = element("i", { style: `background:${colour}` });
  return element("button", { type: "button", class: "chip", "aria-pressed": String(on), onclick: change }, swatch, text);
}

function toggle(set, value) {
  if (set.has(value)) set.delete(value);
  else set.add(value);
  drawAll();
}

let firmsOpen = false;

function drawChoices() {
  const bar = document.querySelector(".choices");
  if (!figures.size || (!everyMonth.length && !firms.length)) return;
  bar.hidden = false;
  const parts = [];
  if (effectsKey && figures.get(effectsKey).more.studies.length > 1) {
    const items = figures.get(effectsKey).more.studies.map((s) => [s.name, s.title || s.name]);
    parts.push(select("Study", items, choice.study, (value) => { choice.study = value; drawAll(); }));
  }
  if (everyMonth.length > 1) {
    const years = everyMonth.filter((month, at) => month.endsWith("-12") || at === everyMonth.length - 1);
    parts.push(select("Horizon", years.map((m) => [m, monthName(m)]), choice.horizon,
      (value) => { choice.horizon = value; drawAll(); }));
  }
  const arms = armsOfStudy();
  if (arms.length) {
    const chips = arms.map((arm) => chip(arm, colourOf(arm), choice.arms.has(arm), () => toggle(choice.arms, arm)));
    parts.push(element("div", { class: "group" }, element("span", {}, "Arms"), ...chips));
  }
  if (firms.length) {
    const chips = firms.map((firm) =>
      chip(firm.name, groupColour(firm.group), choice.firms.has(firm.id), () => toggle(choice.firms, firm.id)));
    const all = (ids) => () => { choice.firms = new Set(ids); drawAll(); };
    const details = element("details", { open: firmsOpen && "", ontoggle: (e) => { firmsOpen = e.target.open; } },
      element("summary", {}, `Firms (${choice.firms.size} of ${firms.length})`),
      element("div", { class: "group" },
        element("button", { type: "button", class: "chip", onclick: all(firms.map((f) => f.id)) }, "all"),
        element("button", { type: "button", class: "chip", onclick: all([]) }, "none"), ...chips));
    parts.push(details);
  }
  bar.replaceChildren(...parts);
}

// --- saving -------------------------------------------------------------------------------------------------------

const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";

/** The charts of a figure as one SVG file. */
function svgOf(key) {
  const box = document.querySelector(`figure[data-figure="${CSS.escape(key)}"] .chart`);
  const all = [...box.querySelectorAll("svg")].filter((svg) => !svg.parentElement.closest("svg"));
  const outer = box.getBoundingClientRect();
  const top = 34;
  const ns = "http://www.w3.org/2000/svg";
  const file = document.createElementNS(ns, "svg");
  const title = document.createElementNS(ns, "text");
  title.textContent = figures.get(key).title;
  for (const [name, value] of [["x", 0], ["y", 18], ["font-size", 15], ["font-weight", 600]]) title.setAttribute(name, value);
  file.append(title);
  let height = top;
  for (const svg of all) {
    const at = svg.getBoundingClientRect();
    const copy = svg.cloneNode(true);
    const label = svg.closest(".small")?.querySelector("h4")?.textContent;
    const y = at.top - outer.top + top;
    copy.setAttribute("x", at.left - outer.left);
    copy.setAttribute("y", y);
    copy.setAttribute("width", at.width);
    copy.setAttribute("height", at.height);
    copy.removeAttribute("style");
    file.append(copy);
    if (label) {
      const text = document.createElementNS(ns, "text");
      text.textContent = label;
      for (const [name, value] of [["x", at.left - outer.left], ["y", y - 6], ["font-size", 12], ["font-weight", 600]]) {
        text.setAttribute(name, value);
      }
      file.append(text);
    }
    height = Math.max(height, y + at.height);
  }
  const size = { xmlns: ns, width: Math.ceil(outer.width), height: Math.ceil(height + 8), "font-family": FONT, "font-size": 12 };
  for (const [name, value] of Object.entries(size)) file.setAttribute(name, value);
  file.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
  return new XMLSerializer().serializeToString(file);
}

function download(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = element("a", { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-save]");
  if (!button) return;
  const key = button.closest("figure").dataset.figure;
  if (button.dataset.save === "csv") download(`${key}.csv`, "text/csv", csvOf(key));
  else download(`${key}.svg`, "image/svg+xml", svgOf(key));
});

// --- drawing ------------------------------------------------------------------------------------------------------

const drawings = {};
// Width of the text on A4 at 96 dots an inch; while printing, charts are drawn for it.
const PAPER = 688;
let printing = false;

function draw(key) {
  const figure = figures.get(key);
  const node = document.querySelector(`figure[data-figure="${CSS.escape(key)}"]`);
  const box = node.querySelector(".chart");
  const context = {
    key, figure,
    rows: () => rowsOf(figure.more?.of ? effectsKey : key),
    width: printing ? PAPER : Math.max(260, Math.floor(box.clientWidth)),
    controls: node.querySelector(".controls"),
    own: (choice.own[key] ??= {}),
    again: () => draw(key),
  };
  const out = drawings[figure.kind]?.(context);
  if (!out) return;
  figure.shown = out.shown;
  context.controls.replaceChildren(...(out.controls ?? []));
  box.replaceChildren(...(out.charts.length ? out.charts
    : [element("p", { class: "nothing" }, "Nothing is chosen: switch on an arm or a firm above.")]));
}

function drawAll() {
  drawChoices();
  for (const key of figures.keys()) draw(key);
}
