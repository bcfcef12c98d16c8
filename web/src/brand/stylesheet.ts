/** Runs at build time only: Cloudscape's stylesheet of our tokens. */
import { generateThemeStylesheet } from "@cloudscape-design/components/theming";

import { theme } from "./theme";

export const stylesheet: string = generateThemeStylesheet({ theme });
