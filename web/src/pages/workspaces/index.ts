import type { Capability } from "../../kit/page";

export default {
  nav: [
    { section: "Prepare", order: 3, label: "Workspaces", href: "/workspaces", words: "jupyterlab jupyter notebook space ide code lab" },
    { section: "Prepare", order: 4, label: "Notebook instances", href: "/notebook-instances", words: "jupyter" },
    { section: "Prepare", order: 5, label: "Code repositories", href: "/code-repositories", words: "git github gitlab clone source credentials secret" },
    { section: "Manage", order: 4, label: "People", href: "/people", words: "user profiles sign-in links members team invite" },
    { section: "Manage", order: 5, label: "Domain", href: "/domain", words: "studio settings defaults idle shutdown lifecycle scripts" },
  ],
  routes: [
    { path: "workspaces", title: "Workspaces", load: () => import("./list") },
    { path: "workspaces/create", title: "Create a workspace", load: () => import("./create") },
    { path: "workspaces/:name", title: "Workspace", load: () => import("./detail") },
    { path: "notebook-instances", title: "Notebook instances", load: async () => ({ default: (await import("./notebooks")).List }) },
    { path: "notebook-instances/create", title: "Create a notebook instance", load: () => import("./notebook-create") },
    { path: "notebook-instances/:name", title: "Notebook instance", load: async () => ({ default: (await import("./notebooks")).Detail }) },
    { path: "people", title: "People", load: async () => ({ default: (await import("./people")).List }) },
    { path: "people/create", title: "Add somebody", load: () => import("./people-create") },
    { path: "people/:name", title: "User profile", load: async () => ({ default: (await import("./people")).Detail }) },
    { path: "domain", title: "Domain", load: () => import("./domain") },
    { path: "start-scripts", title: "Start scripts", load: async () => ({ default: (await import("./scripts")).List }) },
    { path: "start-scripts/create", title: "Create a start script", load: async () => ({ default: (await import("./scripts")).Create }) },
    { path: "start-scripts/:name", title: "Start script", load: async () => ({ default: (await import("./scripts")).Detail }) },
    { path: "code-repositories", title: "Code repositories", load: async () => ({ default: (await import("./repositories")).List }) },
    { path: "code-repositories/create", title: "Add a code repository", load: async () => ({ default: (await import("./repositories")).Create }) },
    { path: "code-repositories/:name", title: "Code repository", load: async () => ({ default: (await import("./repositories")).Detail }) },
  ],
  actions: [
    { label: "Create a workspace", href: "/workspaces/create", words: "jupyterlab notebook space new" },
    { label: "Create a notebook instance", href: "/notebook-instances/create", words: "jupyter new" },
    { label: "Add somebody to Studio", href: "/people/create", words: "user profile invite new" },
    { label: "Add a code repository", href: "/code-repositories/create", words: "git clone credentials new" },
    { label: "Start scripts of workspaces", href: "/start-scripts", words: "lifecycle configuration" },
  ],
  find: async (text) => (await import("./api")).find(text),
} satisfies Capability;
