// Numbers and times as people read them: the same forms as app/web/figures.py.
const SPACE = "\u00a0";
const UNKNOWN = "—";
const two = (number) => String(number).padStart(2, "0");

export function thousands(value) {
  return value == null ? UNKNOWN : Math.round(value).toLocaleString("en-US");
}

export function plain(value) {
  if (value == null || Number.isNaN(value)) return UNKNOWN;
  const size = Math.abs(value);
  const digits = size === 0 ? 0 : size < 1 ? 2 : size < 10 ? 1 : 0;
  return value.toLocaleString("en-US", { maximumFractionDigits: digits });
}

export function age(seconds) {
  if (seconds == null) return UNKNOWN;
  if (seconds < 9.95) return `${Math.max(seconds, 0).toFixed(1)}${SPACE}s`;
  if (seconds >= 86_400) {
    const days = Math.floor(seconds / 86_400);
    return `${days}${SPACE}${days === 1 ? "day" : "days"}`;
  }
  if (seconds >= 3_600) return `${Math.floor(seconds / 3_600)}${SPACE}h`;
  if (seconds >= 120) return `${Math.floor(seconds / 60)}${SPACE}min`;
  return `${Math.max(10, Math.floor(seconds))}${SPACE}s`;
}

export function countdown(seconds) {
  const left = Math.max(0, Math.round(seconds));
  if (left < 100) return `${left}${SPACE}s`;
  const hours = Math.floor(left / 3_600);
  const minutes = Math.floor((left % 3_600) / 60);
  return hours ? `${hours}:${two(minutes)}:${two(left % 60)}` : `${minutes}:${two(left % 60)}`;
}

export function tClock(milliseconds) {
  const seconds = Math.floor(milliseconds / 1_000);
  const left = Math.abs(seconds);
  return `T${seconds >= 0 ? "+" : "\u2212"}${two(Math.floor(left / 3_600))}:${two(Math.floor((left % 3_600) / 60))}:${two(left % 60)}`;
}

const FORMS = new Map();

/** Time of day in a zone: "13:41:22". */
export function hms(milliseconds, zone) {
  if (!FORMS.has(zone)) {
    FORMS.set(zone, new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }));
  }
  return FORMS.get(zone).format(milliseconds);
}

export const FORMATS = {
  percent: (value) => (value == null ? UNKNOWN : `${plain(value)}${SPACE}%`),
  age,
  count: thousands,
  seconds: (value) => (value == null ? UNKNOWN : `${value.toFixed(2)}${SPACE}s`),
  plain,
};
