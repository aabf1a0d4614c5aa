// Plays the table of a dry run: a clock at the chosen speed, the line that is due, a slider to stand anywhere. Without
// script the table is all there is, and it is whole.
import { hms } from "./figures.js";
import { say } from "./say.js";

const SPOKEN_MS = 2_500;
const player = document.getElementById("player");
const rows = [...document.querySelectorAll("#dry-table tbody tr")];
const lines = rows.map((row) => ({ row, at: Number(row.dataset.at), text: row.querySelector(".dry-what").textContent }));
const [play, again, speed, slider] = ["dry-play", "dry-again", "dry-speed", "dry-at"].map((id) => document.getElementById(id));
const [clock, offset, word, sentence] = ["dry-clock", "dry-offset", "dry-word", "dry-text"].map((id) => document.getElementById(id));

const first = lines[0].at;
const last = lines.at(-1).at;
const start = Date.parse(player.dataset.start);
let at = first;
let shown = -1;
let frame = 0;
let before = 0;
let spoken = 0;

function fromStart(seconds) {
  const left = Math.abs(Math.trunc(seconds));
  const days = Math.floor(left / 86_400);
  const two = (number) => String(number).padStart(2, "0");
  const time = `${Math.floor((left % 86_400) / 3_600)}:${two(Math.floor((left % 3_600) / 60))}:${two(left % 60)}`;
  return `${seconds < 0 ? "\u2212" : "+"}${days ? `${days}\u00a0${days === 1 ? "day" : "days"} ` : ""}${time}`;
}

/** The last line whose time has come; −1 before the first. */
function due() {
  let index = lines.length - 1;
  while (index >= 0 && lines[index].at > at + 1e-6) index -= 1;
  return index;
}

function draw(isMoving) {
  clock.textContent = hms(start + at * 1_000, player.dataset.zone);
  offset.textContent = fromStart(at);
  slider.value = String(at);
  slider.setAttribute("aria-valuetext", `${clock.textContent}, ${offset.textContent} from the start`);
  const index = due();
  if (index === shown) return;
  lines.forEach(({ row }, number) => {
    row.toggleAttribute("data-done", number < index);
    if (number === index) row.setAttribute("aria-current", "step");
    else row.removeAttribute("aria-current");
  });
  shown = index;
  word.textContent = index < 0 ? "To come" : "Now";
  sentence.textContent = lines[Math.max(0, index)].text;
  if (!isMoving || index < 0) return;
  const box = lines[index].row.getBoundingClientRect();
  if (box.top < 0 || box.bottom > innerHeight) lines[index].row.scrollIntoView({ block: "center" });
  // At a high speed only some lines are said; the table has them all.
  if (performance.now() - spoken < SPOKEN_MS) return;
  spoken = performance.now();
  say(lines[index].text);
}

function pause() {
  cancelAnimationFrame(frame);
  frame = 0;
  play.textContent = at >= last ? "Play again" : at > first ? "Go on" : "Start";
}

function step(now) {
  // The first frame may have begun before the press: time never goes back.
  at = Math.min(last, at + (Math.max(0, now - before) / 1_000) * Number(speed.value));
  before = Math.max(before, now);
  draw(true);
  if (at < last) frame = requestAnimationFrame(step);
  else finish();
}

function finish() {
  pause();
  say("The dry run is over.");
}

function run() {
  if (at >= last) at = first;
  if (speed.value === "max") {
    at = last;
    draw(false);
    finish();
    return;
  }
  play.textContent = "Pause";
  before = performance.now();
  draw(true);
  frame = requestAnimationFrame(step);
}

play.addEventListener("click", () => (frame ? pause() : run()));
again.addEventListener("click", () => {
  pause();
  at = first;
  draw(false);
  pause();
});
slider.addEventListener("input", () => {
  at = Number(slider.value);
  draw(false);
  if (!frame) pause();
});
speed.addEventListener("change", () => {
  if (!frame || speed.value !== "max") return;
  cancelAnimationFrame(frame);
  run();
});

player.hidden = false;
draw(false);
