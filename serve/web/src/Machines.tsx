// Each machine after an entry, in words.
import { to } from "./address";
import type { Moment, State, UnderWay } from "./api";
import { LIVES, size } from "./words";

const HOW = { sent: "↗", seen: "✓", heard: "·" };
const HOW_WORDS = { sent: "sent from here", seen: "shown to its user", heard: "heard of" };

export function Machines({ run, moment }: { run: string; moment: Moment }) {
  return (
    <>
      <ul class="machines" aria-label="Machines">
        {moment.machines.map((it) => <Machine key={it.name} run={run} state={it} moment={moment} />)}
      </ul>
      {moment.more_machines > 0 && <p class="hint">and {moment.more_machines} more machines, on which no fault is and to which nothing happened lately</p>}
      {moment.more_under_way > 0 && <p class="hint">{moment.more_under_way} older requests under way are not shown</p>}
    </>
  );
}

function Machine({ run, state, moment }: { run: string; state: State; moment: Moment }) {
  const [sign, word] = LIVES[state.life];
  const links = moment.links.filter((it) => it.from === state.name || it.to === state.name);
  const waits = moment.under_way.filter((it) => it.from === state.name && it.leg !== "answer");
  const coming = moment.under_way.filter((it) => it.from === state.name && it.leg === "answer");
  const serves = moment.under_way.filter((it) => it.to === state.name && it.leg === "served");
  const link = (n: number, text: string) => <a href={to("run", { run, at: n })} data-at={n}>{text}</a>;
  const list = (all: UnderWay[], other: "from" | "to", word: string) => (
    <ul>{all.slice(0, 8).map((it) => <li key={it.n}>{it.what} {it.message} {word} <b>{it[other]}</b>{it.leg === "forgotten" && ", which went down with it"} {link(it.n, `#${it.n}`)}</li>)}
      {all.length > 8 && <li>and {all.length - 8} more</li>}</ul>
  );
  return (
    <li class={`machine ${state.life} ${state.is_here ? "here" : ""}`}>
      <h3>
        {state.name} <span class="of">{state.kind}</span>{" "}
        <span class={`life ${state.life}`}><span aria-hidden="true">{sign}</span> {word}{state.boots > 1 ? `, started ${state.boots} times` : ""}</span>
        {state.is_here && <span class="chip this">this entry</span>}
      </h3>
      <dl>
        {state.error !== null && <><dt>ended</dt><dd class="bad">{state.error}</dd></>}
        {state.faults.length > 0 && <><dt>faults</dt><dd class="fault">{state.faults.join("; ")}</dd></>}
        {links.length > 0 && (
          <><dt>links</dt><dd class="fault"><ul>{links.slice(0, 12).map((it) => {
            const other = it.from === state.name ? it.to : it.from;
            const way = it.one_way ? (it.from === state.name ? "to" : "from") : "with";
            return <li key={`${it.from} ${it.to} ${it.how}`}>{{ cut: "✕ cut", held: "‖ held", changed: "~ changed" }[it.how]} {way} <b>{other}</b></li>;
          })}{links.length > 12 && <li>and {links.length - 12} more</li>}</ul></dd></>
        )}
        {waits.length > 0 && <><dt>waits for</dt><dd>{list(waits, "to", "by")}</dd></>}
        {coming.length > 0 && <><dt>answers coming</dt><dd>{list(coming, "to", "of")}</dd></>}
        {serves.length > 0 && <><dt>serves</dt><dd>{list(serves, "from", "of")}</dd></>}
        {state.messages.length > 0 && (
          <><dt>messages</dt><dd><ul class="chips">
            {state.more_messages > 0 && <li>{state.more_messages} older ones</li>}
            {state.messages.map((it) => (
              <li key={it.message} class={it.n === moment.n ? "new" : ""}>
                <a href={to("run", { run, at: it.n })} data-at={it.n} title={`${HOW_WORDS[it.how]}, #${it.n}`}>
                  <span aria-hidden="true">{HOW[it.how]}</span> {it.message}<span class="unseen">, {HOW_WORDS[it.how]}</span>
                </a>{it.n === moment.n && <b> new</b>}
              </li>
            ))}
          </ul></dd></>
        )}
        {state.files.length > 0 && (
          <><dt>disk</dt><dd><ul>{state.files.map((it) => (
            <li key={it.file}>{it.file}: {it.times} {it.times === 1 ? "sync" : "syncs"}, {size(it.bytes)}; the last at {it.last_at} {link(it.last, `#${it.last}`)}</li>
          ))}</ul></dd></>
        )}
      </dl>
    </li>
  );
}
