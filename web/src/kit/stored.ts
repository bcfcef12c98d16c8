/** What a person chose, kept in this browser and shared by every tab. Nothing secret is ever kept here. */
import { useSyncExternalStore } from "react";

export interface Stored {
  get: () => string;
  set: (value: string) => void;
  use: () => string;
}

export function stored(name: string, otherwise: string): Stored {
  const key = `sagewright.${name}`;
  const watchers = new Set<() => void>();
  const get = () => localStorage.getItem(key) ?? otherwise;
  addEventListener("storage", (event) => event.key === key && watchers.forEach((w) => w()));
  return {
    get,
    set: (value) => {
      localStorage.setItem(key, value);
      watchers.forEach((w) => w());
    },
    use: () =>
      useSyncExternalStore((watch) => {
        watchers.add(watch);
        return () => watchers.delete(watch);
      }, get),
  };
}
