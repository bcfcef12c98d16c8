/** What a capability's folder declares. The registry collects the declarations; nothing else knows the pages. */
import type { ComponentType } from "react";

/** In the order of a model's life. */
export const SECTIONS = ["", "Prepare", "Train", "Track", "Deploy", "Manage"] as const;
export type Section = (typeof SECTIONS)[number];

export interface Nav {
  section: Section;
  /** Position within the section. */
  order: number;
  label: string;
  href: string;
  /** Further words that the command palette finds it by. */
  words?: string;
}

export interface PageRoute {
  /** Below Studio's root, as react-router writes it: "training-jobs/:name". */
  path: string;
  title: string;
  load: () => Promise<{ default: ComponentType }>;
}

/** Something that the palette found by name. */
export interface Hit {
  kind: string;
  name: string;
  href: string;
  status?: string | undefined;
}

/** What can be done at once from the palette. */
export interface Action {
  label: string;
  href: string;
  words?: string;
}

export interface Capability {
  nav: Nav[];
  routes: PageRoute[];
  actions?: Action[];
  /** Looks for things by a part of their name: at most a handful. */
  find?: (text: string) => Promise<Hit[]>;
}
