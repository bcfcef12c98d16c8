import type { Capability } from "../../kit/page";

export default {
  nav: [{ section: "Deploy", order: 1, label: "Models", href: "/models" }],
  routes: [
    { path: "models", title: "Models", load: () => import("./list") },
    { path: "models/create", title: "Create a model", load: () => import("./create") },
    { path: "models/:name", title: "Model", load: () => import("./detail") },
  ],
  actions: [{ label: "Create a model", href: "/models/create" }],
  find: async (text) => (await import("./api")).find(text),
} satisfies Capability;
