// How what happened is put into words.
import type { Entry, Life, Status } from "./api";

const VERBS: Record<string, [sign: string, verb: string]> = {
  request_sent: ["→", "sends"],
  request_arrived: ["⇥", "receives"],
  answer_sent: ["←", "answers"],
  answer_arrived: ["⇤", "is answered"],
  request_lost: ["✕", "gives up"],
  request_dropped: ["✕", "lets go of"],
  connect_failed: ["✕", "gets no connection"],
  disk_synced: ["▪", "syncs"],
  disk_written: ["▫", "writes"],
  fault_began: ["!", "fault begins:"],
  fault_ended: ["✓", "fault ends:"],
  booted: ["▸", "starts:"],
  exited: ["■", "ends:"],
  note: ["•", ""],
};

export function sign(entry: Entry): string {
  return VERBS[entry.kind]?.[0] ?? "·";
}

/** Returns what happened, without where: `sends prepare m1`. */
export function what(entry: Entry): string {
  const verb = VERBS[entry.kind]?.[1] ?? entry.kind;
  const text = entry.kind === "note" ? entry.what.replaceAll("-", " ") : entry.what;
  return [verb, text, entry.message ?? ""].filter(Boolean).join(" ");
}

/** Whether an entry tells of something that came to its machine. */
export function isArrival(entry: Entry): boolean {
  return entry.kind.endsWith("_arrived");
}

export function where(entry: Entry): string {
  if (!entry.other) return entry.node;
  return `${entry.node} ${isArrival(entry) ? "←" : "→"} ${entry.other}`;
}

/** Returns a whole entry in a sentence, for those who hear it. */
export function sentence(entry: Entry): string {
  const by = entry.kind === "answer_arrived" ? "by" : isArrival(entry) ? "from" : "to";
  const to = entry.other ? ` ${by} ${entry.other}` : "";
  const end = entry.result ? `, ${result(entry)}` : "";
  return `Entry ${entry.n}, ${entry.at}: ${entry.node} ${what(entry)}${to}${end}`;
}

/** Returns the result of an entry; of a request that leaves, what will become of it. */
export function result(entry: Entry): string {
  if (!entry.result) return "";
  return entry.kind === "request_sent" ? `later ${entry.result}` : entry.result;
}

export function isBad(entry: Entry): boolean {
  return ["request_lost", "request_dropped", "connect_failed", "exited"].includes(entry.kind)
    || (entry.result?.startsWith("lost") ?? false);
}

export const LIVES: Record<Life, [sign: string, word: string]> = {
  not_started: ["○", "not started"],
  up: ["●", "running"],
  down: ["✕", "down"],
  paused: ["‖", "paused"],
  restarting: ["↻", "restarting again and again"],
  ended: ["■", "ended"],
};

export const SIGNS: Record<Status, string> = { PASS: "✓", FAIL: "✕", WARN: "!", UNKNOWN: "?" };

export const PHASES = {
  preparing: "being made ready",
  playing: "operations under faults",
  settling: "repaired, settling",
  reading: "settled, being read",
};

/** Returns a count with its noun: `1 run`, `12,000 runs`. */
export function count(n: number, noun: string, plural = `${noun}s`): string {
  return n === 1 ? `1 ${noun}` : `${n.toLocaleString("en")} ${plural}`;
}

/** Returns how long ago a moment was, in its largest unit. */
export function ago(ms: number): string {
  const seconds = Math.max(0, Math.round((Date.now() - ms) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return count(Math.floor(seconds / 86_400), "day") + " ago";
}

/** Returns a length of time that passed outside the simulation. */
export function lasted(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${(ms / 1000).toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60) % 60} min`;
}

export function size(bytes: number): string {
  return bytes < 10_000 ? count(bytes, "byte") : `${Math.round(bytes / 1000).toLocaleString("en")} kB`;
}
