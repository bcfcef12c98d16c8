/** The text that a list is filtered by. What is typed is its own until the list is asked: a key draws this field, and not the table below it. */
import TextFilter from "@cloudscape-design/components/text-filter";
import { useEffect, useRef, useState } from "react";

/** Milliseconds without a key after which the list is asked although an earlier answer is still on its way. */
const QUIET = 100;

export interface NameFilterProps {
  /** What the list is filtered by now. */
  value: string;
  /** Whether an answer is on its way: a slow server is not asked at every key. */
  busy: boolean;
  label: string;
  ask: (text: string) => void;
}

export function NameFilter({ value, busy, label, ask }: NameFilterProps) {
  const [text, setText] = useState(value);
  const [seen, setSeen] = useState(value);
  /** What was asked here and has not come back as `value` yet. */
  const asked = useRef<string[]>([]);
  if (seen !== value) {
    setSeen(value);
    // what was asked here comes back late, and more may have been typed since; anything else is somebody's back, forward or link
    const own = asked.current.indexOf(value);
    asked.current = own < 0 ? [] : asked.current.slice(own + 1);
    if (own < 0) setText(value);
  }
  const latest = useRef(ask);
  latest.current = ask;
  useEffect(() => {
    if (text === value || text === asked.current.at(-1)) return undefined;
    const send = () => {
      asked.current.push(text);
      latest.current(text);
    };
    if (!busy && asked.current.length === 0) {
      send();
      return undefined;
    }
    const timer = setTimeout(send, QUIET);
    return () => clearTimeout(timer);
  }, [text, value, busy]);
  return <TextFilter filteringText={text} onChange={({ detail }) => setText(detail.filteringText)} filteringPlaceholder={label} filteringAriaLabel={label} />;
}
