/** A notebook after its run, cell by cell. */
import Box from "@cloudscape-design/components/box";
import { useEffect, useState } from "react";

import "./notebook-jobs.css";
import type { Cell, Shown } from "./notebook";

export function Notebook({ cells, more }: { cells: Cell[]; more: number }) {
  return (
    <div className="notebook" role="region" aria-label="The notebook after its run">
      {cells.map((cell, i) => (cell.kind === "code" ? <Code key={i} cell={cell} /> : <Prose key={i} text={cell.source} />))}
      {cells.length === 0 && <Box color="text-body-secondary">The notebook has no cells.</Box>}
      {more > 0 && <Box color="text-body-secondary">{more} more cells are in the file.</Box>}
    </div>
  );
}

function Code({ cell }: { cell: Cell }) {
  return (
    <div className={cell.parameters ? "cell cell-given" : "cell"}>
      <div className="cell-number">{cell.parameters ? "Given" : `[${cell.number ?? " "}]`}</div>
      <div className="cell-body">
        <pre className="cell-source">{cell.source}</pre>
        {cell.outputs.map((output, i) => (
          <Output key={i} of={output} />
        ))}
      </div>
    </div>
  );
}

function Output({ of }: { of: Shown }) {
  if (of.kind === "picture") return <Picture of={of.picture!} text={of.text} />;
  if (of.kind === "hidden") return <Box color="text-body-secondary" padding={{ vertical: "xs" }}>{of.text}</Box>;
  return <pre className={of.kind === "error" ? "cell-output cell-error" : "cell-output"}>{of.text}</pre>;
}

function Picture({ of, text }: { of: Blob; text: string }) {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    const made = URL.createObjectURL(of);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [of]);
  return url ? <img className="cell-picture" src={url} alt={text || "A picture that the cell drew"} /> : null;
}

/** Markdown as plain text, its headings larger: enough to find one's way, and nothing that could run. */
function Prose({ text }: { text: string }) {
  return (
    <div className="cell">
      <div className="cell-number" />
      <div className="cell-body cell-prose">
        {text.split("\n").map((line, i) => (/^#{1,6} /.test(line) ? <b key={i}>{line.replace(/^#+ /, "")}</b> : <span key={i}>{line}</span>))}
      </div>
    </div>
  );
}
