// Off until switched on: one chime for a critical alarm, another for a decision, again every 30 s until somebody
// touches a key or the pointer on this page.
const STORE = "gonogo.sound";
const AGAIN_MS = 30_000;
const TUNES = { crit: [880, 660, 880], decision: [523, 659] };
const NOTE_S = 0.22;
let audio = null;
let timer = 0;

const isOn = () => localStorage.getItem(STORE) === "on";

function chime(tune) {
  audio ??= new AudioContext();
  TUNES[tune].forEach((pitch, index) => {
    const start = audio.currentTime + index * NOTE_S;
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0.0001, start);
    volume.gain.exponentialRampToValueAtTime(0.25, start + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.0001, start + NOTE_S);
    tone.connect(volume).connect(audio.destination);
    tone.start(start);
    tone.stop(start + NOTE_S);
  });
}

function ring(tune) {
  clearInterval(timer);
  if (!isOn()) return;
  chime(tune);
  timer = setInterval(() => chime(tune), AGAIN_MS);
}

function show() {
  const word = document.querySelector("[data-sound-word]");
  if (word) word.textContent = isOn() ? "on" : "off";
}

document.getElementById("sound-toggle")?.addEventListener("click", () => {
  localStorage.setItem(STORE, isOn() ? "off" : "on");
  show();
  if (isOn()) chime("decision");
});
document.addEventListener("alarm:new", (event) => { if (event.detail.state === "crit") ring("crit"); });
document.addEventListener("decision:new", () => ring("decision"));
for (const type of ["keydown", "pointerdown"]) document.addEventListener(type, () => clearInterval(timer), true);
show();
