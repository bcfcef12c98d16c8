/** A notebook as what may be shown of it: text and pictures. HTML, SVG and scripts of its outputs are never handed on. */
export interface Shown {
  /** "text", an error's text, a picture, or what is there and not shown. */
  kind: "text" | "error" | "picture" | "hidden";
  text: string;
  picture?: Blob;
}

export interface Cell {
  kind: "code" | "prose";
  source: string;
  /** Of its run; undefined where it never ran. */
  number: number | undefined;
  /** It holds the parameters of this run. */
  parameters: boolean;
  outputs: Shown[];
}

/** Cells that are shown, and characters of one output. */
const CELLS = 500;
const LONGEST = 20_000;
const PICTURES: [type: string, magic: number[]][] = [["image/png", [0x89, 0x50, 0x4e, 0x47]], ["image/jpeg", [0xff, 0xd8, 0xff]]];
// eslint-disable-next-line no-control-regex
const ANSI = /\u001b\[[0-9;?]*[A-Za-z]/g;

type Json = Record<string, unknown>;
const object = (value: unknown): Json => (typeof value === "object" && value !== null ? (value as Json) : {});
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** Text as notebooks hold it: whole or by lines. */
function joined(value: unknown): string {
  const text = Array.isArray(value) ? value.filter((v) => typeof v === "string").join("") : typeof value === "string" ? value : "";
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}\n… ${(text.length - LONGEST).toLocaleString()} more characters, in the file` : text;
}

function picture(data: Json): Blob | undefined {
  for (const [type, magic] of PICTURES) {
    const value = data[type];
    const encoded = Array.isArray(value) ? value.join("") : value;
    if (typeof encoded !== "string") continue;
    try {
      const bytes = Uint8Array.from(atob(encoded.replace(/\s/g, "")), (c) => c.charCodeAt(0));
      if (magic.every((b, i) => bytes[i] === b)) return new Blob([bytes], { type });
    } catch {
      continue; // it says that it is a picture, and is none
    }
  }
  return undefined;
}

function shown(output: Json): Shown {
  if (output["output_type"] === "stream") return { kind: output["name"] === "stderr" ? "error" : "text", text: joined(output["text"]).replace(ANSI, "") };
  if (output["output_type"] === "error") {
    const trace = list(output["traceback"]).filter((t) => typeof t === "string").join("\n");
    return { kind: "error", text: (trace || `${joined(output["ename"])}: ${joined(output["evalue"])}`).replace(ANSI, "").slice(0, LONGEST) };
  }
  const data = object(output["data"]);
  const made = picture(data);
  if (made) return { kind: "picture", text: joined(data["text/plain"]), picture: made };
  const text = joined(data["text/plain"]).replace(ANSI, "");
  // what IPython says of an object that only its HTML or script would show
  if (text && !/^<IPython\.\S+ object>$/.test(text)) return { kind: "text", text };
  const types = Object.keys(data).filter((type) => type !== "text/plain").join(", ");
  return { kind: "hidden", text: types ? `An output of type ${types} is not shown here; the downloads have it.` : "An output without content." };
}

/** @returns undefined when the bytes are no notebook. */
export function cells(bytes: Uint8Array): { cells: Cell[]; more: number } | undefined {
  let document: Json;
  try {
    document = object(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    return undefined;
  }
  if (!Array.isArray(document["cells"])) return undefined;
  const all = list(document["cells"]).map(object);
  return {
    more: Math.max(0, all.length - CELLS),
    cells: all.slice(0, CELLS).map((cell) => ({
      kind: cell["cell_type"] === "code" ? "code" : "prose",
      source: joined(cell["source"]),
      number: typeof cell["execution_count"] === "number" ? cell["execution_count"] : undefined,
      parameters: list(object(cell["metadata"])["tags"]).includes("injected-parameters"),
      outputs: list(cell["outputs"]).map((o) => shown(object(o))),
    })),
  };
}
