import type { Capability } from "../../kit/page";

export default {
  nav: [{ section: "Manage", order: 90, label: "All resources", href: "/resources", words: "list describe delete api every kind domains spaces packages groups" }],
  routes: [
    { path: "resources", title: "All resources", load: () => import("./gallery") },
    { path: "resources/:noun", title: "Resources", load: () => import("./list") },
    { path: "resources/:noun/:name", title: "Resource", load: () => import("./detail") },
  ],
} satisfies Capability;
