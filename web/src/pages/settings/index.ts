import type { Capability } from "../../kit/page";

export default {
  nav: [{ section: "Manage", order: 9, label: "Settings", href: "/settings", words: "password profile appearance theme keys" }],
  routes: [{ path: "settings", title: "Settings", load: () => import("./settings") }],
} satisfies Capability;
