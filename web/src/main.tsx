import "@fontsource-variable/inter/wght.css";
import "@cloudscape-design/global-styles/index.css";
import "virtual:brand.css";
import "./brand/studio.css";

import { createRoot } from "react-dom/client";

import { App } from "./app";
import { BASE } from "./kit/server";
import { fetchAhead } from "./registry";

fetchAhead(location.pathname, BASE);

createRoot(document.getElementById("root")!).render(<App />);
