/** Files of a tar.gz, read in the browser: nothing is written anywhere, names lead nowhere. */

/** Bytes that an archive may have when it is unpacked. */
const MOST = 256 * 1024 * 1024;
const BLOCK = 512;

async function unzipped(body: Blob): Promise<Uint8Array<ArrayBuffer>> {
  const reader = body.stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  const parts: BlobPart[] = [];
  let size = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    size += part.value.length;
    if (size > MOST) {
      await reader.cancel();
      throw new Error("The archive is too large to be opened here. Download it from Data.");
    }
    parts.push(part.value as Uint8Array<ArrayBuffer>);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).replace(/\0[\s\S]*$/, "");

/** The path that a pax header names, where it does. */
function paxPath(body: Uint8Array): string | undefined {
  return /^\d+ path=(.*)$/m.exec(new TextDecoder().decode(body))?.[1];
}

/** name → bytes of the regular files. Raises for what is no archive. */
export async function files(body: Blob): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const all = await unzipped(body);
  const found = new Map<string, Uint8Array<ArrayBuffer>>();
  let named: string | undefined;
  for (let at = 0; at + BLOCK <= all.length && all[at] !== 0; ) {
    const field = (from: number, length: number) => text(all.subarray(at + from, at + from + length));
    const size = parseInt(field(124, 12).trim() || "0", 8);
    const kind = field(156, 1) || "0";
    const content = all.subarray(at + BLOCK, at + BLOCK + size);
    if (!Number.isFinite(size) || content.length < size) throw new Error("The archive is damaged.");
    const name = named ?? [field(345, 155), field(0, 100)].filter(Boolean).join("/");
    named = kind === "x" ? paxPath(content) : kind === "L" ? text(content) : undefined;
    if (kind === "0") found.set(name.replace(/^\.\//, ""), content);
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return found;
}
