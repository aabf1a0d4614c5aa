// Server time, T-clock, ages and countdowns. Nothing here trusts the browser's clock: only its rate.
import { age, countdown, hms, tClock } from "./figures.js";
import { say } from "./say.js";

const TICK_MS = 200;
const PULSE_MS = 500;
const SPOKEN = [60, 30, 10];
const WORK_END = 95; // percent: what runs never looks as if it were done
let offset = null;
let heardAt = null;
const spoken = new Set();

/** Calls twice a second: ages are written together, because each time something changes the whole page is drawn anew. An
    age in tenths of a second that changed by itself took every open page a tenth of a core. */
const pulses = [];
export const onPulse = (call) => pulses.push(call);

/** Milliseconds of server time, or null before the first event. */
export const serverNow = () => (offset === null ? null : Date.now() + offset);

/** Server time of the last event: the time of the last truth. */
export const lastTruth = () => heardAt;

function learn(event) {
  const server = Date.parse(event.detail.now);
  if (Number.isNaN(server)) return;
  // An event is never early, so the largest difference is the truest; a jump of the computer's clock starts anew.
  const difference = server - Date.now();
  offset = offset === null || Math.abs(difference - offset) > 2_000 ? difference : Math.max(difference, offset - 1);
  heardAt = server;
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function put(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

function speak(element, seconds) {
  const mark = SPOKEN.find((limit) => Math.round(seconds) === limit);
  const key = `${element.dataset.until} ${mark}`;
  if (mark === undefined || spoken.has(key)) return;
  spoken.add(key);
  say(`${mark} seconds left.`);
}

/** Work that runs, as app/web/drawing.py draws it: one scale for what has passed and what is expected. */
function drawWork(bar, now) {
  const from = Date.parse(bar.dataset.workFrom);
  const expected = Math.max(0, Date.parse(bar.dataset.workTo) - from);
  const elapsed = Math.max(0, now - from);
  const longest = Math.max(elapsed, expected, 1);
  const mark = (expected / longest) * WORK_END;
  const done = (elapsed / longest) * WORK_END;
  const draw = (part, name, value) => put(bar.querySelector(part), name, value.toFixed(1));
  draw(".fill", "width", Math.min(done, mark));
  draw(".over", "x", mark);
  draw(".over", "width", Math.max(0, done - mark));
  draw(".mark", "x", mark);
}

function tick() {
  const now = serverNow();
  if (now === null) return;
  const isStale = "stale" in document.documentElement.dataset;
  for (const element of document.querySelectorAll("[data-clock]")) {
    const { clock, zone, zero } = element.dataset;
    if (clock === "server") write(element, hms(isStale ? heardAt : now, zone));
    else if (zero) write(element, (isStale ? "≈" : "") + tClock(now - Date.parse(zero)));
  }
  for (const element of document.querySelectorAll("[data-until]")) {
    const seconds = (Date.parse(element.dataset.until) - now) / 1_000;
    write(element, countdown(seconds));
    if ("speak" in element.dataset) speak(element, seconds);
  }
  for (const element of document.querySelectorAll("[data-since]")) {
    const seconds = Math.max(0, (now - Date.parse(element.dataset.since)) / 1_000);
    write(element, "whole" in element.dataset ? String(Math.floor(seconds)) : seconds.toFixed(1));
  }
  for (const element of document.querySelectorAll("[data-run-from]")) {
    const from = Date.parse(element.dataset.runFrom);
    const share = (now - from) / (Date.parse(element.dataset.runTo) - from);
    put(element, "width", Math.min(100, Math.max(0, share * 100)).toFixed(1));
  }
  for (const bar of document.querySelectorAll("[data-work-from]")) drawWork(bar, now);
}

function writeAges() {
  const now = serverNow();
  if (now === null) return;
  for (const element of document.querySelectorAll("[data-age]")) {
    write(element, `${age((now - Date.parse(element.dataset.age)) / 1_000)} ago`);
  }
}

onPulse(writeAges);
const pulse = () => pulses.forEach((call) => call());
const all = () => { tick(); pulse(); };

document.addEventListener("live:hello", learn);
document.addEventListener("live:beat", learn);
document.addEventListener("htmx:after:swap", all);
document.addEventListener("visibilitychange", all);
setInterval(tick, TICK_MS);
setInterval(pulse, PULSE_MS);
