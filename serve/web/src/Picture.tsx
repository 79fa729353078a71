// The machines as a picture: who lives, which links are cut, what is under way, and what the entry
// itself does. Everything in it is also said in words beside it.
import type { Entry, Machine, Moment, State, Summary } from "./api";
import { useNarrow } from "./hooks";
import { isArrival, LIVES, what } from "./words";

/** More machines than these are not drawn. */
const MOST = 24;
/** How large the picture is, in units of its own: the smaller one for phones, to be read there. */
const LARGE = { wide: 640, high: 420 };
const SMALL = { wide: 400, high: 330 };

interface Point { x: number; y: number }

export function canDraw(machines: Machine[]): boolean {
  return machines.length <= MOST;
}

/** Returns where each machine stands: servers on an inner ring, devices outside, by their backend. */
function places(summary: Summary, { wide, high }: typeof LARGE): Map<string, Point> {
  const found = new Map<string, Point>();
  const on = (angle: number, share: number): Point => ({
    x: wide / 2 + Math.cos(angle) * (wide / 2 - 50) * share,
    y: high / 2 + 6 + Math.sin(angle) * (high / 2 - 44) * share,
  });
  const servers = summary.machines.filter((it) => it.kind !== "device");
  const devices = summary.machines.filter((it) => it.kind === "device");
  const backendOf = new Map<string, string>();
  for (const message of summary.messages) for (const copy of message.copies) backendOf.set(copy.device, copy.backend);
  const share = devices.length === 0 ? 0.9 : wide < LARGE.wide ? 0.48 : 0.58;
  // Two stand side by side, where there is more room.
  const start = servers.length === 2 ? Math.PI : -Math.PI / 2;
  servers.forEach((it, index) => {
    const angle = start + (index * 2 * Math.PI) / Math.max(1, servers.length);
    found.set(it.name, servers.length === 1 ? { x: wide / 2, y: high / 2 } : on(angle, share));
  });
  const angles = devices.map((it, index) => {
    const at = servers.findIndex((server) => server.name === backendOf.get(it.name));
    return { name: it.name, at: at < 0 ? index / devices.length * servers.length : at };
  });
  angles.sort((one, other) => one.at - other.at);
  // Those of one backend stand around it, side by side.
  angles.forEach((it) => {
    const alike = angles.filter((other) => other.at === it.at);
    const spread = Math.min(0.5, (2 * Math.PI) / Math.max(3, servers.length) / Math.max(1, alike.length));
    const off = (alike.indexOf(it) - (alike.length - 1) / 2) * spread;
    found.set(it.name, on(start + (it.at * 2 * Math.PI) / Math.max(1, servers.length) + off, 1));
  });
  return found;
}

/** Returns a line between two machines that ends before their names. */
function between(one: Point, other: Point, aside = 0): { from: Point; to: Point; middle: Point } {
  const length = Math.hypot(other.x - one.x, other.y - one.y) || 1;
  const [dx, dy] = [(other.x - one.x) / length, (other.y - one.y) / length];
  const gap = Math.min(length / 3, 22 + 16 * Math.abs(dx));
  const shift = { x: -dy * aside, y: dx * aside };
  const at = (way: number): Point => ({ x: one.x + dx * way + shift.x, y: one.y + dy * way + shift.y });
  return { from: at(gap), to: at(length - gap), middle: at(length / 2) };
}

export function Picture({ summary, moment, entry }: { summary: Summary; moment: Moment; entry: Entry | null }) {
  const room = useNarrow() ? SMALL : LARGE;
  const at = places(summary, room);
  const state = new Map(moment.machines.map((it) => [it.name, it]));
  const line = (from: string, to: string, aside = 0) => {
    const [one, other] = [at.get(from), at.get(to)];
    return one && other ? between(one, other, aside) : null;
  };
  const words = moment.machines.filter((it) => it.life !== "up").map((it) => `${it.name} is ${LIVES[it.life][1]}`);
  const links = moment.links.map((it) => `the link ${it.from} ${it.one_way ? "to" : "and"} ${it.to} is ${it.how}`);
  return (
    <svg class="picture" viewBox={`0 0 ${room.wide} ${room.high}`} role="img"
      aria-label={`The machines at entry ${moment.n}. ${[...words, ...links].join("; ") || "All are running, and no link is cut."}`}>
      <defs>
        {["under", "now", "lost"].map((it) => (
          <marker key={it} id={`head-${it}`} class={`head ${it}`} viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto-start-reverse" markerUnits="userSpaceOnUse"><path d="M0 0L8 4L0 8Z" /></marker>
        ))}
      </defs>
      {summary.machines.filter((it) => it.kind === "device").map((it) => {
        const home = summary.messages.flatMap((message) => message.copies).find((copy) => copy.device === it.name)?.backend;
        const drawn = home ? line(it.name, home) : null;
        return drawn && <line key={it.name} class="home" x1={drawn.from.x} y1={drawn.from.y} x2={drawn.to.x} y2={drawn.to.y} />;
      })}
      {moment.links.map((it) => {
        const drawn = line(it.from, it.to);
        const sign = { cut: "✕", held: "‖", changed: "~" }[it.how];
        return drawn && (
          <g key={`${it.from} ${it.to} ${it.how}`} class={`link ${it.how}`}>
            <title>{`${it.from} ${it.one_way ? "→" : "—"} ${it.to}: ${it.how}`}</title>
            <line x1={drawn.from.x} y1={drawn.from.y} x2={drawn.to.x} y2={drawn.to.y} />
            <text x={drawn.middle.x} y={drawn.middle.y}>{sign}{it.one_way ? "→" : ""}</text>
          </g>
        );
      })}
      {moment.under_way.slice(0, 60).map((it) => {
        const drawn = it.leg === "answer" ? line(it.to, it.from, 7) : line(it.from, it.to, 7);
        const told = { request: "on its way", served: "being served", forgotten: "it had arrived, and the machine went down", answer: "its answer is on its way" }[it.leg];
        return drawn && (
          <g key={it.n} class={`under ${it.leg}`}>
            <title>{`#${it.n} ${it.from} → ${it.to}: ${it.what} ${it.message ?? ""}, ${told}`}</title>
            <line x1={drawn.from.x} y1={drawn.from.y} x2={drawn.to.x} y2={drawn.to.y} marker-end="url(#head-under)" />
          </g>
        );
      })}
      {entry && <Now entry={entry} line={line} at={at} />}
      {summary.machines.map((it) => {
        const point = at.get(it.name);
        return point && <Node key={it.name} machine={it} point={point} state={state.get(it.name)} />;
      })}
    </svg>
  );
}

function Node({ machine, point, state }: { machine: Machine; point: Point; state: State | undefined }) {
  const life = state?.life ?? "not_started";
  const [sign, word] = LIVES[life];
  const half = Math.max(20, 7 + machine.name.length * 4.2);
  return (
    <g class={`node ${machine.kind} ${life} ${state?.is_here ? "here" : ""}`}>
      <title>{`${machine.name}: ${word}`}</title>
      <rect x={point.x - half} y={point.y - 14} width={2 * half} height={28} rx={machine.kind === "device" ? 14 : machine.kind === "relay" ? 0 : 5} />
      <text x={point.x} y={point.y + 4.5}>{machine.name}</text>
      {life !== "up" && <text class="life" x={point.x} y={point.y + 28}>{sign} {word}</text>}
    </g>
  );
}

/** What the entry itself does, between two machines or at one. */
function Now({ entry, line, at }: {
  entry: Entry; line: (from: string, to: string, aside?: number) => ReturnType<typeof between> | null;
  at: Map<string, Point>;
}) {
  const { node, other } = entry;
  const drawn = other ? (isArrival(entry) ? line(other, node) : line(node, other)) : null;
  const isLost = ["request_lost", "request_dropped", "connect_failed"].includes(entry.kind) || (entry.result?.startsWith("lost") ?? false);
  if (drawn) {
    const kind = isLost ? "lost" : "now";
    const label = entry.kind === "connect_failed" ? "no connection" : `${entry.what}${entry.message ? " " + entry.message : ""}`;
    return (
      <g class={kind}>
        <line x1={drawn.from.x} y1={drawn.from.y} x2={drawn.to.x} y2={drawn.to.y} marker-end={`url(#head-${kind})`} />
        <text x={drawn.middle.x} y={drawn.middle.y - 8}>{isLost ? "✕ " : ""}{label}</text>
      </g>
    );
  }
  const point = at.get(entry.node);
  return point ? <text class={isLost ? "said lost" : "said"} x={point.x} y={point.y - 22}>{what(entry)}</text> : null;
}
