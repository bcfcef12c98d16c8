import type { Capability } from "../../kit/page";

export default {
  nav: [{ section: "Deploy", order: 3, label: "Batch transform", href: "/transform-jobs", words: "batch inference transform predict" }],
  routes: [
    { path: "transform-jobs", title: "Batch transform", load: async () => ({ default: (await import("./page")).List }) },
    { path: "transform-jobs/:name", title: "Transform job", load: async () => ({ default: (await import("./page")).Detail }) },
  ],
} satisfies Capability;
