/** Loading what a page shows: the last answer stays while the next is on its way, and late answers are dropped. */
import { useCallback, useEffect, useRef, useState } from "react";

import { useEvents } from "./events";

export interface Loaded<T> {
  value: T | undefined;
  error: unknown;
  /** True until the first answer, or after the inputs changed. */
  loading: boolean;
  reload: () => void;
}

export interface Live {
  /** Load anew when something of one of these kinds changes. */
  kinds?: readonly string[];
  /** Of the thing itself, when only its changes count. */
  name?: string;
  /** Load anew every so many milliseconds: only for what no event announces, such as metrics. */
  every?: number | false;
}

/**
 * @param load what to do; it sees an abort signal that fires when nobody waits for the answer any more
 * @param inputs what the answer depends on, compared as JSON
 */
export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, inputs: unknown, live: Live = {}): Loaded<T> {
  const key = JSON.stringify(inputs);
  const [state, setState] = useState<{ key: string; value: T | undefined; error: unknown }>();
  const [turn, setTurn] = useState(0);
  const latest = useRef(load);
  useEffect(() => {
    latest.current = load;
  });
  useEffect(() => {
    const aborter = new AbortController();
    latest.current(aborter.signal).then(
      (value) => !aborter.signal.aborted && setState({ key, value, error: undefined }),
      (error: unknown) =>
        !aborter.signal.aborted && setState((old) => ({ key, value: old?.key === key ? old.value : undefined, error })),
    );
    return () => aborter.abort();
  }, [key, turn]);
  const reload = useCallback(() => setTurn((t) => t + 1), []);
  useEvents(live.kinds ?? [], reload, live.name);
  const every = live.every;
  useEffect(() => {
    if (!every) return undefined;
    const timer = setInterval(() => document.visibilityState === "visible" && setTurn((t) => t + 1), every);
    return () => clearInterval(timer);
  }, [every]);
  const known = state?.key === key;
  return { value: state?.value, error: known ? state.error : undefined, loading: !known, reload };
}
