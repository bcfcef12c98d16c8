import type { Capability } from "../../kit/page";

export default {
  nav: [
    { section: "Manage", order: 1, label: "Access", href: "/access", words: "iam users roles policies permissions rights" },
    { section: "Manage", order: 2, label: "Explain a denial", href: "/access/explain", words: "iam simulate why denied AccessDenied permission" },
    { section: "Manage", order: 3, label: "Audit trail", href: "/access/trail", words: "cloudtrail history who did what" },
  ],
  routes: [
    { path: "access", title: "Access", load: () => import("./list") },
    { path: "access/explain", title: "Explain a denial", load: () => import("./explain") },
    { path: "access/trail", title: "Audit trail", load: () => import("./trail") },
    { path: "access/policy", title: "Policy", load: () => import("./policy") },
    { path: "access/:kind/:name", title: "Access", load: () => import("./detail") },
  ],
  actions: [{ label: "Explain a denial", href: "/access/explain", words: "why denied" }],
} satisfies Capability;
