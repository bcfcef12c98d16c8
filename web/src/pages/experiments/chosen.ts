/**
 * The runs that are drawn. Each holds a place in the address, and the place is its colour: whoever is put away leaves a gap, which
 * the next one takes, so that nobody else's colour ever changes, and a link shows the colours that its sender saw.
 */
import { useMemo } from "react";

import { colourAt } from "../../kit/chart";
import { useMode } from "../../kit/mode";

const NONE = "none";

export interface Chosen {
  /** Names, in the order of their places. */
  names: string[];
  ink: (name: string) => string | undefined;
  has: (name: string) => boolean;
  /** The address's text after a run was drawn or put away. */
  toggled: (name: string) => string;
}

/** @param usual who is drawn while nobody has chosen */
export function useChosen(text: string, usual: string[]): Chosen {
  const [dark] = useMode();
  const key = text || usual.join(",");
  return useMemo(() => {
    const places = key === NONE || !key ? [] : key.split(",");
    return {
      names: places.filter(Boolean),
      has: (name) => places.includes(name),
      ink: (name) => {
        const at = places.indexOf(name);
        return at < 0 ? undefined : colourAt(at, dark);
      },
      toggled: (name) => {
        const next = [...places];
        const at = next.indexOf(name);
        const gap = next.indexOf("");
        if (at >= 0) next[at] = "";
        else if (gap >= 0) next[gap] = name;
        else next.push(name);
        while (next.at(-1) === "") next.pop();
        return next.join(",") || NONE;
      },
    };
  }, [key, dark]);
}
