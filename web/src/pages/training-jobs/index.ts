import type { Capability } from "../../kit/page";

export default {
  nav: [{ section: "Train", order: 1, label: "Training jobs", href: "/training-jobs", words: "runs fit estimator" }],
  routes: [
    { path: "training-jobs", title: "Training jobs", load: () => import("./list") },
    { path: "training-jobs/create", title: "Create a training job", load: () => import("./create") },
    { path: "training-jobs/compare", title: "Compare training jobs", load: () => import("./compare") },
    { path: "training-jobs/:name", title: "Training job", load: () => import("./detail") },
  ],
  actions: [{ label: "Create a training job", href: "/training-jobs/create", words: "train new fit" }],
  find: async (text) => (await import("./api")).find(text),
} satisfies Capability;
