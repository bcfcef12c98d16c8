/** Short words on what just happened, at the top of the page. */
import Flashbar, { type FlashbarProps } from "@cloudscape-design/components/flashbar";
import { useSyncExternalStore } from "react";

import { told } from "./errors";

let items: FlashbarProps.MessageDefinition[] = [];
let number = 0;
const watchers = new Set<() => void>();

function change(next: typeof items): void {
  items = next;
  watchers.forEach((w) => w());
}

/** Milliseconds that good news stays; bad news stays until it is put away. */
const STAYS = 6000;

function add(type: FlashbarProps.Type, content: React.ReactNode, header?: string): void {
  const id = String(++number);
  const dismiss = () => change(items.filter((i) => i.id !== id));
  change([{ id, type, header, content, dismissible: true, dismissLabel: "Put away", onDismiss: dismiss }, ...items].slice(0, 5));
  if (type === "success" || type === "info") setTimeout(dismiss, STAYS);
}

export const notify = {
  done: (content: React.ReactNode) => add("success", content),
  failed: (doing: string, error: unknown) => {
    const { code, message, requestId } = told(error);
    add("error", requestId ? `${message} (request id ${requestId})` : message, `${doing}: ${code}`);
  },
};

export function Notifications() {
  const shown = useSyncExternalStore(
    (watch) => {
      watchers.add(watch);
      return () => watchers.delete(watch);
    },
    () => items,
  );
  return <Flashbar items={shown} stackItems={shown.length > 3} />;
}
