// Two journals beside each other: which entry of each stands in which row.
import type { Entry, Piece } from "./api";
import type { Rows } from "./Journal";

/** What stands in a row: the place of an entry in each journal, or nothing. */
export interface Row { left: number | null; right: number | null; same: boolean }

export interface Beside {
  total: number;
  row: (at: number) => Row | null;
  /** The first row that is not the same, behind this one or (with -1) before it; null if none is. */
  parting: (at: number, step: 1 | -1) => number | null;
}

/** Returns the rows of an alignment. */
export function beside(pieces: Piece[]): Beside {
  const begins: number[] = [];
  let total = 0;
  for (const piece of pieces) {
    begins.push(total);
    total += Math.max(piece.left_count, piece.right_count);
  }
  // The last piece that does not begin behind a row.
  const index = (at: number) => {
    let [low, high] = [0, pieces.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((begins[middle] ?? 0) <= at) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  };
  return {
    total,
    row: (at) => {
      const piece = pieces[index(at)];
      if (piece === undefined || at < 0 || at >= total) return null;
      const into = at - (begins[index(at)] ?? 0);
      return {
        left: into < piece.left_count ? piece.left + into : null,
        right: into < piece.right_count ? piece.right + into : null,
        same: piece.same,
      };
    },
    parting: (at, step) => {
      for (let place = index(at) + step; place >= 0 && place < pieces.length; place += step) {
        if (pieces[place]?.same === false) return begins[place] ?? null;
      }
      return null;
    },
  };
}

/** Returns the rows of one side as a list that is as long as both: where it has no entry, there is null. */
export function sideOf(its: Rows, rows: Beside, side: "left" | "right"): Rows {
  const place = (at: number) => rows.row(at)?.[side] ?? null;
  return {
    total: its.total > 0 || its.problem !== null ? rows.total : 0,
    problem: its.problem,
    at: (at): Entry | null | undefined => {
      const known = place(at);
      return known === null ? null : its.at(known);
    },
    want: (from, until) => {
      const wanted = [];
      for (let at = from; at < until; at += 1) {
        const known = place(at);
        if (known !== null) wanted.push(known);
      }
      if (wanted.length > 0) its.want(Math.min(...wanted), Math.max(...wanted) + 1);
    },
  };
}
