import type { Capability } from "../../kit/page";

export default {
  nav: [{ section: "Deploy", order: 3, label: "Batch transform", href: "/transform-jobs", words: "batch inference transform predict" }],
  routes: [
    { path: "transform-jobs", title: "Batch transform", load: () => import("./list") },
    { path: "transform-jobs/create", title: "Create a transform job", load: () => import("./create") },
    { path: "transform-jobs/compare", title: "Compare transform jobs", load: () => import("./compare") },
    { path: "transform-jobs/:name", title: "Transform job", load: () => import("./detail") },
  ],
  actions: [{ label: "Create a transform job", href: "/transform-jobs/create", words: "batch score predict new" }],
  find: async (text) => (await import("./api")).find(text),
} satisfies Capability;
