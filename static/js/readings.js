// Readings between two refreshes: markers move along their scales, and when readings stop the panels are asked for
// anew, because only the server says what is UNKNOWN.
const SILENT_MS = 6_000;
const AGAIN_MS = 5_000;
const REST_MS = 30_000;
const QUICK_TRIES = 4;
const drawnAt = new Map();
const STOPS = { target: 46, warning: 64, critical: 82 };
let heardAt = performance.now();
let askedAt = 0;
let tries = 0;

/** The same scale as app/web/drawing.py: linear between the ticks, compressed above critical. */
function place(value, { target, warning, critical }) {
  if (value > critical) return STOPS.critical + (100 - STOPS.critical) * (1 - critical / value);
  let [low, from] = [0, 0];
  for (const [limit, at] of [[target, STOPS.target], [warning, STOPS.warning], [critical, STOPS.critical]]) {
    if (value <= limit) return limit > low ? from + ((at - from) * (Math.max(value, low) - low)) / (limit - low) : at;
    [low, from] = [limit, at];
  }
  return STOPS.critical;
}

function move({ detail }) {
  if (!detail.readings) return;
  heardAt = performance.now();
  tries = 0;
  for (const element of document.querySelectorAll("[data-newest-reading] time")) element.dataset.age = detail.readings[0].at;
  const readings = new Map(detail.readings.map((reading) => [`${reading.metric}.${reading.side}`, reading]));
  for (const scale of document.querySelectorAll("[data-scale]")) {
    const limits = Object.fromEntries(Object.keys(STOPS).map((name) => [name, Number(scale.dataset[name])]));
    for (const marker of scale.querySelectorAll(".marker")) {
      const value = readings.get(`${scale.dataset.scale}.${marker.dataset.side}`)?.value;
      if (typeof value !== "number") continue;
      marker.setAttribute("x", `${Math.min(97.5, Math.max(2.5, place(value, limits))).toFixed(2)}%`);
    }
  }
}

/** What somebody is about to press or is writing in must not be drawn anew under the hand. */
const isInUse = (panel) => panel.querySelector("[data-guard][open], :is(input, textarea, select):focus") !== null;

function watch() {
  const now = performance.now();
  const isSilent = now - heardAt > SILENT_MS && now - askedAt > (tries < QUICK_TRIES ? AGAIN_MS : REST_MS);
  if (!isSilent || document.hidden || "stale" in document.documentElement.dataset) return;
  askedAt = now;
  tries += 1;
  for (const panel of document.querySelectorAll('[data-topic~="metrics"][hx-get]')) {
    if (!isInUse(panel)) htmx.trigger(panel, "refresh", {}, false);
  }
}

/** What a page wants anew every so many seconds because it counts: the wall. */
function repeat() {
  if (document.hidden || "stale" in document.documentElement.dataset) return;
  for (const panel of document.querySelectorAll("[data-every][hx-get]")) {
    const now = performance.now();
    if (!drawnAt.has(panel.id)) drawnAt.set(panel.id, now);
    if (now - drawnAt.get(panel.id) < Number(panel.dataset.every) * 1_000 || isInUse(panel)) continue;
    drawnAt.set(panel.id, now);
    htmx.trigger(panel, "refresh", {}, false);
  }
}

document.addEventListener("live:data", move);
if (document.body.dataset.stream) setInterval(() => { watch(); repeat(); }, 1_000);
