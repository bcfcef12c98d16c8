import type { Capability } from "../../kit/page";

export default {
  nav: [{ section: "Train", order: 2, label: "Tuning jobs", href: "/tuning-jobs", words: "hyperparameter search bayesian hyperband hpo" }],
  routes: [
    { path: "tuning-jobs", title: "Tuning jobs", load: () => import("./list") },
    { path: "tuning-jobs/create", title: "Create a tuning job", load: () => import("./create") },
    { path: "tuning-jobs/:name", title: "Tuning job", load: () => import("./detail") },
  ],
  actions: [{ label: "Create a tuning job", href: "/tuning-jobs/create", words: "tune search hyperparameters hpo new" }],
  find: async (text) => (await import("./api")).find(text),
} satisfies Capability;
