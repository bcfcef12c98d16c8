import type { Capability } from "../../kit/page";

export default {
  nav: [{ section: "Track", order: 1, label: "Experiments", href: "/experiments", words: "runs trials compare metrics mlflow" }],
  routes: [
    { path: "experiments", title: "Experiments", load: () => import("./list") },
    { path: "experiments/:name", title: "Experiment", load: () => import("./runs") },
  ],
} satisfies Capability;
