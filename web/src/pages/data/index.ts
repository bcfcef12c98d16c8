import type { Capability } from "../../kit/page";

export default {
  nav: [{ section: "Prepare", order: 1, label: "Data", href: "/data", words: "s3 buckets objects files upload" }],
  routes: [
    { path: "data", title: "Data", load: () => import("./buckets") },
    { path: "data/:name", title: "Data", load: () => import("./objects") },
  ],
  actions: [{ label: "Upload files", href: "/data", words: "s3 put data" }],
  find: async (text) => (await import("./api")).find(text),
} satisfies Capability;
