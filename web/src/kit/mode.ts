/** Light, dark, or as the system says. */
import { applyMode, Mode } from "@cloudscape-design/global-styles";
import { useEffect, useSyncExternalStore } from "react";

import { stored } from "./stored";

const chosen = stored("mode", "system");
const system = matchMedia("(prefers-color-scheme: dark)");

export function useMode(): [dark: boolean, choose: (mode: "light" | "dark" | "system") => void, choice: string] {
  const choice = chosen.use();
  const systemDark = useSyncExternalStore(
    (watch) => {
      system.addEventListener("change", watch);
      return () => system.removeEventListener("change", watch);
    },
    () => system.matches,
  );
  const dark = choice === "system" ? systemDark : choice === "dark";
  useEffect(() => {
    applyMode(dark ? Mode.Dark : Mode.Light);
    document.documentElement.style.colorScheme = dark ? "dark" : "light";
  }, [dark]);
  return [dark, chosen.set, choice];
}
