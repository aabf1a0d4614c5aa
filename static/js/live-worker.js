// SharedWorker: one stream for all tabs of a deployment (a seventh HTTP/1.1 stream would block the browser).
import { Stream } from "./stream.js";

const FORGET_MS = 180_000;
const rooms = new Map();

class Room {
  constructor(url) {
    this.ports = new Map();
    this.versions = {};
    this.clock = null;
    this.stream = new Stream(url, (message) => this.spread(message));
  }

  spread(message) {
    const { type, body } = message;
    if (type === "hello") this.versions = { ...body.versions };
    if (type === "changed") Object.assign(this.versions, body);
    if (body.now && (type === "hello" || type === "beat")) this.clock = { now: Date.parse(body.now), at: Date.now() };
    for (const port of this.ports.keys()) port.postMessage(message);
  }

  join(port) {
    const isNew = !this.ports.has(port);
    this.ports.set(port, Date.now());
    if (!isNew || !this.clock) return;
    const now = new Date(this.clock.now + Date.now() - this.clock.at).toISOString();
    port.postMessage({ type: "hello", body: { now, versions: this.versions } });
  }
}

function leave(port) {
  for (const [url, room] of rooms) {
    room.ports.delete(port);
    if (room.ports.size > 0) continue;
    room.stream.close();
    rooms.delete(url);
  }
}

onconnect = ({ ports: [port] }) => {
  port.onmessage = ({ data }) => {
    if (data.leave) return leave(port);
    if (!rooms.has(data.url)) rooms.set(data.url, new Room(data.url));
    const room = rooms.get(data.url);
    room.join(port);
    if (data.retry) room.stream.open();
  };
};

// A tab that crashed says nothing: forget the ones not heard of for minutes (hidden tabs speak once a minute).
setInterval(() => {
  const limit = Date.now() - FORGET_MS;
  for (const room of rooms.values()) {
    for (const [port, seen] of room.ports) if (seen < limit) leave(port);
  }
}, 60_000);
