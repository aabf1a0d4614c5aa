// Keys that move, never keys that act: no key votes, switches or rolls back. Can be turned off (WCAG 2.1.4).
import { say } from "./say.js";

const PLACES = { h: "home", b: "board", s: "switch", w: "wall", t: "timeline", c: "checklists" };
const CHORD_MS = 1_500;
const STORE = "gonogo.keys";
let chordUntil = 0;

const isOn = () => localStorage.getItem(STORE) !== "off";
const isTyping = (element) => element.closest?.("input, textarea, select, [contenteditable]") !== null;
const dialog = () => document.getElementById("keys");

function go(letter) {
  const link = document.querySelector(`.tab-links a[data-key="${PLACES[letter]}"]`);
  if (link) location.assign(link.href);
}

function toCover() {
  const cover = document.querySelector("#rollback > summary");
  if (cover) cover.focus();
  else say("There is no rollback to press now.");
}

function help() {
  const box = dialog();
  if (!box) return;
  if (box.open) return box.close();
  box.show(); // not modal: rollback stays reachable
  box.querySelector("button").focus();
}

function pressed(event) {
  if (event.key === "Escape" && dialog()?.open) return dialog().close();
  if (!isOn() || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (event.key === "?") {
    event.preventDefault();
    help();
  } else if (event.shiftKey && event.key === "R") {
    event.preventDefault();
    toCover();
  } else if (event.key === "g") {
    chordUntil = event.timeStamp + CHORD_MS;
  } else if (event.timeStamp < chordUntil && event.key in PLACES) {
    chordUntil = 0;
    event.preventDefault();
    go(event.key);
  }
}

function show() {
  const word = document.querySelector("[data-keys-word]");
  if (word) word.textContent = isOn() ? "on" : "off";
}

document.addEventListener("keydown", pressed);
document.getElementById("keys-toggle")?.addEventListener("click", () => {
  localStorage.setItem(STORE, isOn() ? "off" : "on");
  show();
});
show();
