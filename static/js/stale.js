// Live, Late or STALE, by the age of the last event; and the locks of a page that is not current.
import { hms, age } from "./figures.js";
import { retry } from "./live.js";
import { lastTruth, onPulse } from "./clock.js";
import { isCurrent } from "./panels.js";
import { alarm, say } from "./say.js";

const LATE_MS = 2_000;
const STALE_MS = 4_800; // shown at 5 s at the latest, the tick included
const CATCH_UP_MS = 5_000;
const TICK_MS = 100;
const root = document.documentElement;
let lastAt = performance.now();
let backAt = lastAt;
let hasHeard = false;
let down = null;
let state = "connecting";

const zone = () => document.querySelector('[data-clock="server"]')?.dataset.zone ?? "UTC";
const truth = () => (lastTruth() === null ? "when it was opened" : hms(lastTruth(), zone()));

function heard() {
  if (performance.now() - lastAt > STALE_MS) backAt = performance.now();
  lastAt = performance.now();
  hasHeard = true;
  down = null;
}

/** Hold back what must not be decided on old numbers. The guard has no data-lock: rollback is never held back. */
function lock(isLocked) {
  for (const button of document.querySelectorAll("[data-lock] button")) {
    const isHeld = "held" in button.dataset;
    if (isLocked && !isHeld && button.getAttribute("aria-disabled") !== "true") {
      button.dataset.held = "";
    } else if (!isLocked && isHeld) {
      delete button.dataset.held;
      button.removeAttribute("aria-disabled");
    }
    if (isLocked && "held" in button.dataset) button.setAttribute("aria-disabled", "true");
  }
}

function showConnection(seconds) {
  const box = document.getElementById("connection");
  if (!box) return;
  const words = { connecting: "Connecting", live: `Live, ${age(seconds)}`, late: `Late, ${Math.floor(seconds)}\u00a0s`, stale: `Lost, ${age(seconds)}` };
  if (box.dataset.state !== state) {
    box.dataset.state = state;
    box.innerHTML = `${state === "stale" ? '<svg class="i" aria-hidden="true"><use href="#i-plug"/></svg>' : ""}<span></span>`;
  }
  const span = box.querySelector("span");
  if (span.textContent !== words[state]) span.textContent = words[state];
}

function showBanner(silence) {
  const banner = document.getElementById("stale");
  if (!banner) return;
  banner.hidden = state !== "stale";
  if (banner.hidden) return;
  const wait = down ? Math.max(0, Math.ceil((down.retryAt - Date.now()) / 1_000)) : 0;
  const trying = down ? (wait ? `Trying again in ${wait} s (attempt ${down.attempt + 1}).` : "Trying now.") : "Waiting for the server.";
  const since = `${Math.max(5, Math.round(silence))}\u00a0s`;
  const title = "wall" in root.dataset ? `STALE: last update ${truth()}, ${since} ago` : `STALE: no connection for ${since}. What you see is from ${truth()}.`;
  const text = "wall" in root.dataset ? `Numbers are old. ${trying}` : `${trying} Votes, “Proceed” and the switch are locked until the page is current. Rollback is never locked.`;
  for (const [id, words] of [["stale-title", title], ["stale-text", text]]) {
    const box = document.getElementById(id);
    if (box.textContent !== words) box.textContent = words;
  }
}

function change(next) {
  const before = state;
  state = next;
  root.toggleAttribute("data-stale", next === "stale");
  if (next === "stale") alarm(`STALE. No connection. What you see is from ${truth()}.`);
  if (before === "stale") say("Connected again. The page is current.");
  document.dispatchEvent(new CustomEvent("live:state", { detail: { state } }));
}

function judge(silence) {
  if (silence > STALE_MS) return "stale";
  if (!hasHeard) return "connecting";
  // Connected again is not yet current: wait for the panels that are behind, but not for one that cannot be had.
  if (state === "stale" && !isCurrent() && performance.now() - backAt < CATCH_UP_MS) return "stale";
  return silence > LATE_MS ? "late" : "live";
}

function tick() {
  const next = judge(performance.now() - lastAt);
  const isNews = next !== state;
  if (isNews) change(next);
  lock(state === "stale");
  if (isNews) show();
}

function show() {
  const silence = (performance.now() - lastAt) / 1_000;
  showConnection(silence);
  showBanner(silence);
}

function refuse(event) {
  if (state !== "stale" || !event.target.closest?.("[data-lock]")) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  say("Nothing was sent: this page is not current. Wait until it is connected again.");
}

if (document.body.dataset.stream) {
  for (const type of ["hello", "changed", "beat", "data"]) document.addEventListener(`live:${type}`, heard);
  document.addEventListener("live:down", (event) => { down = event.detail; });
  document.addEventListener("submit", refuse, true);
  document.addEventListener("htmx:after:swap", () => lock(state === "stale"));
  document.addEventListener("visibilitychange", tick);
  document.getElementById("stale-retry")?.addEventListener("click", () => retry());
  setInterval(tick, TICK_MS);
  onPulse(show);
  tick();
}
