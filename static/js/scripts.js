// The output of scripts while it comes. The stream only says that there is more; what it is comes by request, and goes
// into the page as text, never as markup. Follows the end unless somebody scrolled up.
import { say } from "./say.js";

const KEPT = 1_000_000; // characters in the page; the whole text is a download
const CUT = "… earlier output is in the whole text …\n";
const NEAR_PX = 24;
const AGAIN_MS = 1_000;
const REST_MS = 300; // between two questions while a script prints: many browsers watch it, and a press must not wait
const followed = [];

class Output {
  constructor(section) {
    this.section = section;
    this.box = section.querySelector("pre");
    this.printed = section.querySelector("[data-printed]");
    this.pending = section.querySelector("[data-pending]");
    this.toEnd = section.querySelector("[data-to-end]");
    this.run = Number(section.dataset.run);
    this.after = Number(section.dataset.after);
    this.follows = true;
    this.busy = false;
    this.again = false;
    this.box.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.toEnd.addEventListener("click", () => this.end(true));
    section.querySelector("[data-copy]").addEventListener("click", () => this.copy());
    this.end(true);
  }

  /** One request at a time; what is heard meanwhile asks once more. */
  async fetch() {
    if (this.busy) {
      this.again = true;
      return;
    }
    this.busy = true;
    try {
      do {
        this.again = false;
        const answer = await fetch(`${this.section.dataset.output}?run=${this.run}&after=${this.after}`, { headers: { Accept: "application/json" } });
        if (!answer.ok) throw new Error(String(answer.status));
        const isBehind = this.take(await answer.json());
        if (!isBehind) await new Promise((rested) => setTimeout(rested, REST_MS));
        this.again = isBehind || this.again;
      } while (this.again);
    } catch {
      setTimeout(() => this.fetch(), AGAIN_MS);
    } finally {
      this.busy = false;
    }
  }

  take({ run, after, text, pending, fresh, more, size }) {
    if (fresh) this.printed.textContent = "";
    this.run = run;
    this.after = after;
    this.section.hidden = run === 0;
    if (text) this.printed.append(document.createTextNode(text));
    this.shorten();
    this.pending.textContent = pending;
    this.section.querySelector("[data-size].hint").textContent = size;
    this.end(fresh);
    return more;
  }

  shorten() {
    let length = this.printed.textContent.length;
    if (length <= KEPT) return;
    while (length > KEPT && this.printed.childNodes.length > 1) {
      length -= this.printed.firstChild.data.length;
      this.printed.firstChild.remove();
    }
    this.printed.prepend(document.createTextNode(CUT));
  }

  end(always) {
    if (always) this.follows = true;
    if (this.follows) this.box.scrollTop = this.box.scrollHeight;
    this.toEnd.hidden = this.follows;
  }

  scrolled() {
    this.follows = this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < NEAR_PX;
    this.toEnd.hidden = this.follows;
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(this.printed.textContent + this.pending.textContent);
      say("The output is copied.");
    } catch {
      say("This browser does not let the page copy. Use the whole text.");
    }
  }
}

for (const section of document.querySelectorAll("[data-output]")) followed.push(new Output(section));

document.addEventListener("live:data", ({ detail }) => {
  if (!detail.script) return;
  for (const output of followed) if (output.run === detail.script.run && detail.script.seq >= output.after) output.fetch();
});
/** Another run, the end of one, or a stream that was away: the versions only say that something changed. */
const look = ({ detail }) => { if ("scripts" in (detail.versions ?? detail)) for (const output of followed) output.fetch(); };
document.addEventListener("live:hello", look);
document.addEventListener("live:changed", look);
