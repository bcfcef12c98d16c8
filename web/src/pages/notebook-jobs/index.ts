import type { Capability } from "../../kit/page";

export default {
  nav: [
    { section: "Train", order: 3, label: "Notebook jobs", href: "/notebook-jobs", words: "jupyter ipynb papermill run headless" },
    { section: "Train", order: 4, label: "Schedules", href: "/schedules", words: "eventbridge scheduler cron rate nightly timer pause" },
  ],
  routes: [
    { path: "notebook-jobs", title: "Notebook jobs", load: () => import("./list") },
    { path: "notebook-jobs/create", title: "Run a notebook", load: () => import("./create") },
    { path: "notebook-jobs/:name", title: "Notebook job", load: () => import("./detail") },
    { path: "schedules", title: "Schedules", load: async () => ({ default: (await import("./schedules")).List }) },
    { path: "schedules/:group/:name", title: "Schedule", load: async () => ({ default: (await import("./schedules")).Detail }) },
    { path: "schedules/:group/:name/change", title: "Change a schedule", load: () => import("./schedule-change") },
  ],
  actions: [{ label: "Run a notebook", href: "/notebook-jobs/create", words: "notebook job schedule nightly ipynb new" }],
} satisfies Capability;
