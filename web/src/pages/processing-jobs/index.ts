import type { Capability } from "../../kit/page";

export default {
  nav: [{ section: "Prepare", order: 2, label: "Processing jobs", href: "/processing-jobs", words: "etl script sklearnprocessor" }],
  routes: [
    { path: "processing-jobs", title: "Processing jobs", load: async () => ({ default: (await import("./page")).List }) },
    { path: "processing-jobs/:name", title: "Processing job", load: async () => ({ default: (await import("./page")).Detail }) },
  ],
} satisfies Capability;
