// Brings the deployment's stream to this page and passes each event on as `live:<type>` on the document.
import { Stream } from "./stream.js";

const path = document.body.dataset.stream;
const pass = ({ type, body }) => document.dispatchEvent(new CustomEvent(`live:${type}`, { detail: body }));
const HERE_EVERY_MS = 20_000;

export let retry = () => {};

function shared(url) {
  const worker = new SharedWorker(new URL("./live-worker.js", import.meta.url), { type: "module", name: "gonogo-live" });
  const here = (more = {}) => worker.port.postMessage({ url, ...more });
  worker.port.onmessage = ({ data }) => pass(data);
  worker.onerror = () => alone(url);
  here();
  setInterval(here, HERE_EVERY_MS);
  addEventListener("pageshow", () => here());
  addEventListener("pagehide", () => worker.port.postMessage({ leave: true }));
  document.addEventListener("visibilitychange", () => here());
  retry = () => here({ retry: true });
}

function alone(url) {
  let stream = new Stream(url, pass);
  retry = () => stream.open();
  addEventListener("pagehide", () => stream.close());
  addEventListener("pageshow", (event) => { if (event.persisted) stream.open(); });
  if ("keepStream" in document.body.dataset) return;
  document.addEventListener("visibilitychange", () => (document.hidden ? stream.close() : stream.open()));
}

if (path) {
  const url = new URL(path, location.href).href;
  try {
    if (typeof SharedWorker === "undefined") throw new TypeError("no SharedWorker here");
    shared(url);
  } catch {
    alone(url);
  }
}
