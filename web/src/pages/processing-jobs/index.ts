import type { Capability } from "../../kit/page";

export default {
  nav: [{ section: "Prepare", order: 2, label: "Processing jobs", href: "/processing-jobs", words: "etl script sklearnprocessor" }],
  routes: [
    { path: "processing-jobs", title: "Processing jobs", load: () => import("./list") },
    { path: "processing-jobs/create", title: "Create a processing job", load: () => import("./create") },
    { path: "processing-jobs/compare", title: "Compare processing jobs", load: () => import("./compare") },
    { path: "processing-jobs/:name", title: "Processing job", load: () => import("./detail") },
  ],
  actions: [{ label: "Create a processing job", href: "/processing-jobs/create", words: "script etl new" }],
  find: async (text) => (await import("./api")).find(text),
} satisfies Capability;
