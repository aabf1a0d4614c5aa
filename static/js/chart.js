// uPlot charts of a metric: BLUE thin, GREEN thick, letters at the line ends, dotted limits, T−0, hatched gaps.
import { hms, plain } from "./figures.js";

const KEEP_S = 900;
const charts = new Map();

function script(path) {
  return new Promise((resolve, reject) => {
    const element = document.createElement("script");
    element.src = new URL(path, import.meta.url);
    element.onload = resolve;
    element.onerror = reject;
    document.head.append(element);
  });
}

function style(path) {
  const element = document.createElement("link");
  element.rel = "stylesheet";
  element.href = new URL(path, import.meta.url);
  document.head.append(element);
}

/** A canvas knows no custom properties and no light-dark(): let an element compute them. */
function colours(host) {
  const probe = document.createElement("span");
  probe.hidden = true;
  host.append(probe);
  const read = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const found = Object.fromEntries(["blue-line", "green-line", "ink-2", "ink-3", "line", "hatch"].map((name) => [name, read(`--${name}`)]));
  probe.remove();
  found.font = `500 12px ${getComputedStyle(host).fontFamily}`;
  return found;
}

function columns(points) {
  return [points.map((point) => point[0]), points.map((point) => point[1]), points.map((point) => point[2])];
}

function vertical(u, at, paint) {
  const x = Math.round(u.valToPos(at, "x", true));
  if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) return;
  u.ctx.strokeStyle = paint["ink-2"];
  u.ctx.beginPath();
  u.ctx.moveTo(x, u.bbox.top);
  u.ctx.lineTo(x, u.bbox.top + u.bbox.height);
  u.ctx.stroke();
  u.ctx.fillStyle = paint["ink-2"];
  const isLate = x > u.bbox.left + u.bbox.width * 0.9;
  u.ctx.textAlign = isLate ? "end" : "start";
  u.ctx.fillText("T−0", x + (isLate ? -4 : 4) * devicePixelRatio, u.bbox.top + 10 * devicePixelRatio);
}

function limits(u, values, paint) {
  u.ctx.strokeStyle = paint["ink-3"];
  u.ctx.setLineDash([2 * devicePixelRatio, 4 * devicePixelRatio]);
  for (const value of values) {
    const y = Math.round(u.valToPos(value, "y", true));
    if (y < u.bbox.top || y > u.bbox.top + u.bbox.height) continue;
    u.ctx.beginPath();
    u.ctx.moveTo(u.bbox.left, y);
    u.ctx.lineTo(u.bbox.left + u.bbox.width, y);
    u.ctx.stroke();
  }
  u.ctx.setLineDash([]);
}

function hatch(u, from, to, paint) {
  const left = u.valToPos(from, "x", true);
  const width = u.valToPos(to, "x", true) - left;
  u.ctx.save();
  u.ctx.beginPath();
  u.ctx.rect(left, u.bbox.top, width, u.bbox.height);
  u.ctx.clip();
  u.ctx.strokeStyle = paint.hatch;
  u.ctx.lineWidth = 2 * devicePixelRatio;
  const step = 8 * devicePixelRatio;
  for (let x = left - u.bbox.height; x < left + width; x += step) {
    u.ctx.beginPath();
    u.ctx.moveTo(x, u.bbox.top + u.bbox.height);
    u.ctx.lineTo(x + u.bbox.height, u.bbox.top);
    u.ctx.stroke();
  }
  u.ctx.restore();
}

function gaps(u, paint) {
  const [times, blue, green] = u.data;
  let start = null;
  times.forEach((at, index) => {
    const isDark = blue[index] == null && green[index] == null;
    if (isDark && start === null) start = at;
    if (!isDark && start !== null) {
      hatch(u, start, at, paint);
      start = null;
    }
  });
  if (start !== null) hatch(u, start, times.at(-1), paint);
}

function letters(u, paint) {
  const places = [["B", 1, paint["blue-line"]], ["G", 2, paint["green-line"]]].map(([letter, series, colour]) => {
    const index = u.data[series].findLastIndex((value) => value != null);
    if (index < 0) return null;
    return { letter, colour, x: u.valToPos(u.data[0][index], "x", true) + 5 * devicePixelRatio, y: u.valToPos(u.data[series][index], "y", true) };
  }).filter(Boolean).sort((one, other) => one.y - other.y);
  if (places.length === 2) {
    const gap = 14 * devicePixelRatio - (places[1].y - places[0].y);
    if (gap > 0) {
      places[0].y -= gap / 2;
      places[1].y += gap / 2;
    }
  }
  u.ctx.textBaseline = "middle";
  u.ctx.textAlign = "start";
  for (const { letter, colour, x, y } of places) {
    u.ctx.fillStyle = colour;
    u.ctx.fillText(letter, x, y);
  }
}

function build(host) {
  const old = charts.get(host);
  old?.plot.destroy();
  const paint = colours(host);
  const points = old?.points ?? JSON.parse(host.dataset.points);
  const bounds = JSON.parse(host.dataset.limits);
  const axis = { stroke: paint["ink-2"], font: paint.font, grid: { stroke: paint.line, width: 1 }, ticks: { stroke: paint.line, width: 1 } };
  const onCanvas = (u, work) => {
    u.ctx.save();
    u.ctx.font = `700 ${12 * devicePixelRatio}px sans-serif`;
    u.ctx.lineWidth = devicePixelRatio;
    work();
    u.ctx.restore();
  };
  const plot = new uPlot({
    width: Math.max(160, host.clientWidth),
    height: Math.max(160, host.clientHeight),
    cursor: { show: false },
    legend: { show: false },
    padding: [8, 20, 0, 0],
    scales: { x: { time: true }, y: { range: (u, low, high) => [0, Math.max(high ?? 0, (bounds[0] ?? 0) * 1.1) * 1.05 || 1] } },
    axes: [
      { ...axis, values: (u, ticks, axis, space, step) => ticks.map((at) => hms(at * 1_000, host.dataset.zone).slice(0, step < 60 ? 8 : 5)) },
      { ...axis, size: 52, values: (u, ticks) => ticks.map(plain) },
    ],
    series: [
      {},
      { label: "BLUE", stroke: paint["blue-line"], width: 1.5, points: { show: false } },
      { label: "GREEN", stroke: paint["green-line"], width: 3, points: { show: false } },
    ],
    hooks: {
      drawClear: [(u) => onCanvas(u, () => gaps(u, paint))],
      draw: [(u) => onCanvas(u, () => {
        limits(u, bounds, paint);
        if (host.dataset.zero) vertical(u, Number(host.dataset.zero), paint);
        letters(u, paint);
      })],
    },
  }, columns(points), host);
  charts.set(host, { plot, points });
}

function add({ detail }) {
  if (!detail.readings) return;
  for (const [host, { plot, points }] of charts) {
    const mine = detail.readings.filter((reading) => reading.metric === host.dataset.metric);
    if (mine.length === 0) continue;
    const at = Math.max(...mine.map((reading) => Date.parse(reading.at) / 1_000));
    if (points.length > 0 && at <= points.at(-1)[0]) continue;
    const value = (side) => mine.find((reading) => reading.side === side && reading.verdict !== "UNKNOWN")?.value ?? null;
    points.push([at, value("BLUE"), value("GREEN")]);
    while (points.length > 2 && points[0][0] < at - KEEP_S) points.shift();
    plot.setData(columns(points));
  }
}

style("../vendor/uplot/uPlot.min.css");
await script("../vendor/uplot/uPlot.iife.min.js");
for (const host of document.querySelectorAll("[data-chart]")) build(host);
new ResizeObserver(() => { for (const host of charts.keys()) charts.get(host).plot.setSize({ width: Math.max(160, host.clientWidth), height: Math.max(160, host.clientHeight) }); })
  .observe(document.querySelector("main") ?? document.body);
document.addEventListener("theme:change", () => { for (const host of [...charts.keys()]) build(host); });
document.addEventListener("live:data", add);
