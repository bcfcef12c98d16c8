import type { Capability } from "../../kit/page";

export default {
  nav: [{ section: "Deploy", order: 2, label: "Endpoints", href: "/endpoints", words: "inference predict serve deploy" }],
  routes: [
    { path: "endpoints", title: "Endpoints", load: () => import("./list") },
    { path: "endpoints/create", title: "Create an endpoint", load: () => import("./create") },
    { path: "endpoints/:name/update", title: "Update an endpoint", load: () => import("./update") },
    { path: "endpoints/:name", title: "Endpoint", load: () => import("./detail") },
  ],
  actions: [{ label: "Create an endpoint", href: "/endpoints/create", words: "deploy serve" }],
  find: async (text) => (await import("./api")).find(text),
} satisfies Capability;
