/** Every capability there is: each folder of pages/ declares itself in its index.ts. */
import { SECTIONS, type Capability, type Nav } from "./kit/page";

const found = import.meta.glob<{ default: Capability }>("./pages/*/index.ts", { eager: true });

export const capabilities: Capability[] = Object.values(found).map((m) => m.default);

export const navigation: { section: string; items: Nav[] }[] = SECTIONS.map((section) => ({
  section,
  items: capabilities.flatMap((c) => c.nav).filter((n) => n.section === section).sort((a, b) => a.order - b.order),
})).filter((s) => s.items.length > 0);
