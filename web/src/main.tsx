import "@fontsource-variable/inter/wght.css";
import "@cloudscape-design/global-styles/index.css";
import "virtual:brand.css";
import "./brand/studio.css";

import { createRoot } from "react-dom/client";

import { App } from "./app";

createRoot(document.getElementById("root")!).render(<App />);
