/** Every capability there is: each folder of pages/ declares itself in its index.ts. */
import { matchRoutes } from "react-router";

import { SECTIONS, type Capability, type Nav } from "./kit/page";

const found = import.meta.glob<{ default: Capability }>("./pages/*/index.ts", { eager: true });

export const capabilities: Capability[] = Object.values(found).map((m) => m.default);

export const navigation: { section: string; items: Nav[] }[] = SECTIONS.map((section) => ({
  section,
  items: capabilities.flatMap((c) => c.nav).filter((n) => n.section === section).sort((a, b) => a.order - b.order),
})).filter((s) => s.items.length > 0);

/** Have the code of the page at an address fetched before the router, which waits for the session, asks for it. */
export function fetchAhead(address: string, base: string): void {
  const found = matchRoutes(capabilities.flatMap((c) => c.routes), address, base)?.at(-1)?.route;
  // whether it can be loaded is for the router to say, when it asks
  found?.load().catch(() => undefined);
}
