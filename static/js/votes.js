// Says a vote that came, withdrew or became OUTDATED: one sentence a change, politely, and never one's own.
import { say } from "./say.js";

const known = new Map();

function look() {
  const changed = [];
  for (const row of document.querySelectorAll(".vote[id]")) {
    const word = row.querySelector(".lamp span")?.textContent ?? "";
    const before = known.get(row.id);
    known.set(row.id, word);
    if (before === undefined || before === word || "you" in row.dataset) continue;
    changed.push(`${row.querySelector("h3")?.textContent}: ${word}`);
  }
  if (changed.length) say(`${changed.join(", ")}.`);
}

document.addEventListener("htmx:after:swap", look);
look();
