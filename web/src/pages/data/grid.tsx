/** Rows of a file as a table that scrolls in both directions. */
const numeric = (cell: string | undefined) => cell !== undefined && cell !== "" && !Number.isNaN(Number(cell));

export function Grid({ head, rows, first = 1, label = "Rows" }: { head: readonly string[]; rows: readonly (readonly (string | undefined)[])[]; first?: number; label?: string }) {
  return (
    <div className="grid" tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead><tr><th scope="col">#</th>{head.map((h, i) => <th key={i} scope="col" className={numeric(rows[0]?.[i]) ? "number" : ""}>{h}</th>)}</tr></thead>
        <tbody>
          {rows.map((row, i) => (
            <tr key={i}><td className="dim">{(first + i).toLocaleString()}</td>{head.map((_, j) => <td key={j} className={numeric(row[j]) ? "number" : ""}>{row[j]}</td>)}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
