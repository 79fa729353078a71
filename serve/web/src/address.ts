// Which view is shown: what stands behind the `#` of the address, so that a link leads to it.

export interface Address { view: string; asked: URLSearchParams }

/** Returns what the address says: `#/run?run=mine-1&at=12`. */
export function read(): Address {
  const [view = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { view, asked: new URLSearchParams(query) };
}

/** Returns the link to a view. */
export function to(view: string, asked: Record<string, string | number> = {}): string {
  const query = new URLSearchParams(Object.entries(asked).map(([key, value]) => [key, String(value)]));
  return `#/${view}${query.size ? `?${query}` : ""}`;
}

/** Notes in the address where the reader stands, without a step in the browser's history. */
export function note(asked: Record<string, string | number>): void {
  const { view, asked: before } = read();
  for (const [key, value] of Object.entries(asked)) {
    if (value === "") before.delete(key);
    else before.set(key, String(value));
  }
  history.replaceState(null, "", `#/${view}?${before}`);
}
