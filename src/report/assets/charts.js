// The charts: each takes a figure's rows and what is chosen, and gives SVG and the rows that it shows.
"use strict";

const INK = "#222";
const FAINT = "#d9d9d9";
const STYLE = { fontFamily: FONT, fontSize: "12px", color: INK, background: "none", overflow: "visible" };
// Tol's muted colours, for parts of a whole: none of them is an arm's or a group's.
const PARTS = {
  "chips and time": "#BBBBBB", "own training efficiency": "#332288", "own serving efficiency": "#332288", spillover: "#88CCEE",
  scale: "#DDCC77", "own quality and paradigms": "#AA4499", distillation: "#CC6677", "learning by serving": "#117733",
};

/** A line of swatches with names, as SVG so that it is saved and printed with the chart. */
function legend(items, width) {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  let x = 0, y = 14;
  const add = (name, attributes, text) => {
    const node = document.createElementNS(ns, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text) node.textContent = text;
    svg.append(node);
  };
  for (const { text, colour, dashed, block } of items) {
    const room = 30 + text.length * 6.6 + 16;
    if (x > 0 && x + room > width) { x = 0; y += 20; }
    if (block) add("rect", { x, y: y - 10, width: 14, height: 12, fill: colour });
    else add("line", { x1: x, x2: x + 20, y1: y - 4, y2: y - 4, stroke: colour, "stroke-width": 2.5, ...(dashed && { "stroke-dasharray": "5 3" }) });
    add("text", { x: x + (block ? 19 : 26), y, fill: INK }, text);
    x += room;
  }
  const size = { width, height: y + 8, viewBox: `0 0 ${width} ${y + 8}`, "font-family": FONT, "font-size": 12, class: "legend" };
  for (const [key, value] of Object.entries(size)) svg.setAttribute(key, value);
  return svg;
}

function small(title, svg) {
  const style = `width:${svg.getAttribute("width")}px`;
  return element("div", { class: "small", style }, element("h4", {}, title), svg);
}

/** Width of each of `count` small charts, side by side where there is room. */
function smallWidth(width, count, least = 280) {
  if (printing) least = Math.min(least, 320) - 100;
  const most = Math.max(1, Math.min(count, Math.floor((width + 24) / (least + 24))));
  // As many rows as needed, and no more columns than fill them.
  const columns = Math.ceil(count / Math.ceil(count / most));
  return Math.floor((width - 24 * (columns - 1)) / columns);
}

const HEADLINES = ["efficiency_gap", "efficiency_gap_end", "third_market_share_poor", "third_market_share"];

/** One of a figure's own lists: keeps what was chosen while it is on offer. */
function chosen(context, name, label, items, first) {
  const values = items.map(([value]) => value);
  const usual = [first, ...(name === "outcome" ? HEADLINES : [])].find((value) => values.includes(value));
  if (!values.includes(context.own[name])) context.own[name] = usual ?? values[0];
  const list = select(label, items, context.own[name], (value) => { context.own[name] = value; context.again(); });
  return { value: context.own[name], list: items.length > 1 ? [list] : [] };
}

function definition(outcome) {
  return outcome?.definition ? [element("p", { class: "definition" }, outcome.definition)] : [];
}

const finite = (x) => x !== null && x !== undefined && Number.isFinite(x);
const interval = (row, unit) =>
  `${said(row.effect, unit, true)}\n90 % interval ${said(row.low, unit, true)} to ${said(row.high, unit, true)}`;
const tipped = { lineWidth: 32, fontSize: 12, pathFilter: "none", stroke: "#999" };

// --- treated against counterfactual ---------------------------------------------------------------------------------

drawings.effects = (context) => {
  const { figure, width } = context;
  const outcomes = figure.more.outcomes;
  const { value, list } = chosen(context, "outcome", "Outcome", outcomes.map((o) => [o.name, o.label]));
  const outcome = outcomes.find((o) => o.name === value);
  const unit = outcome.unit, scale = scaleOf(unit);
  const shown = context.rows().filter((row) =>
    row.study === choice.study && row.outcome === value && choice.arms.has(row.arm));
  const arms = unique(shown.map((row) => row.arm));
  if (!arms.length) return { charts: [], controls: [...list, ...definition(outcome)], shown };
  const x = (row) => dateOf(row.month);
  const twins = unique(shown.map((row) => row.counterfactual));
  const twinRows = twins.flatMap((twin) => {
    const arm = shown.find((row) => row.counterfactual === twin).arm;
    return shown.filter((row) => row.arm === arm);
  });
  const horizon = Plot.ruleX([dateOf(choice.horizon)], { stroke: "#999", strokeDasharray: "2 3" });
  const common = {
    width, marginLeft: 64, marginRight: 16, style: STYLE,
    x: { type: "utc", label: null, tickSpacing: 60 }, color: { type: "identity" },
  };
  const levels = Plot.plot({
    ...common, height: Math.max(210, Math.min(280, width * 0.42)),
    y: { label: `${outcome.label} (${axisUnit(unit)})`, grid: true, nice: true, tickFormat: plain },
    marks: [
      horizon,
      Plot.line(twinRows, { x, y: (r) => r.mean_counterfactual * scale, z: "counterfactual", stroke: (r) => colourOf(r.counterfactual), strokeWidth: 2, strokeDasharray: "5 3" }),
      Plot.line(shown, {
        x, y: (r) => r.mean * scale, z: "arm", stroke: (r) => colourOf(r.arm), strokeWidth: 2,
        title: (r) => `${monthName(r.month)}, ${r.arm}: ${said(r.mean, unit)}\n${r.counterfactual}: ${said(r.mean_counterfactual, unit)}\n${r.pairs} draws`,
        tip: tipped,
      }),
    ],
  });
  const effect = Plot.plot({
    ...common, height: Math.max(220, Math.min(300, width * 0.45)),
    y: { label: `Difference from the counterfactual (${axisUnit(unit, true)})`, grid: true, nice: true, tickFormat: plain },
    marks: [
      horizon,
      Plot.areaY(shown, { x, y1: (r) => r.low * scale, y2: (r) => r.high * scale, z: "arm", fill: (r) => colourOf(r.arm), fillOpacity: 0.2 }),
      Plot.ruleY([0], { stroke: INK }),
      Plot.line(shown, {
        x, y: (r) => r.effect * scale, z: "arm", stroke: (r) => colourOf(r.arm), strokeWidth: 2,
        title: (r) => `${monthName(r.month)}, ${r.arm}: ${interval(r, unit)}\nhigher in ${said(r.share_above, "share")}, lower in ${said(r.share_below, "share")} of ${r.pairs} draws`,
        tip: tipped,
      }),
    ],
  });
  const key = legend([
    ...arms.map((arm) => ({ text: arm, colour: colourOf(arm) })),
    ...twins.map((twin) => ({ text: `${twin} (counterfactual)`, colour: colourOf(twin), dashed: true })),
  ], width);
  return { charts: [key, levels, effect], controls: [...list, ...definition(outcome)], shown };
};

const AT_HORIZON = [
  "efficiency_gap", "third_market_share_poor", "third_market_share", "capability_lag_months", "serving_cost_ratio",
  "compute_share_usable", "domestic_chip_share", "vendor_revenue_lost_usd", "firm_value_usd_constrained",
];

drawings.horizon = (context) => {
  const { width } = context;
  const outcomes = figures.get(effectsKey).more.outcomes;
  const all = context.rows().filter((row) => row.study === choice.study && choice.arms.has(row.arm));
  const month = monthAt(all.map((row) => row.month));
  const rows = all.filter((row) => row.month === month && AT_HORIZON.includes(row.outcome));
  const arms = unique(rows.map((row) => row.arm));
  const there = AT_HORIZON.map((name) => outcomes.find((o) => o.name === name))
    .filter((o) => o && rows.some((row) => row.outcome === o.name));
  const each = smallWidth(width, there.length, 270);
  const left = Math.min(110, 12 + 7 * d3.max(arms, (arm) => arm.length));
  const charts = there.map((outcome) => {
    const own = rows.filter((row) => row.outcome === outcome.name), scale = scaleOf(outcome.unit);
    return small(outcome.label, Plot.plot({
      width: each, height: 64 + 24 * arms.length, marginTop: 6, marginBottom: 40, marginLeft: left, marginRight: 24, style: STYLE,
      x: { label: axisUnit(outcome.unit, true), grid: true, nice: true, ticks: 4, tickFormat: plain, domain: around(own, scale) },
      y: { domain: arms, label: null, tickSize: 0 }, color: { type: "identity" },
      marks: [
        Plot.ruleX([0], { stroke: INK }),
        Plot.ruleY(own, { y: "arm", x1: (r) => r.low * scale, x2: (r) => r.high * scale, stroke: (r) => colourOf(r.arm), strokeWidth: 2.5 }),
        Plot.dot(own, {
          y: "arm", x: (r) => r.effect * scale, fill: (r) => colourOf(r.arm), r: 4.5,
          title: (r) => `${r.arm}, ${monthName(r.month)}: ${interval(r, outcome.unit)}\n${r.pairs} draws`, tip: tipped,
        }),
      ],
    }));
  });
  const note = element("p", { class: "definition" }, `In ${monthName(month)}.`);
  return { charts: arms.length ? [element("div", { class: "grid" }, ...charts)] : [], controls: [note], shown: rows };
};

/** A domain that holds zero and every interval. */
function around(rows, scale) {
  const ends = rows.flatMap((r) => [r.effect, r.low, r.high]).filter(finite).map((x) => x * scale);
  const [from, to] = d3.extent([0, ...ends]);
  return from === to ? [-1, 1] : [from, to];
}

// --- dose ---------------------------------------------------------------------------------------------------------

const BESIDES = ["#332288", "#CC6677", "#117733", "#AA4499"];

drawings.dose = (context) => {
  const { figure, width } = context;
  const outcomes = figure.more.outcomes;
  const names = outcomes.map((o) => [o.name, o.label]);
  const { value, list } = chosen(context, "outcome", "Outcome", names);
  const outcome = outcomes.find((o) => o.name === value), unit = outcome.unit, scale = scaleOf(unit);
  const all = context.rows().filter((row) => row.outcome === value);
  const month = monthAt(all.map((row) => row.month));
  const shown = all.filter((row) => row.month === month);
  const besides = unique(shown.map((row) => row.besides ?? ""));
  // Against itself, dose 0 has no effect.
  const drawn = shown.some((row) => row.dose === 0) ? shown
    : [...besides.map((b) => ({ dose: 0, besides: b || undefined, effect: 0, low: 0, high: 0, none: true })), ...shown];
  const colour = (row) => BESIDES[besides.indexOf(row.besides ?? "") % BESIDES.length];
  const z = (row) => row.besides ?? "";
  const chart = Plot.plot({
    width, height: Math.max(240, Math.min(340, width * 0.45)), marginLeft: 64, marginRight: 16, marginBottom: 40, style: STYLE,
    x: { label: "Dose: 0 no regime, 1 the rules as they are", labelAnchor: "center", labelArrow: "none", tickFormat: plain },
    y: { label: `${outcome.label}: difference from dose 0 (${axisUnit(unit, true)})`, grid: true, nice: true, tickFormat: plain },
    color: { type: "identity" },
    marks: [
      Plot.areaY(drawn, { x: "dose", y1: (r) => r.low * scale, y2: (r) => r.high * scale, z, fill: colour, fillOpacity: 0.18, sort: "dose" }),
      Plot.ruleY([0], { stroke: INK }),
      Plot.line(drawn, { x: "dose", y: (r) => r.effect * scale, z, stroke: colour, strokeWidth: 2, sort: "dose" }),
      Plot.dot(drawn, {
        x: "dose", y: (r) => r.effect * scale, fill: colour, r: 3,
        title: (r) => r.none ? "dose 0: the counterfactual itself"
          : `dose ${plain(r.dose)}${r.besides ? `, ${figure.more.besides} ${r.besides}` : ""}: ${interval(r, unit)}\n${r.pairs} draws`,
        tip: tipped,
      }),
    ],
  });
  const key = besides.length > 1
    ? [legend(besides.map((b) => ({ text: `${String(figure.more.besides).replaceAll("_", " ")} ${b}`, colour: colour({ besides: b }) })), width)] : [];
  const note = element("p", { class: "definition" }, `In ${monthName(month)}. ${outcome.definition}`);
  return { charts: [...key, chart], controls: [...list, note], shown };
};

drawings.levels = (context) => {
  const { figure, width } = context;
  const outcomes = figure.more.outcomes;
  const { value, list } = chosen(context, "outcome", "Outcome", outcomes.map((o) => [o.name, o.label]));
  const label = outcomes.find((o) => o.name === value).label;
  const shown = context.rows().filter((row) => row.outcome === value);
  const difference = shown.some((row) => finite(row.effect));
  const y = (row) => (difference ? row.effect : row.mean);
  const unit = shown[0]?.unit ?? "", scale = scaleOf(unit);
  const which = (row) => row.arm ?? "";
  const arms = unique(shown.map(which));
  const colour = (row) => BESIDES[arms.indexOf(which(row)) % BESIDES.length];
  const turning = [...d3.group(shown.filter((row) => finite(row.turning_point)), which).values()].map((rows) => rows[0]);
  const chart = Plot.plot({
    width, height: Math.max(240, Math.min(340, width * 0.45)), marginLeft: 64, marginRight: 16, marginBottom: 40, style: STYLE,
    x: { label: "Dose: 0 no regime, 1 the rules as they are", labelAnchor: "center", labelArrow: "none", tickFormat: plain },
    y: { label: `${label}${difference ? ": difference from no dose" : ""} (${axisUnit(unit, difference)})`, grid: true, nice: true, tickFormat: plain },
    color: { type: "identity" },
    marks: [
      Plot.rectX(turning, { x1: "turning_low", x2: "turning_high", fill: "#DDCC77", fillOpacity: 0.35 }),
      Plot.ruleX(turning, { x: "turning_point", stroke: "#8C6D31", strokeDasharray: "4 3" }),
      Plot.areaY(shown.filter((row) => finite(row.low)), { x: "dose", y1: (r) => r.low * scale, y2: (r) => r.high * scale, z: which, fill: colour, fillOpacity: 0.18, sort: "dose" }),
      ...(difference ? [Plot.ruleY([0], { stroke: INK })] : []),
      Plot.line(shown, { x: "dose", y: (r) => y(r) * scale, z: which, stroke: colour, strokeWidth: 2, sort: "dose" }),
      Plot.dot(shown, {
        x: "dose", y: (r) => y(r) * scale, fill: colour, r: 3, tip: tipped,
        title: (r) => `dose ${plain(r.dose)}, ${which(r)}: ${said(y(r), unit, difference)}\n90 % interval ${said(r.low, unit, difference)} to ${said(r.high, unit, difference)}`,
      }),
    ],
  });
  const key = arms.length > 1 ? [legend(arms.map((arm) => ({ text: arm, colour: colour({ arm }) })), width)] : [];
  const words = turning.map((row) => `${which(row)} turns (${row.turns ?? "yes"}) at ${plain(row.turning_point)}, 90 % interval ${plain(row.turning_low)} to ${plain(row.turning_high)}`);
  const note = element("p", { class: "definition" }, words.length ? words.join("; ") + "." : "No turning point was found.");
  return { charts: [...key, chart], controls: [...list, note], shown };
};

// --- firms --------------------------------------------------------------------------------------------------------

const firmOrder = (ids) => ids.map(firmOf)
  .sort((a, b) => d3.ascending(a.group, b.group) || d3.ascending(a.name, b.name)).map((firm) => firm.id);

/** The names of firms along an axis, in the colour of their group. */
function firmAxis(ids, left) {
  return Plot.text(ids, {
    y: (id) => id, text: (id) => firmOf(id).name, frameAnchor: "left", textAnchor: "end", dx: -8,
    fill: (id) => groupColour(firmOf(id).group), clip: false,
  });
}

const firmMargin = (ids) => Math.min(150, 16 + 6.6 * (d3.max(ids, (id) => firmOf(id).name.length) ?? 4));
const groupLegend = (ids) => unique(ids.map((id) => firmOf(id).group)).filter(Boolean)
  .map((group) => ({ text: `${group} (name)`, colour: groupColour(group), block: true }));

drawings.firms = (context) => {
  const { figure, width } = context;
  const metrics = figure.more.metrics;
  const { value, list } = chosen(context, "metric", "Measure", metrics.map((m) => [m.name, m.name.replaceAll("_", " ")]), "firm_value_usd");
  const metric = metrics.find((m) => m.name === value), scale = scaleOf(metric.unit);
  const all = context.rows().filter((row) => row.metric === value);
  const month = monthAt(all.map((row) => row.month));
  const shown = all.filter((row) => row.month === month && choice.firms.has(row.id) && choice.arms.has(row.arm));
  const ids = firmOrder(unique(shown.map((row) => row.id)));
  const arms = unique(shown.map((row) => row.arm));
  const note = element("p", { class: "definition" }, `In ${monthName(month)}. ${metric.definition}`);
  if (!shown.length) return { charts: [], controls: [...list, note], shown };
  const step = Math.max(9, 30 / arms.length);
  const marks = arms.flatMap((arm, at) => {
    const own = shown.filter((row) => row.arm === arm), dy = (at - (arms.length - 1) / 2) * step * 0.85;
    return [
      Plot.ruleY(own.filter((r) => finite(r.low)), { y: "id", x1: (r) => r.low * scale, x2: (r) => r.high * scale, stroke: colourOf(arm), strokeWidth: 2, dy }),
      Plot.dot(own, {
        y: "id", x: (r) => r.effect * scale, fill: colourOf(arm), r: 3.5, dy, tip: tipped,
        title: (r) => `${firmOf(r.id).name}, ${arm}, ${monthName(r.month)}: ${interval(r, metric.unit)}\nwithout: ${said(r.mean_counterfactual, metric.unit)}; ${r.pairs} draws`,
      }),
    ];
  });
  const chart = Plot.plot({
    width, height: 68 + ids.length * Math.max(22, arms.length * step), marginBottom: 40, marginLeft: firmMargin(ids), marginRight: 20, style: STYLE,
    x: { label: `Difference from the counterfactual (${axisUnit(metric.unit, true)})`, grid: true, nice: true, tickFormat: plain, ticks: Math.max(3, width / 120) },
    y: { domain: ids, axis: null }, color: { type: "identity" },
    marks: [Plot.ruleX([0], { stroke: INK }), firmAxis(ids), ...marks],
  });
  const key = legend([...arms.map((arm) => ({ text: arm, colour: colourOf(arm) })), ...groupLegend(ids)], width);
  return { charts: [key, chart], controls: [...list, note], shown };
};

drawings.growth = (context) => {
  const { figure, width } = context;
  const splits = figure.more.splits;
  const { value, list } = chosen(context, "what", "Growth of", splits.map((s) => [s.name, s.label.toLowerCase()]));
  const split = splits.find((s) => s.name === value);
  const all = context.rows().filter((row) => row.what === value);
  const month = monthAt(all.map((row) => row.month));
  const twins = page.arms.counterfactual;
  const shown = all.filter((row) => row.month === month && choice.firms.has(row.id)
    && (choice.arms.has(row.arm) || twins.includes(row.arm)));
  const note = element("p", { class: "definition" }, `From ${monthName(figure.more.first)} to ${monthName(month)}.`);
  const ids = firmOrder(unique(shown.map((row) => row.id)));
  if (!ids.length) return { charts: [], controls: [...list, note], shown };
  // Groups: the plain mean over their developers, whatever firms are chosen.
  const means = [];
  for (const [key, rows] of d3.group(all.filter((row) => row.month === month), (row) => row.arm)) {
    if (!choice.arms.has(key) && !twins.includes(key)) continue;
    for (const group of ["constrained", "unconstrained"]) {
      const own = rows.filter((row) => firmOf(row.id).group === group && firmOf(row.id).developer);
      for (const [part, list] of d3.group(own, (row) => row.part)) {
        means.push({ arm: key, id: `mean of the ${group}`, part, growth: d3.mean(list, (row) => row.growth), group });
      }
    }
  }
  const groups = unique(means.map((row) => row.id));
  const rows = [...means, ...shown];
  const order = [...groups, ...ids];
  const parts = split.parts;
  const arms = unique([...armsOfStudy().filter((arm) => choice.arms.has(arm)), ...twins, ...shown.map((r) => r.arm)])
    .filter((arm) => shown.some((row) => row.arm === arm)).slice(0, 6);
  const each = smallWidth(width, arms.length, 330);
  const stacked = (arm) => rows.filter((row) => row.arm === arm && row.part !== "whole" && finite(row.growth));
  const ends = arms.flatMap((arm) => d3.rollups(stacked(arm),
    (list) => [d3.sum(list, (r) => Math.min(0, r.growth)), d3.sum(list, (r) => Math.max(0, r.growth))], (r) => r.id).flatMap((e) => e[1]));
  const label = (id) => groups.includes(id) ? id : firmOf(id).name;
  const group = (id) => groupColour(groups.includes(id) ? id.replace("mean of the ", "") : firmOf(id).group);
  const left = Math.min(180, 20 + 6.8 * d3.max(order, (id) => label(id).length));
  const charts = arms.map((arm) => small(twins.includes(arm) ? `${arm} (counterfactual)` : arm, Plot.plot({
    width: each, height: 56 + 21 * order.length, marginTop: 6, marginBottom: 40, marginLeft: left, marginRight: 12, style: STYLE,
    x: { label: `${split.label}, growth (${split.unit})`, domain: d3.extent([0, ...ends]), nice: true, grid: true, ticks: 5, tickFormat: plain },
    y: { domain: order, axis: null, padding: 0.22 }, color: { type: "identity" },
    marks: [
      Plot.barX(stacked(arm), {
        y: "id", x: "growth", fill: (r) => PARTS[r.part] ?? "#999", order: parts, z: "part", tip: tipped,
        title: (r) => `${label(r.id)}, ${arm}\n${r.part}: ${said(r.growth, split.unit, true)}`,
      }),
      Plot.ruleX([0], { stroke: INK }),
      Plot.dot(rows.filter((row) => row.arm === arm && row.part === "whole"), { y: "id", x: "growth", r: 3.2, fill: "white", stroke: INK, strokeWidth: 1.4 }),
      Plot.text(order, { y: (id) => id, text: label, frameAnchor: "left", textAnchor: "end", dx: -8, fill: group,
        fontWeight: (id) => (groups.includes(id) ? 600 : 400) }),
    ],
  })));
  const key = legend([...parts.map((part) => ({ text: part, colour: PARTS[part] ?? "#999", block: true })),
    ...groupLegend(ids)], width);
  return { charts: [key, element("div", { class: "grid" }, ...charts)], controls: [...list, note], shown };
};

drawings.attribution = (context) => {
  const { figure } = context;
  const rows = context.rows();
  const outcome = chosen(context, "outcome", "Outcome", figure.more.outcomes.map((o) => [o.name, o.label]));
  const arm = chosen(context, "arm", "Arm", unique(rows.map((r) => r.arm ?? "")).map((a) => [a, a || "all"]));
  let own = rows.filter((r) => r.outcome === outcome.value && (r.arm ?? "") === arm.value);
  // Columns beyond those of every table of attribution are levers: one combination is shown.
  const fixed = ["arm", "counterfactual", "outcome", "month", "unit", "part", "draws", "effect", "low", "high", "share"];
  const levers = [];
  for (const { name } of figure.columns.filter((column) => !fixed.includes(column.name))) {
    const values = unique(own.map((r) => r[name])).filter((x) => x !== null).map(String);
    if (!values.length) continue;
    const lever = chosen(context, name, name.replaceAll("_", " "), values.map((x) => [x, x]), values.at(-1));
    own = own.filter((r) => String(r[name]) === lever.value);
    levers.push(...lever.list);
  }
  const months = own.map((r) => r.month).filter(Boolean);
  const month = months.length ? monthAt(months) : null;
  const shown = own.filter((r) => (month ? r.month === month : true));
  const unit = figure.more.outcomes.find((o) => o.name === outcome.value)?.unit || shown[0]?.unit || "";
  const note = month ? [element("p", { class: "definition" }, `In ${monthName(month)}.`)] : [];
  const last = ["rest", "total"];
  const chart = bars(shown, { label: "part", value: "effect", unit, width: context.width, last, axis: `Part of the effect (${axisUnit(unit, true)})`, colour: colourOf(arm.value) });
  return { charts: [chart], controls: [...outcome.list, ...arm.list, ...levers, ...note], shown };
};

/** Horizontal bars with intervals, the largest first. */
function bars(rows, { label, value, unit, width, axis, colour, most = 20, last = [] }) {
  const scale = scaleOf(unit);
  const there = rows.filter((r) => finite(r[value]));
  const sorted = [
    ...d3.sort(there.filter((r) => !last.includes(r[label])), (r) => -Math.abs(r[value])).slice(0, most),
    ...last.flatMap((name) => there.filter((r) => r[label] === name)),
  ];
  if (!sorted.some((r) => r[value] !== 0)) return element("p", { class: "nothing" }, "All of them are nothing.");
  const words = (r) => String(r[label]).replaceAll("_", " ");
  const left = Math.min(width * 0.45, 16 + 6.4 * (d3.max(sorted, (r) => words(r).length) ?? 4));
  return Plot.plot({
    width, height: 60 + 22 * sorted.length, marginTop: 10, marginBottom: 40, marginLeft: left, marginRight: 20, style: STYLE,
    x: { label: axis, grid: true, nice: true, tickFormat: plain, ticks: Math.max(3, width / 130) },
    y: { domain: sorted.map(words), label: null, tickSize: 0 }, color: { type: "identity" },
    marks: [
      Plot.barX(sorted, {
        y: words, x: (r) => r[value] * scale, fill: colour ?? "#5F7A8C", fillOpacity: 0.85, tip: tipped,
        title: (r) => `${words(r)}: ${said(r[value], unit, true)}${finite(r.low) ? `\n${said(r.low, unit, true)} to ${said(r.high, unit, true)}` : ""}`,
      }),
      Plot.ruleY(sorted.filter((r) => finite(r.low) && finite(r.high)), { y: words, x1: (r) => r.low * scale, x2: (r) => r.high * scale, stroke: INK, strokeWidth: 1.5 }),
      Plot.ruleX([0], { stroke: INK }),
    ],
  });
}

// --- what it hangs on, where it flips --------------------------------------------------------------------------------

const titled = (names) => names.map((name) => [name, String(name).replaceAll("_", " ")]);

drawings.tornado = (context) => {
  const rows = context.rows();
  const outcome = chosen(context, "outcome", "Outcome", titled(unique(rows.map((r) => r.outcome))));
  const own = rows.filter((r) => r.outcome === outcome.value);
  const method = chosen(context, "method", "Method", titled(unique(own.map((r) => r.method ?? ""))));
  const shown = own.filter((r) => (r.method ?? "") === method.value);
  const axis = `Influence on ${outcome.value.replaceAll("_", " ")} (${method.value.replaceAll("_", " ") || "value"})`;
  return { charts: [bars(shown, { label: "parameter", value: "value", unit: "", width: context.width, axis })], controls: [...outcome.list, ...method.list], shown };
};

drawings.information = (context) => {
  const rows = context.rows();
  const outcome = chosen(context, "outcome", "Outcome", titled(unique(rows.map((r) => r.outcome ?? ""))));
  const own = rows.filter((r) => (r.outcome ?? "") === outcome.value);
  const method = chosen(context, "method", "Decision", titled(unique(own.map((r) => r.method ?? ""))));
  const shown = own.filter((r) => (r.method ?? "") === method.value);
  const unit = shown[0]?.unit ?? "";
  const axis = `Value of information${unit ? ` (${unit})` : ""}`;
  return { charts: [bars(shown, { label: "parameter", value: "value", unit: "", width: context.width, axis })], controls: [...outcome.list, ...method.list], shown };
};

drawings.boxes = (context) => {
  const { figure, width } = context;
  const rows = context.rows();
  const outcome = chosen(context, "outcome", "Outcome", titled(unique(rows.map((r) => r.outcome ?? ""))));
  const own = rows.filter((r) => (r.outcome ?? "") === outcome.value);
  const method = chosen(context, "method", "Method", titled(unique(own.map((r) => r.method ?? ""))));
  const shown = own.filter((r) => (r.method ?? "") === method.value);
  const boxes = d3.groups(shown, (r) => String(r.box)).slice(0, 4);
  const each = smallWidth(width, boxes.length, 380);
  const charts = boxes.map(([box, list]) => {
    const first = list[0];
    const title = `${box}: density ${said(first.density, "share")}, coverage ${said(first.coverage, "share")}, mass ${said(first.mass, "share")}`;
    const bounds = list.map((r) => {
      const prior = figure.more.priors[r.parameter];
      const low = finite(r.low) ? r.low : prior?.low, high = finite(r.high) ? r.high : prior?.high;
      const from = prior ? prior.low : low, span = prior ? prior.high - prior.low : high - low;
      const place = (x) => (span > 0 && finite(x) ? Math.max(0, Math.min(1, (x - from) / span)) : 0);
      return { ...r, name: r.parameter.replaceAll("_", " "), x1: place(low), x2: place(high), words: `${plain(low)} to ${plain(high)} ${prior?.unit ?? ""}` };
    });
    const left = Math.min(each * 0.48, 16 + 6.4 * d3.max(bounds, (r) => r.name.length));
    return small(title, Plot.plot({
      width: each, height: 56 + 34 * bounds.length, marginTop: 6, marginBottom: 40, marginLeft: left, marginRight: 16, style: STYLE,
      x: { domain: [0, 1], label: "Place in the prior", ticks: [0, 0.5, 1], tickFormat: (x) => (x === 0 ? "low" : x === 1 ? "high" : "") },
      y: { domain: bounds.map((r) => r.name), label: null, tickSize: 0 },
      marks: [
        Plot.ruleY(bounds, { y: "name", x1: 0, x2: 1, stroke: FAINT, strokeWidth: 8 }),
        Plot.ruleY(bounds, { y: "name", x1: "x1", x2: "x2", stroke: "#5F7A8C", strokeWidth: 8 }),
        Plot.text(bounds, { y: "name", x: 0, text: "words", textAnchor: "start", dy: 13, fontSize: 10.5, fill: "#555" }),
      ],
    }));
  });
  return { charts: [element("div", { class: "grid" }, ...charts)], controls: [...outcome.list, ...method.list], shown };
};

drawings.listed = (context) => {
  const { figure, width } = context;
  const [label, value, low, high] = figure.more.bars;
  const lists = [];
  let shown = context.rows();
  for (const [column, name] of figure.more.lists) {
    const own = chosen(context, column, name, titled(unique(shown.map((row) => row[column] ?? ""))));
    shown = shown.filter((row) => (row[column] ?? "") === own.value);
    lists.push(...own.list);
  }
  const unit = shown[0]?.unit ?? "";
  const rows = shown.map((row) => ({ ...row, low: row[low], high: row[high] }));
  const axis = `${String(value).replaceAll("_", " ")} (${axisUnit(unit, true)})`;
  return { charts: [bars(rows, { label, value, unit, width, axis, last: ["all"] })], controls: lists, shown };
};

// --- against what was observed ---------------------------------------------------------------------------------------

drawings.fan = (context) => {
  const { width } = context;
  const rows = context.rows();
  const families = unique(rows.map((r) => r.family ?? ""));
  const observed = (list) => list.filter((r) => finite(r.observed)).length;
  const rank = d3.rollups(rows, (list) => observed(list), (r) => r.quantity).sort((a, b) => b[1] - a[1]).map((e) => e[0]);
  const items = [["", "the most observed"], ...titled(families.filter(Boolean))];
  const family = chosen(context, "family", "Family", items);
  const quantities = family.value ? unique(rows.filter((r) => r.family === family.value).map((r) => r.quantity)) : rank.slice(0, 6);
  const shown = rows.filter((r) => quantities.includes(r.quantity));
  const each = smallWidth(width, quantities.length, 300);
  const charts = quantities.map((quantity) => {
    const own = d3.sort(shown.filter((r) => r.quantity === quantity), (r) => +dateOf(r.from ?? r.period) + +dateOf(r.period));
    const unit = own[0].unit ?? "", scale = scaleOf(unit);
    const x = (r) => (r.from ? new Date((+dateOf(r.from) + +dateOf(r.period)) / 2) : dateOf(r.period));
    const many = own.length > 1;
    return small(quantity, Plot.plot({
      width: each, height: 210, marginLeft: 52, marginRight: 16, style: STYLE,
      x: { type: "utc", label: null, ticks: Math.max(2, each / 90), ...(many ? {} : { domain: [d3.utcMonth.offset(x(own[0]), -12), d3.utcMonth.offset(x(own[0]), 12)] }) },
      y: { label: axisUnit(unit), grid: true, nice: true, tickFormat: plain, ticks: 5 },
      marks: [
        ...(many ? [
          Plot.areaY(own, { x, y1: (r) => r.p05 * scale, y2: (r) => r.p95 * scale, fill: KNOWN_ARMS.reference, fillOpacity: 0.15 }),
          Plot.areaY(own.filter((r) => finite(r.p25)), { x, y1: (r) => r.p25 * scale, y2: (r) => r.p75 * scale, fill: KNOWN_ARMS.reference, fillOpacity: 0.2 }),
        ] : [Plot.ruleX(own, { x, y1: (r) => r.p05 * scale, y2: (r) => r.p95 * scale, stroke: KNOWN_ARMS.reference, strokeWidth: 8, strokeOpacity: 0.25 })]),
        Plot.line(own, { x, y: (r) => r.p50 * scale, stroke: KNOWN_ARMS.reference, strokeWidth: 2 }),
        Plot.ruleX(own.filter((r) => finite(r.obs_low)), { x, y1: (r) => r.obs_low * scale, y2: (r) => r.obs_high * scale, stroke: INK, strokeWidth: 1.5 }),
        Plot.dot(own.filter((r) => finite(r.observed)), { x, y: (r) => r.observed * scale, fill: (r) => (r.split === "fit" ? "white" : INK), stroke: INK, strokeWidth: 1.5, r: 3.2 }),
        Plot.dot(own, {
          x, y: (r) => r.p50 * scale, r: 2, fill: KNOWN_ARMS.reference, tip: tipped,
          title: (r) => `${r.from && r.from !== r.period ? `${monthName(r.from)} to ` : ""}${monthName(r.period)}${r.split ? `, ${r.split}` : ""}\nmodel ${said(r.p50, unit)} (${said(r.p05, unit)} to ${said(r.p95, unit)})${finite(r.observed) ? `\nobserved ${said(r.observed, unit)}` : ""}`,
        }),
      ],
    }));
  });
  const key = legend([{ text: "model: median, 50 % and 90 % bands", colour: KNOWN_ARMS.reference }, { text: "observed, with tolerance (hollow: known when the model was tuned)", colour: INK, block: true }], width);
  return { charts: [key, element("div", { class: "grid" }, ...charts)], controls: family.list, shown };
};

drawings.families = (context) => {
  const { width, figure } = context;
  const names = figure.columns.map((c) => c.name);
  const value = ["coverage", "covered_share", "share_covered", "covered"].find((name) => names.includes(name));
  // Rows that none of the world's inputs determines are a part of all rows.
  const rows = context.rows().filter((r) => r.rows !== "free_of_inputs" && finite(r[value]));
  if (!value || !rows.length) return { charts: [], shown: rows };
  const count = ["scored", "observations", "count", "n"].find((name) => names.includes(name));
  const splits = unique(rows.map((r) => r.split ?? ""));
  const share = (r) => (value === "covered" && count ? r.covered / r[count] : r[value]);
  const families = d3.sort(unique(rows.map((r) => r.family)), (f) => f === "ALL" ? -1 : d3.mean(rows.filter((r) => r.family === f), share));
  const words = (f) => String(f).replaceAll("_", " ");
  const left = Math.min(width * 0.45, 16 + 6.4 * d3.max(families, (f) => words(f).length));
  const colour = (r) => ((r.split ?? "") === "fit" ? "#999999" : INK);
  const chart = Plot.plot({
    width, height: 64 + 20 * families.length, marginTop: 10, marginBottom: 40, marginLeft: left, marginRight: 20, style: STYLE,
    x: { domain: [0, 100], label: "Observations inside the 90 % band (%)", grid: true },
    y: { domain: families.map(words), label: null, tickSize: 0 }, color: { type: "identity" },
    marks: [
      Plot.ruleX([90], { stroke: "#999", strokeDasharray: "4 3" }),
      Plot.dot(rows, {
        y: (r) => words(r.family), x: (r) => 100 * share(r), fill: colour, r: 5, tip: tipped,
        title: (r) => `${words(r.family)}${r.split ? `, ${r.split}` : ""}: ${said(share(r), "share")}${count ? ` of ${r[count]}` : ""}`,
      }),
    ],
  });
  const key = splits.length > 1 ? [legend(splits.map((s) => ({ text: s, colour: colour({ split: s }), block: true })), width)] : [];
  return { charts: [...key, chart], shown: rows };
};

// --- go -----------------------------------------------------------------------------------------------------------

drawAll();
{
  let waiting = 0, width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth === width) return;
    width = window.innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(drawAll, 120);
  });
}
window.addEventListener("beforeprint", () => {
  printing = true;
  for (const why of document.querySelectorAll("details.why")) why.open = true;
  drawAll();
});
window.addEventListener("afterprint", () => { printing = false; drawAll(); });
window.frugality = { figures, choice, csv: csvOf, svg: svgOf, draw: drawAll };
