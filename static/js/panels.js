// Refreshes the panels that are behind. The stream only says which topic has which version; a panel says which
// versions it was rendered from, so a lost or doubled message changes nothing.
const known = {};
const busy = new Map();
const tries = new Map();
const since = new Map();
const AGAIN_MS = 300;
const QUICK_TRIES = 6;
const SLOW_MS = 5_000;
const OLD_MS = 2_000;
const ANSWER_MS = 16_000; // just above htmx's own timeout: a panel taken out of the page never reports back

function isBehind(panel) {
  const topics = panel.dataset.topic.split(" ");
  const versions = panel.dataset.version.split(" ").map(Number);
  return topics.some((topic, index) => (known[topic] ?? 0) > versions[index]);
}

/** A panel whose cover is lifted waits: what somebody is about to press must not move. */
const isHeld = (panel) => panel.querySelector("[data-guard][open]") !== null;

const behind = () => [...document.querySelectorAll("[data-topic][hx-get]")].filter(isBehind);

/** True when no panel is known to be behind. */
export const isCurrent = () => behind().every(isHeld) && busy.size === 0;

export function refresh() {
  for (const panel of behind()) {
    if (performance.now() - (busy.get(panel.id) ?? -ANSWER_MS) < ANSWER_MS || isHeld(panel) || (tries.get(panel.id) ?? 0) >= QUICK_TRIES) continue;
    busy.set(panel.id, performance.now());
    // Not bubbling: a panel inside another one (#home) must not make that one fetch itself as well.
    htmx.trigger(panel, "refresh", {}, false);
  }
}

function answered(event) {
  const panel = event.detail.ctx?.sourceElement;
  if (!panel?.id || !busy.delete(panel.id)) return;
  const fresh = document.getElementById(panel.id);
  if (!fresh?.dataset.topic || !isBehind(fresh)) {
    tries.delete(panel.id);
    return;
  }
  // Still behind: the database's answer was older than its news, or it failed. Again, then at a slower pace.
  const count = (tries.get(panel.id) ?? 0) + 1;
  tries.set(panel.id, count);
  setTimeout(refresh, AGAIN_MS * count);
}

function learn(versions) {
  for (const [topic, version] of Object.entries(versions)) {
    if (version > (known[topic] ?? 0)) known[topic] = version;
  }
  tries.clear();
  refresh();
}

/** A panel that stays behind says so itself: nothing old may look like the truth. */
function mark() {
  const late = behind().filter((panel) => !isHeld(panel));
  for (const id of since.keys()) if (!late.some((panel) => panel.id === id)) since.delete(id);
  for (const panel of late) {
    if (!since.has(panel.id)) since.set(panel.id, performance.now());
    if (performance.now() - since.get(panel.id) > OLD_MS) panel.toggleAttribute("data-behind", true);
  }
}

document.addEventListener("live:hello", (event) => {
  busy.clear();
  learn(event.detail.versions ?? {});
});
document.addEventListener("live:changed", (event) => learn(event.detail));
document.addEventListener("htmx:finally:request", answered);
setInterval(mark, 500);
setInterval(() => {
  tries.clear();
  if (!document.documentElement.hasAttribute("data-stale")) refresh();
}, SLOW_MS);
document.addEventListener("toggle", (event) => { if (!event.target.open) refresh(); }, true);
