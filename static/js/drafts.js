// What somebody typed survives a detour (a fresh sign-in) and a reload: kept in this tab until it was sent.
const PREFIX = "gonogo.draft:";

const keyOf = (field) => `${PREFIX}${location.pathname}#${field.id}`;
const fields = () => document.querySelectorAll("[data-draft] textarea[id]");

function remember(event) {
  const field = event.target;
  if (!field.matches?.("[data-draft] textarea[id]")) return;
  if (field.value) sessionStorage.setItem(keyOf(field), field.value);
  else sessionStorage.removeItem(keyOf(field));
}

/** Only an answer that took the text (2xx) ends a draft; a refusal keeps it. */
function sent(event) {
  const { ctx } = event.detail;
  if (!(ctx.sourceElement instanceof HTMLFormElement) || !ctx.response || ctx.response.status >= 300) return;
  for (const field of ctx.sourceElement.querySelectorAll("[data-draft] textarea[id]")) sessionStorage.removeItem(keyOf(field));
}

function restore() {
  for (const field of fields()) {
    const draft = sessionStorage.getItem(keyOf(field));
    if (draft && !field.value) field.value = draft;
  }
}

document.addEventListener("input", remember);
document.addEventListener("htmx:after:request", sent);
document.addEventListener("htmx:after:swap", restore);
restore();
