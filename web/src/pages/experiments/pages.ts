/** Pages of runs, read in a worker: five megabytes of JSON would cost the scrolling several frames. */
import type { About, Page } from "./parser-worker";

export type { About, Page };

let worker: Worker | undefined;
let number = 0;
const waiting = new Map<number, { done: (page: Page) => void; failed: (error: Error) => void }>();

function reader(): Worker {
  if (worker) return worker;
  worker = new Worker(new URL("./parser-worker.ts", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }: MessageEvent<{ number: number; page?: Page; fault?: string }>) => {
    const asked = waiting.get(data.number);
    waiting.delete(data.number);
    if (data.page) asked?.done(data.page);
    else asked?.failed(new Error(data.fault));
  };
  worker.onerror = (event) => {
    waiting.forEach(({ failed }) => failed(new Error(event.message || "The answer could not be read")));
    waiting.clear();
    worker = undefined;
  };
  return worker;
}

/** It starts while the first answer is on its way. */
export const ready = (): void => void reader();

export function parsed(body: ArrayBuffer): Promise<Page> {
  number += 1;
  const mine = number;
  return new Promise((done, failed) => {
    waiting.set(mine, { done, failed });
    reader().postMessage({ number: mine, body }, [body]);
  });
}
