// Writes what the stream measured into texts (data-live) and SVG widths (data-live-width, data-live-x).
import { onPulse } from "./clock.js";
import { FORMATS, plain } from "./figures.js";

const latest = {};
const heardAt = {};

function find(key) {
  const [area, name, side] = key.split(".");
  if (area === "readings") return latest.readings?.[`${name}.${side}`];
  return latest[area]?.[name];
}

function text(element, value) {
  const name = element.dataset.live.split(".")[1];
  if (value !== null && typeof value === "object") return value.verdict === "UNKNOWN" ? "—" : value.text ?? plain(value.value);
  const format = FORMATS[element.dataset.format];
  if (format === FORMATS.age && value != null) return format(value + (performance.now() - heardAt[name]) / 1_000);
  return format ? format(value) : value == null ? "—" : String(value);
}

function draw() {
  for (const element of document.querySelectorAll("[data-live]")) {
    const value = find(element.dataset.live);
    if (value === undefined) continue;
    const words = text(element, value);
    if (element.textContent !== words) element.textContent = words;
  }
  for (const [name, attribute] of [["liveWidth", "width"], ["liveX", "x"]]) {
    const selector = name === "liveWidth" ? "[data-live-width]" : "[data-live-x]";
    for (const element of document.querySelectorAll(selector)) {
      const value = find(element.dataset[name]);
      if (typeof value !== "number" || element.getAttribute(attribute) === `${value}%`) continue;
      element.setAttribute(attribute, `${value}%`);
    }
  }
}

document.addEventListener("live:data", ({ detail }) => {
  if (detail.traffic) {
    // Not every message tells everything: what it leaves out stays, and grows old.
    latest.traffic = { ...latest.traffic, ...detail.traffic };
    for (const name of Object.keys(detail.traffic)) heardAt[name] = performance.now();
  }
  if (detail.customers) latest.customers = detail.customers;
  if (detail.readings) {
    latest.readings ??= {};
    for (const reading of detail.readings) latest.readings[`${reading.metric}.${reading.side}`] = reading;
  }
  draw();
});
document.addEventListener("htmx:after:swap", draw);
onPulse(() => { if (latest.traffic) draw(); }); // an old age must not look young
