// The decision dialog: says itself once, takes the focus only from nobody, rests at first, and lets no key answer by
// accident. The page under it is out of reach while it is open; the bar with the rollback never is.
import { alarm, say } from "./say.js";

const REST_MS = 400;
let seen = "";
let openedAt = -REST_MS;

const slot = () => document.getElementById("decision");
const fold = () => document.getElementById("decision-fold");

/** What lies under the open dialog. */
function cover() {
  const isOpen = fold()?.open ?? false;
  for (const under of document.querySelectorAll("#main, .tabs, #notice")) under.inert = isOpen;
}

function look() {
  const dialog = slot()?.querySelector(".dialog");
  const key = dialog ? `${dialog.dataset.minute} ${dialog.dataset.rung}` : "";
  if (key !== seen && key) {
    const isNew = seen.split(" ")[0] !== dialog.dataset.minute;
    openedAt = performance.now();
    document.dispatchEvent(new CustomEvent("decision:new"));
    alarm(`Decision point, minute ${dialog.dataset.minute}. ${document.getElementById("decision-title").textContent} You are asked.`);
    // Whoever types or holds the rollback cover is not interrupted.
    const at = document.activeElement;
    if (isNew && (!at || at === document.body || at.closest("#main"))) document.getElementById("decision-summary").focus({ preventScroll: true });
  } else if (!key && seen) {
    say("The decision point is answered, or over.");
    cover();
    if (document.activeElement === document.body) document.getElementById("main")?.focus({ preventScroll: true });
  }
  seen = key;
  cover();
}

const isResting = (target) => target.closest?.(".answer") && performance.now() - openedAt < REST_MS;

document.addEventListener("click", (event) => {
  if (isResting(event.target)) {
    event.preventDefault();
    event.stopImmediatePropagation();
  } else if (event.target.closest?.("#answer-rollback") && fold()) {
    // The dialog makes room, and the cover in the bar opens: the press under it is the second activation.
    fold().open = false;
    const guard = document.getElementById("rollback");
    if (guard) {
      event.preventDefault();
      guard.open = true;
    }
  }
}, true);
document.addEventListener("keydown", (event) => {
  if (event.repeat && (event.key === "Enter" || event.key === " ") && event.target.closest?.("#decision")) event.preventDefault();
  if (event.key === "Escape" && fold()?.open && !document.querySelector("[data-guard][open]")) {
    fold().open = false;
    document.getElementById("decision-summary").focus({ preventScroll: true });
    say("Put aside. Nothing was answered.");
  }
});
document.addEventListener("toggle", (event) => { if (event.target === fold()) cover(); }, true);
document.addEventListener("htmx:after:swap", look);
look();
