/** A search that is read while somebody looks: what was found before stays on the page until the next search has its first rows. */
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";

import { useEvents } from "../../kit/events";
import { useLoad } from "../../kit/load";
import { named, Reader, type Asked, type Run } from "./api";
import { ready } from "./pages";

/** Rows that are read anew by themselves when runs have changed; beyond, somebody is asked. */
const FEW = 200;

export interface Reading {
  /** What is shown: of the search before, while this one has nothing yet. */
  reader: Reader;
  /** What is shown is of another search than what is asked. */
  behind: boolean;
  /** Runs have changed since, and there are too many to read them anew unasked. */
  stale: boolean;
  renew: () => void;
  need: (rows: number) => void;
}

export function useReading(asked: Asked): Reading {
  const key = JSON.stringify(asked);
  const [turn, setTurn] = useState(0);
  const [stale, setStale] = useState(false);
  const next = useMemo(() => new Reader(JSON.parse(key) as Asked), [key, turn]);
  const shown = useRef({ reader: next, of: key });
  useEffect(() => {
    ready();
    // the same search again has to show as much as was shown
    next.need(shown.current.of === key ? shown.current.reader.rows.length : 1);
    return () => next.stop();
  }, [next, key]);
  useSyncExternalStore(next.subscribe, () => next.version);
  const before = shown.current;
  const enough = next.whole || next.error !== undefined || (next.started && (before.of !== key || next.rows.length >= before.reader.rows.length));
  if (enough || !before.reader.started) shown.current = { reader: next, of: key };

  const renew = useCallback(() => {
    setStale(false);
    setTurn((t) => t + 1);
  }, []);
  useEvents(["TrialComponent", "Experiment"], () => (shown.current.reader.rows.length <= FEW ? renew() : setStale(true)));
  const need = useCallback((rows: number) => next.need(rows), [next]);
  return { reader: shown.current.reader, behind: shown.current.of !== key, stale, renew, need };
}

/** Runs by name: from the rows that have come, and the others by a search of their own. */
export function useNamed(names: string[], rows: readonly Run[]): { runs: Run[]; error: unknown } {
  const [known, missing] = useMemo(() => {
    const by = new Map(rows.map((r) => [r.name, r]));
    return [by, names.filter((n) => !by.has(n))];
  }, [names, rows]);
  const { value, error } = useLoad((abort) => (missing.length > 0 ? named(missing, abort) : Promise.resolve([])), missing);
  const last = useRef<Run[]>([]);
  const by = new Map((value ?? []).map((r) => [r.name, r]));
  const runs = names.flatMap((n) => known.get(n) ?? by.get(n) ?? []);
  // the same list while it holds the same runs, however many rows come
  if (runs.length !== last.current.length || runs.some((r, i) => r !== last.current[i])) last.current = runs;
  return { runs: last.current, error };
}
