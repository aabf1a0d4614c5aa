// One press, one request; "Sending…" when it takes a while; the first wrong field takes the focus; and plain words
// when a request did not arrive.
import { say } from "./say.js";

const PATIENCE_MS = 150;
const waiting = new WeakMap();

const isRefused = (element) => element?.getAttribute("aria-disabled") === "true";

/** A closed button stays focusable and says why; it never sends. */
function clicked(event) {
  const button = event.target.closest?.("button, [role=button]");
  if (!isRefused(button)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const reason = document.getElementById(button.getAttribute("aria-describedby") ?? "");
  say(reason?.textContent ?? "This is closed until the page is current.");
}

function begin(form, submitter) {
  form.dataset.sending = "";
  const label = submitter?.querySelector("span") ?? null;
  const timer = setTimeout(() => {
    if (!label) return;
    submitter.style.minInlineSize = `${submitter.getBoundingClientRect().width}px`;
    waiting.get(form).text = label.textContent;
    label.textContent = "Sending…";
  }, PATIENCE_MS);
  waiting.set(form, { timer, label, submitter, text: null, row: form.closest("li[id]")?.id ?? "" });
}

function end(form) {
  const state = waiting.get(form);
  if (!state) return;
  waiting.delete(form);
  clearTimeout(state.timer);
  delete form.dataset.sending;
  if (state.text !== null && state.label.textContent === "Sending…") state.label.textContent = state.text;
  state.submitter?.style.removeProperty("min-inline-size");
}

/** A second submit while the first is on its way is dropped: htmx does so by hx-sync, plain forms here. */
function submitted(event) {
  const form = event.target;
  const isSentByHtmx = form.hasAttribute("hx-post");
  if (form.method !== "post" || (event.defaultPrevented && !isSentByHtmx)) return;
  if ("sending" in form.dataset) {
    event.preventDefault();
    event.stopImmediatePropagation();
    return;
  }
  begin(form, event.submitter);
}

function freshKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function finished(event) {
  const form = event.detail.ctx?.sourceElement;
  const sent = event.detail.ctx?.sourceEvent?.target;
  for (const element of new Set([form, sent])) if (element instanceof HTMLFormElement) end(element);
}

/** An answer came, whatever it says: the next press is a new intent. Without an answer the key stays the same. */
function answered(event) {
  const form = event.detail.ctx.sourceElement;
  if (!(form instanceof HTMLFormElement)) return;
  const key = form.elements.namedItem("_key");
  const { status } = event.detail.ctx.response;
  if (status === 200 && "reset" in form.dataset) form.reset();
  if (key && status < 500) key.value = freshKey();
}

/** The form went away with its answer, or was folded away: the focus stays in its row while one sees it, else at what the
    answer is about ([data-answer]), else at the panel's heading. */
function stay(panel, row) {
  const next = (row?.checkVisibility() ? row.querySelector("summary, textarea, button, a") : null) ?? panel?.querySelector("[data-answer]") ?? panel?.querySelector("[tabindex], summary, h1, h2");
  if (!next) return;
  if (next.tabIndex < 0) next.tabIndex = -1;
  next.focus();
}

function swapped(event) {
  const { ctx } = event.detail;
  if (!(ctx.sourceEvent?.target instanceof HTMLFormElement)) return;
  // hx-status gives a selector, hx-target an element; and morphing may have put another element in its place.
  const target = typeof ctx.target === "string" ? document.querySelector(ctx.target) : document.getElementById(ctx.target?.id ?? "");
  const wrong = target?.querySelector('[aria-invalid="true"]');
  if (wrong) return wrong.focus();
  if (target?.id === "notice") {
    (target.querySelector("[tabindex], a, button") ?? target).focus();
  } else if (document.activeElement === document.body || !document.activeElement.checkVisibility()) {
    stay(target, document.getElementById(waiting.get(ctx.sourceElement)?.row ?? ""));
  }
  if (target?.id !== "notice") document.getElementById("notice")?.replaceChildren();
}

function tell(title, text) {
  const notice = document.getElementById("notice");
  if (!notice) return;
  const panel = document.createElement("section");
  panel.className = "panel error";
  const body = document.createElement("div");
  body.className = "body";
  const heading = document.createElement("h2");
  heading.textContent = title;
  const words = document.createElement("p");
  words.textContent = text;
  body.append(heading, words);
  panel.append(body);
  notice.replaceChildren(panel);
  notice.focus();
  say(`${title} ${text}`);
}

function failed(event) {
  const { ctx } = event.detail;
  if (!(ctx?.sourceElement instanceof HTMLFormElement)) return;
  const isRollback = ctx.sourceElement.closest("#guard") !== null;
  const remedy = isRollback
    ? "Press again: pressing twice does no harm. If it fails again, run “gonogo rollback-now” on a worker."
    : "Look at the page once it is connected again, then press again: the same press is never carried out twice.";
  if (!ctx.response) tell("The server did not answer.", `Nobody knows whether the press arrived. ${remedy}`);
  else if (ctx.response.status >= 500) tell(`The server could not do it (${ctx.response.status}).`, remedy);
}

document.addEventListener("click", clicked, true);
document.addEventListener("submit", submitted, true);
document.addEventListener("htmx:after:request", answered);
document.addEventListener("htmx:finally:request", finished);
document.addEventListener("htmx:after:swap", swapped);
document.addEventListener("htmx:response:error", failed);
document.addEventListener("htmx:error", failed);
addEventListener("pageshow", () => { for (const form of document.querySelectorAll("form[data-sending]")) end(form); });
document.querySelector('main [aria-invalid="true"]')?.focus();
