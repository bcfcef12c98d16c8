import type { Capability } from "../../kit/page";

export default {
  nav: [{ section: "Train", order: 2, label: "Tuning jobs", href: "/tuning-jobs", words: "hyperparameter search bayesian hyperband hpo" }],
  routes: [
    { path: "tuning-jobs", title: "Tuning jobs", load: () => import("./list") },
    { path: "tuning-jobs/:name", title: "Tuning job", load: () => import("./detail") },
  ],
} satisfies Capability;
