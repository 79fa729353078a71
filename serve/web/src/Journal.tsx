// A run's journal as a list that is as long as the journal and has only the rows in view.
import { useEffect, useRef, useState } from "preact/hooks";
import { ask, type Listing, type Entry, type Filter } from "./api";
import { useNarrow } from "./hooks";
import { isBad, result, sentence, sign, what, where } from "./words";

/** Listing that are asked for at once, and how many such pages are kept. */
const PAGE = 200;
const MOST_PAGES = 40;
/** The tallest list that browsers draw, in pixels. */
const TALLEST = 15_000_000;

export interface Rows {
  total: number;
  problem: string | null;
  /** The entry at a place of the list, if it is there already; null where nothing stands. */
  at: (place: number) => Entry | null | undefined;
  /** Sees to it that the entries at these places will be there. */
  want: (from: number, until: number) => void;
}

/** Returns the entries of a run that pass a filter, which come as they are wanted. */
export function useRows(run: string, filter: Filter): Rows {
  const key = JSON.stringify([run, filter]);
  const pages = useRef(new Map<number, Entry[]>());
  const asked = useRef(new Set<number>());
  const of = useRef(key);
  const [, redraw] = useState(0);
  const [known, setKnown] = useState<{ key: string; total: number; problem: string | null }>({ key, total: 0, problem: null });
  if (of.current !== key) {
    of.current = key;
    pages.current = new Map();
    asked.current = new Set();
  }
  const get = async (page: number) => {
    if (asked.current.has(page)) return;
    asked.current.add(page);
    try {
      const answer = await ask<Listing>("entries", { run, ...filter, offset: page * PAGE, count: PAGE });
      if (of.current !== key) return;
      pages.current.set(page, answer.entries);
      for (const old of pages.current.keys()) {
        if (pages.current.size <= MOST_PAGES) break;
        pages.current.delete(old);
        asked.current.delete(old);
      }
      setKnown({ key, total: answer.total, problem: null });
      redraw((count) => count + 1);
    } catch (error) {
      if (of.current !== key) return;
      setKnown({ key, total: 0, problem: error instanceof Error ? error.message : String(error) });
    }
  };
  useEffect(() => { void get(0); }, [key]);
  return {
    total: known.key === key ? known.total : 0,
    problem: known.problem,
    at: (place) => pages.current.get(Math.floor(place / PAGE))?.[place % PAGE],
    want: (from, until) => {
      for (let page = Math.floor(Math.max(0, from) / PAGE); page * PAGE < until; page += 1) void get(page);
    },
  };
}

/** The list. `place` is where the reader stands in it; `marked` are numbers of entries. */
export function Journal({ rows, place, go, violation, mark, label }: {
  rows: Rows; place: number; go: (place: number) => void; violation?: number | null;
  mark?: (place: number) => string; label: string;
}) {
  const narrow = useNarrow();
  const height = narrow ? 46 : 27;
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  const shown = Math.min(rows.total, Math.floor(TALLEST / height));
  const first = Math.max(0, Math.floor(view.top / height) - 8);
  const last = Math.min(shown, Math.ceil((view.top + view.height) / height) + 8);
  rows.want(first, Math.max(last, 1));

  useEffect(() => {
    const it = box.current;
    if (!it) return;
    const look = () => setView({ top: it.scrollTop, height: it.clientHeight });
    const watch = new ResizeObserver(look);
    watch.observe(it);
    it.addEventListener("scroll", look, { passive: true });
    return () => {
      watch.disconnect();
      it.removeEventListener("scroll", look);
    };
  }, []);
  useEffect(() => {
    const it = box.current;
    if (!it || shown === 0) return;
    const top = place * height;
    const room = it.clientHeight;
    if (top < it.scrollTop + height || top > it.scrollTop + room - 2 * height) {
      const isNear = Math.abs(top - it.scrollTop) < 3 * room;
      it.scrollTop = isNear && top > it.scrollTop ? top - room + 4 * height : top - (isNear ? 3 * height : room / 2);
    }
  }, [place, shown, height]);

  const drawn = [];
  for (let index = first; index < last; index += 1) {
    const entry = rows.at(index);
    const classes = ["row", narrow ? "narrow" : ""];
    if (index === place) classes.push("now");
    if (entry === null) classes.push("gap");
    if (entry) {
      if (entry.n === violation) classes.push("violation");
      if (entry.is_evidence) classes.push("evidence");
      if (isBad(entry)) classes.push("bad");
      classes.push(entry.kind, mark?.(index) ?? "");
    }
    drawn.push(
      <div key={index} id={`${label}-${index}`} class={classes.join(" ")} role="option" aria-selected={index === place}
        aria-setsize={rows.total} aria-posinset={index + 1} style={{ top: `${index * height}px`, height: `${height}px` }}
        onClick={() => go(index)}>
        {entry ? (
          <>
            <span class="unseen">{sentence(entry)}{entry.n === violation && ", the violation"}</span>
            <span class="n" aria-hidden="true">{entry.n}</span>
            <span class="at" aria-hidden="true">{entry.at}</span>
            <span class="where" aria-hidden="true">{where(entry)}</span>
            <span class="what" aria-hidden="true"><span class="sign">{sign(entry)}</span>{what(entry)}{entry.n === violation && <b class="here"> ✕ the violation</b>}</span>
            <span class="result" aria-hidden="true">{result(entry)}</span>
          </>
        ) : entry === null ? <span class="unseen">nothing: the other run alone has this entry</span> : <span class="n">…</span>}
      </div>,
    );
  }
  return (
    <div class="list" ref={box} role="listbox" tabIndex={0} aria-label={label} aria-activedescendant={rows.total > 0 ? `${label}-${place}` : undefined}>
      <div class="tall" style={{ height: `${shown * height}px` }}>{drawn}</div>
    </div>
  );
}
