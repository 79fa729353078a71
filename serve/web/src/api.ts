// What the program answers, as types, and how it is asked. Each type has the name of the struct in
// `serve/src` that it is the JSON of.

export type Status = "PASS" | "FAIL" | "WARN" | "UNKNOWN";

export interface Listed {
  run: string; written_ms: number; scenario: string; seed: number; status: Status;
  sentence: string | null; fact: string; signature: string | null; simulated: string;
  entries: number | null; machines: number;
}

export interface Glance {
  file: string; written_ms: number; state: SearchState; doubt: string | null; is_silent: boolean; runs: number;
  failed: number; kinds: number; situations: number; scenarios: number;
}

export interface Overview {
  folder: string; runs: Listed[]; unread: number; more: number; is_cut: boolean;
  explorations: Glance[]; problems: string[];
}

export type MachineKind = "backend" | "relay" | "device";
export interface Machine { name: string; kind: MachineKind }
export interface Shown {
  device: string; backend: string; seen: string | null; times: number;
  presence: "member" | "left" | "later";
}
export interface Posted {
  id: string; from: string; conversation: string; sent: string;
  outcome: "ok" | "refused" | "indefinite"; copies: Shown[]; more_copies: number;
}
export interface Fault {
  what: string; when: string; from: string | null; until: string | null; requests: number;
  hits: number;
}
export interface Check {
  name: string; kind: "always" | "eventually" | "sometimes";
  verdict: "holds" | "violated" | "reached" | "never" | "unknown"; must_break: boolean;
  judged: number; of: string; at: string | null; sentence: string | null;
  message: string | null; evidence: number[];
}
export interface Span { what: string; began: number; ended: number | null }

export interface Summary {
  run: string; folder: string; scenario: string; about: string; file: string | null; text: string;
  seed: number; program: string; status: Status; sentence: string | null; weaknesses: string[];
  simulated: string; entries: number; first: number; last: number; violation: number | null;
  ready: number | null; machines: Machine[]; messages: Posted[]; more_messages: number;
  faults: Fault[]; checks: Check[]; skipped: { operation: string; device: string }[];
  spans: Span[]; sends: number[]; has_page: boolean;
}

export interface Entry {
  n: number; at: string; at_ns: number; node: string; other: string | null; kind: string;
  what: string; result: string | null; message: string | null; cause: number | null;
  is_evidence: boolean;
}
export interface Listing { total: number; offset: number; place: number | null; entries: Entry[] }

export interface Filter { node: string; message: string; kind: string; text: string }

export interface Told {
  entry: Entry; line: string; body: string | null; bytes: number; no_body: string | null;
  causes: Entry[]; effects: Entry[]; more_effects: number; same_request: Entry[];
}

export type Life = "not_started" | "up" | "down" | "paused" | "restarting" | "ended";
export interface Heard { message: string; n: number; how: "sent" | "seen" | "heard" }
export interface Synced { file: string; times: number; bytes: number; last: number; last_at: string }
export interface State {
  name: string; kind: MachineKind; life: Life; boots: number; error: string | null;
  faults: string[]; messages: Heard[]; more_messages: number; files: Synced[];
  last: number | null; is_here: boolean;
}
export interface Link { from: string; to: string; one_way: boolean; how: "cut" | "held" | "changed" }
export interface UnderWay {
  n: number; from: string; to: string; what: string; message: string | null;
  leg: "request" | "served" | "forgotten" | "answer";
}
export interface Moment {
  n: number; at: string; phase: "preparing" | "playing" | "settling" | "reading";
  faults: { what: string; began: number }[]; machines: State[]; more_machines: number;
  links: Link[]; under_way: UnderWay[]; more_under_way: number;
}

export interface Side {
  scenario: string; seed: number; status: Status; sentence: string | null; entries: number;
}
/** As many entries of each side, from these places on. */
export interface Piece {
  same: boolean; left: number; left_count: number; right: number; right_count: number;
}
export interface Difference {
  left: Side; right: Side; same_scenario: boolean; same_bytes: number; same_words: number;
  pieces: Piece[]; is_cut: boolean;
  outcomes: { what: string; left: string; right: string }[]; more_outcomes: number;
}

export type SearchState = "searching" | "shrinking" | "finished";
export interface Search {
  file: string; folder: string; way: string; doubt: string | null; is_silent: boolean; state: SearchState;
  campaign: {
    /** The name of a campaign of many processes, whose runs come in blocks. */
    id: string | null; scenarios: string[]; ways: string[]; seed: number; part: [number, number]; threads: number;
    runs: number | null; time_ms: number | null;
  };
  wall_ms: number; ways: Record<string, number>; passed: number; failed: number; unknown: number;
  simulated_ns: number; situations: number; unseen: number | null;
  curve: { points: { runs: number; wall_ms: number; situations: number; kinds: number }[] };
  failures: {
    check: string; sentence: string; found_at: number; way: string; runs: number;
    file: string | null; story: string[];
  }[];
  kinds: number;
  last: { number: number; way: string; scenario: string; end: string; news: number }[];
}

type Asked = Record<string, string | number | undefined>;

/** Asks the program. What it cannot show is an error whose message is its sentence. */
export async function ask<T>(what: string, asked: Asked = {}, signal?: AbortSignal): Promise<T> {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(asked)) if (value !== undefined) query.set(key, String(value));
  let response: Response;
  try {
    response = await fetch(`/api/${what}?${query}`, signal ? { signal } : {});
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Error("fedsim does not answer. Is `fedsim serve` still running?");
  }
  const text = await response.text();
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new Error(text.trim() || `fedsim answered ${response.status}`);
  }
  if (!response.ok) throw new Error((answer as { problem?: string }).problem ?? text);
  return answer as T;
}
