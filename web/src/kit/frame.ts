/** What a page may do to the frame around it. */
import { createContext, use, useEffect, type ReactNode } from "react";

export interface FrameControls {
  setPanel: (panel: ReactNode) => void;
  setPanelOpen: (open: boolean) => void;
  openPalette: () => void;
}

const Context = createContext<FrameControls | null>(null);
export const Frame = Context;

export function useFrame(): FrameControls {
  const frame = use(Context);
  if (!frame) throw new Error("there is no frame around this page");
  return frame;
}

/**
 * Show a split panel while the page is there; null takes it away.
 *
 * @param key which thing it is about: another one opens the panel
 * @param about what is told of it: the content of the panel is new at every rendering, and is shown anew when this is another
 */
export function useSplitPanel(panel: ReactNode, key: string, about?: unknown): void {
  const { setPanel, setPanelOpen } = useFrame();
  useEffect(() => setPanel(panel), [key, about]);
  useEffect(() => setPanelOpen(panel !== null), [key]);
  useEffect(
    () => () => {
      setPanel(null);
      setPanelOpen(false);
    },
    [setPanel, setPanelOpen],
  );
}
