import type { Capability } from "../../kit/page";

export default {
  nav: [{ section: "", order: 1, label: "Overview", href: "/", words: "home start" }],
  routes: [{ path: "/", title: "Overview", load: () => import("./home") }],
} satisfies Capability;
