// One EventSource that never gives up: EventSource itself stops for good after an HTTP error.
const EVENTS = ["hello", "changed", "beat", "data"];
const SILENCE_MS = 6_000;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 5_000;

export class Stream {
  /** `tell` gets {type, body} for each event, and {type: "down", body: {attempt, retryAt}} while there is none. */
  constructor(url, tell) {
    this.url = url;
    this.tell = tell;
    this.attempt = 0;
    this.open();
  }

  open() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = new EventSource(this.url);
    for (const type of EVENTS) this.source.addEventListener(type, (event) => this.heard(type, event.data));
    this.source.onerror = () => this.retry();
    this.timer = setTimeout(() => this.retry(), SILENCE_MS);
  }

  heard(type, text) {
    let body;
    try { body = JSON.parse(text); } catch { return; }
    this.attempt = 0;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.retry(), SILENCE_MS);
    this.tell({ type, body });
  }

  retry() {
    clearTimeout(this.timer);
    this.source?.close();
    this.attempt += 1;
    const wait = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (this.attempt - 1)) * (0.8 + Math.random() * 0.4);
    this.tell({ type: "down", body: { attempt: this.attempt, retryAt: Date.now() + wait } });
    this.timer = setTimeout(() => this.open(), wait);
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
  }
}
