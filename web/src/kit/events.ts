/** One stream of events for the whole application: which kinds of things changed, so that what shows them loads anew. */
import { useEffect, useRef, useSyncExternalStore } from "react";

import { EVERYTHING, open, type Change, type State, type Told } from "./stream";
import type { Said } from "./stream-worker";
import worker from "./stream-worker?worker&url";

export type { Change };
type Listener = (change: Change) => void;

const listeners = new Set<Listener>();
const watchers = new Set<() => void>();
let state: State = "off";
/** Whose stream it is, the event after which the pages have read what they show, and how to leave it. */
let profile = "";
let known = "";
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
  listen(profile, known);
  tell({ change: EVERYTHING });
}

/**
 * Take part in the one stream that this browser has for a profile; where workers cannot be shared, or not be loaded, have one.
 *
 * @param after the last event that there was before anything was read
 */
export function listen(who: string, after: string): void {
  if (leave && who === profile && state !== "off") return;
  hangUp();
  [profile, known] = [who, after];
  addEventListener("pagehide", hangUp);
  addEventListener("pageshow", restored);
  tell({ state: "connecting" });
  if (typeof SharedWorker === "undefined") {
    leave = open(after, tell);
    return;
  }
  const shared = new SharedWorker(worker, { type: "module", name: who });
  shared.port.onmessage = ({ data }: MessageEvent<Told>) => tell(data);
  leave = () => {
    shared.port.postMessage({ gone: true } satisfies Said);
    shared.port.close();
  };
  shared.onerror = () => {
    shared.port.close();
    leave = open(after, tell);
  };
  shared.port.postMessage({ after } satisfies Said);
}

export function hangUp(): void {
  leave?.();
  leave = undefined;
  tell({ state: "off" });
}

/** A thing that is gone is told by its key, which has small letters alone; no two names differ by letters' case only. */
const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();

/** Milliseconds in which any number of changes lead to one reload. */
const GATHER = 150;

/**
 * Call `changed` soon after something of one of the kinds (and, when given, of that name or ARN) has changed. In a tab that nobody sees, once it
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
    const listener: Listener = ({ Kind, Name, Arn }) => {
      if (Kind !== "*" && (!wanted.has(Kind) || (name && Name && !same(Name, name) && !(Arn && same(Arn, name))))) return;
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
