/** A document as a tree that opens and closes, with what the server really sent one click away. */
import Toggle from "@cloudscape-design/components/toggle";
import { useState } from "react";

import { Code } from "./code";

const HIDDEN = "$metadata";

function Leaf({ value }: { value: unknown }) {
  if (value === null || value === undefined) return <span className="json-null">null</span>;
  if (value instanceof Date) return <span className="json-date">{value.toISOString()}</span>;
  if (value instanceof Uint8Array) return <span className="json-null">{value.length} bytes</span>;
  if (typeof value === "string") return <span className="json-string">{value || "“”"}</span>;
  return <span className="json-number">{String(value)}</span>;
}

const isBranch = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !(value instanceof Date) && !(value instanceof Uint8Array);

function Node({ name, value, depth }: { name: string; value: unknown; depth: number }) {
  if (!isBranch(value)) {
    return (
      <div className="json-row">
        <span className="json-name">{name}</span> <Leaf value={value} />
      </div>
    );
  }
  const entries = Object.entries(value).filter(([k, v]) => k !== HIDDEN && v !== undefined);
  const note = Array.isArray(value) ? `${entries.length} ${entries.length === 1 ? "item" : "items"}` : entries.length ? "" : "empty";
  return (
    <details className="json-branch" open={depth < 3 && entries.length < 40}>
      <summary>
        <span className="json-name">{name}</span> <span className="dim">{note}</span>
      </summary>
      <div className="json-inner">
        {entries.map(([k, v]) => (
          <Node key={k} name={k} value={v} depth={depth + 1} />
        ))}
      </div>
    </details>
  );
}

export function JsonView({ value }: { value: object }) {
  const [raw, setRaw] = useState(false);
  const entries = Object.entries(value).filter(([k, v]) => k !== HIDDEN && v !== undefined);
  return (
    <div>
      <div className="json-tools">
        <Toggle checked={raw} onChange={({ detail }) => setRaw(detail.checked)}>
          As JSON
        </Toggle>
      </div>
      {raw ? (
        <Code label="JSON" text={JSON.stringify(Object.fromEntries(entries), null, 2)} />
      ) : (
        <div className="json">
          {entries.map(([k, v]) => (
            <Node key={k} name={k} value={v} depth={1} />
          ))}
        </div>
      )}
    </div>
  );
}
