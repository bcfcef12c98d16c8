/** Opens in a tab of its own what a URL leads to that is good once: it is asked for at the click, and stands nowhere. */
import Button, { type ButtonProps } from "@cloudscape-design/components/button";
import { useState } from "react";

import { notify } from "./notify";

export interface OpensProps {
  label: string;
  /** Makes the URL. */
  url: () => Promise<string | undefined>;
  variant?: ButtonProps.Variant;
  disabled?: boolean;
}

export function Opens({ label, url, variant = "normal", disabled = false }: OpensProps) {
  const [busy, setBusy] = useState(false);
  const open = async () => {
    setBusy(true);
    // now, while the browser still knows of the click; it is empty until the URL is there
    const tab = window.open("", "_blank");
    if (tab) tab.opener = null;
    try {
      const where = await url();
      if (!where) throw new Error("The server gave no URL.");
      if (tab) tab.location.replace(where);
      else notify.done(<>The browser held the new tab back: <a href={where} target="_blank" rel="noreferrer">open it here</a>, once.</>);
    } catch (failed) {
      tab?.close();
      notify.failed("Not opened", failed);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Button variant={variant} iconName="external" iconAlign="right" loading={busy} disabled={disabled} onClick={() => void open()}>
      {label}
    </Button>
  );
}
