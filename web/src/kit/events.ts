/** One stream of events for the whole application: which kinds of things changed, so that what shows them loads anew. */
import { useEffect, useRef, useSyncExternalStore } from "react";

import { open, type Change, type State, type Told } from "./stream";
import worker from "./stream-worker?worker&url";

export type { Change };
type Listener = (change: Change) => void;

const listeners = new Set<Listener>();
const watchers = new Set<() => void>();
let state: State = "off";
/** Whose stream it is, and how to leave it. */
let profile = "";
let leave: (() => void) | undefined;

function tell(told: Told): void {
  if ("change" in told) listeners.forEach((l) => l(told.change));
  else if (told.state !== state) {
    state = told.state;
    watchers.forEach((w) => w());
  }
}

/** A page that is left may be kept whole by the browser, and come back. */
function restored({ persisted }: PageTransitionEvent): void {
  if (!persisted || !profile) return;
  listen(profile);
  tell({ change: { Kind: "*" } });
}

/** Take part in the one stream that this browser has for a profile; where workers cannot be shared, or not be loaded, have one. */
export function listen(who: string): void {
  if (leave && who === profile && state !== "off") return;
  hangUp();
  profile = who;
  addEventListener("pagehide", hangUp);
  addEventListener("pageshow", restored);
  tell({ state: "connecting" });
  if (typeof SharedWorker === "undefined") {
    leave = open(tell);
    return;
  }
  const shared = new SharedWorker(worker, { type: "module", name: who });
  shared.port.onmessage = ({ data }: MessageEvent<Told>) => tell(data);
  leave = () => {
    shared.port.postMessage("gone");
    shared.port.close();
  };
  shared.onerror = () => {
    shared.port.close();
    leave = open(tell);
  };
}

export function hangUp(): void {
  leave?.();
  leave = undefined;
  tell({ state: "off" });
}

/** Milliseconds in which any number of changes lead to one reload. */
const GATHER = 150;

/**
 * Call `changed` soon after something of one of the kinds (and, when given, of that name) has changed. In a tab that nobody sees, once it
 * is seen again: ten tabs ask no more of the server than one.
 */
export function useEvents(kinds: readonly string[], changed: () => void, name?: string): void {
  const latest = useRef(changed);
  useEffect(() => {
    latest.current = changed;
  });
  const key = kinds.join(" ");
  useEffect(() => {
    if (!key) return undefined;
    const wanted = new Set(key.split(" "));
    let timer: ReturnType<typeof setTimeout> | undefined;
    let missed = false;
    const seen = () => {
      if (document.hidden || !missed) return;
      missed = false;
      latest.current();
    };
    const listener: Listener = ({ Kind, Name }) => {
      if (Kind !== "*" && (!wanted.has(Kind) || (name && Name && Name !== name))) return;
      timer ??= setTimeout(() => {
        timer = undefined;
        missed = true;
        seen();
      }, GATHER);
    };
    listeners.add(listener);
    document.addEventListener("visibilitychange", seen);
    return () => {
      document.removeEventListener("visibilitychange", seen);
      listeners.delete(listener);
      clearTimeout(timer);
    };
  }, [key, name]);
}

/** Whether changes arrive by themselves just now. */
export function useStream(): typeof state {
  return useSyncExternalStore(
    (watch) => {
      watchers.add(watch);
      return () => watchers.delete(watch);
    },
    () => state,
  );
}
