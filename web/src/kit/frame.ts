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

/** Show a split panel while the page is there; null takes it away. */
export function useSplitPanel(panel: ReactNode, key: string): void {
  const { setPanel, setPanelOpen } = useFrame();
  useEffect(() => {
    setPanel(panel);
    setPanelOpen(panel !== null);
    // the panel's content is new at every rendering; what it is about, its key, decides
  }, [key]);
  useEffect(
    () => () => {
      setPanel(null);
      setPanelOpen(false);
    },
    [setPanel, setPanelOpen],
  );
}
