// The guard: two deliberate presses, no drag, no hold, no typing. <details> lifts the cover even without script;
// this closes it after 10 s, ignores key repeat and the first 400 ms, and keeps the focus where the hand is.
import { say } from "./say.js";

const OPEN_MS = 10_000;
const REST_MS = 400;
const TICK_MS = 200;
const MOVED_PX = 8; // less than that puts nothing else under the finger
const lifted = new Map();
const movedAt = new Map();
let seenAt = new Map();

const press = (guard) => guard.querySelector("[data-press]");
const cover = (guard) => guard.querySelector("summary");

function close(guard, words) {
  if (!guard.open) return;
  const hadFocus = guard.contains(document.activeElement) || document.activeElement === document.body;
  guard.open = false;
  say(words);
  if (hadFocus) cover(guard).focus({ preventScroll: true });
}

function tick(guard, openedAt) {
  const rest = OPEN_MS - (performance.now() - openedAt);
  if (!guard.isConnected) return forget(guard);
  if (guard.querySelector("form[data-sending]")) return;
  if (rest <= 0) return close(guard, "Cover closed. Nothing was pressed.");
  guard.querySelector("[data-drain]")?.setAttribute("width", String((rest / OPEN_MS) * 100));
  const seconds = Math.ceil(rest / 1_000);
  for (const box of guard.querySelectorAll("[data-left]")) box.textContent = `closes in ${seconds} s`;
  for (const box of guard.querySelectorAll("[data-left-sentence]")) box.textContent = `Nothing has moved yet. The cover closes by itself in ${seconds} s.`;
}

function forget(guard) {
  clearInterval(lifted.get(guard)?.timer);
  lifted.delete(guard);
}

function toggled({ target: guard }) {
  if (!guard.matches?.("[data-guard]")) return;
  forget(guard);
  if (!guard.open) return;
  const at = performance.now();
  lifted.set(guard, { at, timer: setInterval(() => tick(guard, at), TICK_MS) });
  tick(guard, at);
  press(guard)?.focus();
  say("Cover open for 10 seconds. Press the button to confirm, or Escape to close.");
}

const hasMoved = (guard) => performance.now() - (movedAt.get(guard.id) ?? -REST_MS) < REST_MS;

/** Too soon after the cover opened, or after something moved under the finger. */
function isResting(guard) {
  const now = performance.now();
  return now - (lifted.get(guard)?.at ?? now) < REST_MS || hasMoved(guard);
}

function clicked(event) {
  const button = event.target.closest?.("[data-press]");
  const guard = event.target.closest?.("[data-guard]");
  if (!guard) return;
  if (event.target.closest("[data-close]")) return close(guard, "Cover closed. Nothing was pressed.");
  // The cover itself never rests: to lift it does no harm, and a rollback must not cost a third press.
  if (!button || !isResting(guard)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}

function typed(event) {
  const guard = event.target.closest?.("[data-guard]");
  if (guard && event.repeat && (event.key === "Enter" || event.key === " ")) event.preventDefault();
  if (event.key !== "Escape") return;
  for (const open of document.querySelectorAll("[data-guard][open]")) close(open, "Cover closed. Nothing was pressed.");
}

/** The press was taken: the cover closes, so that the guard can show what became of it. */
function answered(event) {
  const { ctx } = event.detail;
  const guard = ctx.sourceElement.closest?.("[data-guard]");
  if (guard?.open && (ctx.response.status < 400 || ctx.response.status === 409)) close(guard, ctx.response.status < 400 ? "Sent." : "");
}

let wasInSlot = false;
const slot = () => document.getElementById("guard");
function beforeSwap() { wasInSlot = slot()?.contains(document.activeElement) ?? false; }
function afterSwap() {
  watch();
  if (wasInSlot && document.activeElement === document.body) slot()?.querySelector("summary, [tabindex]")?.focus({ preventScroll: true });
}

/** Where each guard's cover and press are on the screen. A change restarts the rest of that guard alone: the rollback
    never waits because something else on the page moved. */
function watch() {
  const places = new Map();
  for (const element of document.querySelectorAll("[data-guard] > summary, [data-guard][open] [data-press]")) {
    const guard = element.closest("[data-guard]");
    const box = element.getBoundingClientRect();
    const place = places.get(guard.id) ?? { open: guard.open, at: [] };
    place.at.push(box.left, box.top);
    places.set(guard.id, place);
  }
  for (const [id, place] of places) {
    const before = seenAt.get(id);
    const wasAlike = before?.open === place.open && before.at.length === place.at.length;
    const hasLeft = wasAlike && place.at.some((value, index) => Math.abs(value - before.at[index]) > MOVED_PX);
    if (hasLeft && !scrolling) movedAt.set(id, performance.now());
  }
  seenAt = places;
}

let scrolling = false;
let scrollTimer = 0;
addEventListener("scroll", () => {
  scrolling = true;
  clearTimeout(scrollTimer);
  scrollTimer = setTimeout(() => { watch(); scrolling = false; }, 150);
}, { passive: true });

document.addEventListener("toggle", toggled, true);
document.addEventListener("click", clicked, true);
document.addEventListener("keydown", typed, true);
document.addEventListener("htmx:after:request", answered);
document.addEventListener("htmx:before:swap", beforeSwap);
document.addEventListener("htmx:after:swap", afterSwap);
document.addEventListener("live:state", watch);
addEventListener("resize", watch);
watch();
for (const guard of document.querySelectorAll("[data-guard][open]")) toggled({ target: guard });
