/** The question before something is done to each of those that are chosen in a list, and the doing. */
import type { ReactNode } from "react";

import { Confirm, type ConfirmProps } from "./confirm";

export interface EachProps<T> extends Pick<ConfirmProps, "label" | "said" | "done"> {
  /** "training job" */
  noun: string;
  /** Where an s does not make it several: "code repositories". */
  nouns?: string;
  chosen: readonly T[];
  name: (one: T) => string;
  run: (one: T) => Promise<unknown>;
  /** Whether it can be done to one as it is now; to all of them, where it is left out. */
  may?: (one: T) => boolean;
  /** What is asked about whose; "Stop" asks "Stop lab?" by itself. */
  asks?: string;
  /** The name of one is typed first: what it has is lost. */
  typed?: boolean;
  /** What comes of it, which is read before it is done. */
  children: ReactNode;
}

export function Each<T>({ label, noun, nouns = `${noun}s`, chosen, name, run, may = () => true, asks = label, typed = false, said, done, children }: EachProps<T>) {
  const one = chosen.length === 1 ? name(chosen[0]!) : undefined;
  return (
    <Confirm
      label={label}
      question={`${asks} ${one ?? `${chosen.length} ${nouns}`}?`}
      disabled={!chosen.length || !chosen.every(may)}
      {...(typed && one !== undefined && { type: one })}
      run={() => Promise.all(chosen.map(run))}
      said={said}
      {...(done && { done })}
    >
      {children}
    </Confirm>
  );
}
