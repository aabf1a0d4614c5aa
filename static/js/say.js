// The page's two live regions. One sentence a change; a sentence is never said twice in a row within a few seconds.
const AGAIN_MS = 3_000;
const last = { say: ["", 0], alarm: ["", 0] };

function write(id, text) {
  const box = document.getElementById(id);
  const [before, at] = last[id];
  if (!box || !text || (before === text && Date.now() - at < AGAIN_MS)) return;
  last[id] = [text, Date.now()];
  box.textContent = "";
  requestAnimationFrame(() => { box.textContent = text; });
}

/** Politely: votes, phases, ends of operations, what a key did. */
export const say = (text) => write("say", text);

/** At once: a new critical alarm, a lost connection. */
export const alarm = (text) => write("alarm", text);
