import { createContext, use } from "react";

import type { Session } from "./server";

export interface SignedIn {
  who: Session;
  leave: () => Promise<void>;
  /** Ask anew who is signed in, after something about it changed. */
  changed: () => void;
}

export const SessionContext = createContext<SignedIn | null>(null);

export function useSession(): SignedIn {
  const found = use(SessionContext);
  if (!found) throw new Error("nobody is signed in");
  return found;
}
