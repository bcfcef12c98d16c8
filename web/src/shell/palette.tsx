/** Ctrl+K: go to any page, do any action, find any resource by a part of its name. */
import { useEffect, useId, useMemo, useRef, useState } from "react";
import { useNavigate } from "react-router";

import { told } from "../kit/errors";
import { useMode } from "../kit/mode";
import type { Hit } from "../kit/page";
import { Status } from "../kit/status";
import { capabilities, navigation } from "../registry";

interface Entry {
  group: string;
  label: string;
  words: string;
  status?: string | undefined;
  run: () => void;
}

/** Milliseconds of quiet typing before the server is asked. */
const QUIET = 120;

interface Found {
  text: string;
  hits: Hit[];
  /** Why some capabilities could not look: it may be that their role does not let them. */
  errors: unknown[];
}
const NONE: Found = { text: "", hits: [], errors: [] };

/** What the capabilities find for a text; those that could not look are told of. */
function useHits(text: string): [Found, boolean] {
  const [found, setFound] = useState(NONE);
  useEffect(() => {
    if (text.length < 2) return undefined;
    let wanted = true;
    const timer = setTimeout(() => {
      void Promise.allSettled(capabilities.map((c) => c.find?.(text) ?? Promise.resolve([]))).then((all) => {
        if (wanted) setFound({ text, hits: all.flatMap((a) => (a.status === "fulfilled" ? a.value : [])), errors: all.flatMap((a) => (a.status === "rejected" ? [a.reason] : [])) });
      });
    }, QUIET);
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [text]);
  return text.length < 2 ? [NONE, false] : [found, found.text !== text];
}

export function Palette({ close }: { close: () => void }) {
  const navigate = useNavigate();
  const [, choose] = useMode();
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const [{ hits, errors }, looking] = useHits(text.trim());
  const dialog = useRef<HTMLDialogElement>(null);
  const list = useId();
  useEffect(() => dialog.current?.showModal(), []);

  const fixed = useMemo<Entry[]>(() => {
    const go = (href: string) => () => void navigate(href);
    return [
      ...navigation.flatMap((s) => s.items.map((n) => ({ group: "Go to", label: n.label, words: `${n.words ?? ""} ${s.section}`, run: go(n.href) }))),
      ...capabilities.flatMap((c) => c.actions ?? []).map((a) => ({ group: "Do", label: a.label, words: a.words ?? "", run: go(a.href) })),
      ...(["light", "dark", "system"] as const).map((m) => ({ group: "Do", label: `Appearance: ${m}`, words: "theme mode colours", run: () => choose(m) })),
    ];
  }, [navigate, choose]);

  const parts = text.toLowerCase().split(/\s+/).filter(Boolean);
  const entries: Entry[] = [
    ...hits.map((h) => ({ group: h.kind, label: h.name, words: "", status: h.status, run: () => void navigate(h.href) })),
    ...fixed.filter((e) => parts.every((p) => `${e.label} ${e.words}`.toLowerCase().includes(p))),
  ];
  const chosen = Math.min(at, entries.length - 1);
  const run = (entry: Entry | undefined) => {
    if (!entry) return;
    close();
    entry.run();
  };
  const pressed = (event: React.KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      setAt((chosen + step + entries.length) % Math.max(entries.length, 1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      run(entries[chosen]);
    }
  };
  useEffect(() => {
    // in braces: it returns a promise in newer browsers, and an effect may only return how to undo it
    void dialog.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }, [chosen]);

  return (
    <dialog ref={dialog} className="palette" aria-label="Search or jump to" onClose={close} onClick={(e) => e.target === dialog.current && close()}>
      <input
        role="combobox"
        aria-expanded="true"
        aria-controls={list}
        aria-activedescendant={entries.length ? `${list}-${chosen}` : undefined}
        aria-label="Search pages, actions and resources"
        placeholder="Search pages, actions and resources by name"
        value={text}
        onChange={(e) => {
          setText(e.target.value);
          setAt(0);
        }}
        onKeyDown={pressed}
        spellCheck={false}
        autoFocus
      />
      <ul id={list} role="listbox" aria-label="Found">
        {entries.map((entry, i) => (
          <li key={`${entry.group}:${entry.label}`} id={`${list}-${i}`} role="option" aria-selected={i === chosen} onMouseMove={() => setAt(i)} onClick={() => run(entry)}>
            <span className="palette-group">{entry.group}</span>
            <span className="palette-label">{entry.label}</span>
            {entry.status && <Status value={entry.status} />}
          </li>
        ))}
      </ul>
      {entries.length === 0 && <p className="palette-none">{looking ? "Looking…" : "Nothing has that name."}</p>}
      {errors.length > 0 && !looking && <p className="palette-none" role="status">Not everything could be looked through: {told(errors[0]).message}</p>}
      <p className="palette-keys" aria-hidden="true"><kbd>↑</kbd> <kbd>↓</kbd> choose <kbd>Enter</kbd> open <kbd>Esc</kbd> close</p>
    </dialog>
  );
}
