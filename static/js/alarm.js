// Says a new banner once, by its key, and tells the sound.
import { alarm, say } from "./say.js";

const said = new Set();

function look() {
  const banner = document.querySelector("#banner [data-key]");
  if (!banner || said.has(banner.dataset.key)) return;
  said.add(banner.dataset.key);
  const sentence = banner.querySelector(".banner-text")?.innerText ?? "";
  (banner.dataset.state === "crit" ? alarm : say)(sentence);
  document.dispatchEvent(new CustomEvent("alarm:new", { detail: { state: banner.dataset.state, key: banner.dataset.key } }));
}

document.addEventListener("htmx:after:swap", look);
look();
