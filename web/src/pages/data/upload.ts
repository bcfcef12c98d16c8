/**
 * Uploads in parts, so that a file of any size shows how far it is and goes on where it stopped.
 *
 * A part that fails is sent again, after a pause, until the server has refused it several times. What has been begun is noted in this
 * browser, by the file's name, size and time of change: after a reload the same file, chosen again, goes on with the parts that the
 * server says it has. A file that is not the same one begins anew, so that two files never end in one object.
 */
import { AbortMultipartUploadCommand, CompleteMultipartUploadCommand, CreateMultipartUploadCommand, ListPartsCommand, PutObjectCommand, UploadPartCommand, type Part } from "@aws-sdk/client-s3";

import { s3 } from "../../kit/aws/s3";
import { lookup } from "../../kit/lookup";

/** Bytes of a part, and the size up to which a file goes in one request. */
const PART = 8 * 1024 * 1024;
/** Parts at once. */
const PARALLEL = 3;
/** S3 takes at most so many parts. */
const PARTS = 10_000;
/** Times that a part is tried, and milliseconds before the second time; each next pause is twice as long. */
const TRIES = 6;
const PAUSE = 500;

const TYPES = lookup({ csv: "text/csv", json: "application/json", jsonl: "application/jsonlines", txt: "text/plain", md: "text/plain", parquet: "application/vnd.apache.parquet", png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg" });

const typeOf = (file: File) => file.type || TYPES[file.name.split(".").pop()!.toLowerCase()] || "application/octet-stream";

/** An upload that has been begun and not ended. */
export interface Begun {
  bucket: string;
  key: string;
  id: string;
  name: string;
  size: number;
  changed: number;
}

const NOTES = "sagewright.uploads";

export function begun(bucket: string): Begun[] {
  try {
    return (JSON.parse(localStorage.getItem(NOTES) ?? "[]") as Begun[]).filter((b) => b.bucket === bucket);
  } catch {
    return []; // somebody else has written there
  }
}

function note(change: (all: Begun[]) => Begun[]): void {
  let all: Begun[] = [];
  try {
    all = JSON.parse(localStorage.getItem(NOTES) ?? "[]") as Begun[];
  } catch {
    // begun anew
  }
  localStorage.setItem(NOTES, JSON.stringify(change(all)));
}

const forget = (id: string) => note((all) => all.filter((b) => b.id !== id));

/** Give up an upload: its parts go. */
export async function discard({ bucket, key, id }: Begun): Promise<void> {
  try {
    await s3().send(new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: id }));
  } catch (error) {
    if ((error as Error).name !== "NoSuchUpload") throw error;
  }
  forget(id);
}

async function bytes(blob: Blob): Promise<Uint8Array> {
  return new Uint8Array(await blob.arrayBuffer());
}

const pause = (milliseconds: number, signal: AbortSignal) =>
  new Promise<void>((done, fail) => {
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), fail(signal.reason as Error)), { once: true });
  });

/** Whether trying again may help: the server was not there, or said that it could not now. */
const passing = (error: unknown) => {
  const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
  return status === undefined || status >= 500 || status === 429;
};

async function patiently<T>(send: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await send();
    } catch (error) {
      if (signal.aborted || tried === TRIES || !passing(error)) throw error;
      await pause(PAUSE * 2 ** (tried - 1), signal);
    }
  }
}

/** The parts that the server has of an upload that this browser has begun with the same file. */
async function stored(of: Begun, size: number): Promise<Part[] | undefined> {
  const parts: Part[] = [];
  let marker: string | undefined;
  try {
    do {
      const page = await s3().send(new ListPartsCommand({ Bucket: of.bucket, Key: of.key, UploadId: of.id, PartNumberMarker: marker }));
      parts.push(...(page.Parts ?? []));
      marker = page.IsTruncated ? page.NextPartNumberMarker : undefined;
    } while (marker);
  } catch (error) {
    if ((error as Error).name !== "NoSuchUpload") throw error;
    forget(of.id);
    return undefined;
  }
  // the last part may be a shorter one
  const whole = (p: Part) => p.Size === Math.min(size, of.size - (p.PartNumber! - 1) * size);
  return parts.filter(whole);
}

async function opened(Bucket: string, Key: string, file: File, size: number): Promise<{ id: string; parts: Part[] }> {
  const known = begun(Bucket).find((b) => b.key === Key && b.name === file.name && b.size === file.size && b.changed === file.lastModified);
  const parts = known && (await stored(known, size));
  if (parts) return { id: known.id, parts };
  const { UploadId: id = "" } = await s3().send(new CreateMultipartUploadCommand({ Bucket, Key, ContentType: typeOf(file) }));
  note((all) => [...all, { bucket: Bucket, key: Key, id, name: file.name, size: file.size, changed: file.lastModified }]);
  return { id, parts: [] };
}

/**
 * @param told is called with the share that is stored, from 0 to 1
 * @param signal ends it; what is stored so far stays, for the next try
 */
export async function upload(Bucket: string, Key: string, file: File, told: (share: number) => void, signal: AbortSignal): Promise<void> {
  if (file.size <= PART) {
    const Body = await bytes(file);
    await patiently(() => s3().send(new PutObjectCommand({ Bucket, Key, Body, ContentType: typeOf(file) }), { abortSignal: signal }), signal);
    told(1);
    return;
  }
  const size = Math.max(PART, Math.ceil(file.size / PARTS / PART) * PART);
  const count = Math.ceil(file.size / size);
  const { id: UploadId, parts } = await opened(Bucket, Key, file, size);
  const tags = new Map<number, string>(parts.map((p) => [p.PartNumber!, p.ETag!]));
  const missing = Array.from({ length: count }, (_, i) => i + 1).filter((n) => !tags.has(n));
  told(tags.size / count);
  const sending = async () => {
    for (let n = missing.shift(); n !== undefined; n = missing.shift()) {
      const Body = await bytes(file.slice((n - 1) * size, n * size));
      const PartNumber = n;
      const { ETag } = await patiently(() => s3().send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }), { abortSignal: signal }), signal);
      tags.set(n, ETag!);
      told(tags.size / count);
    }
  };
  const worker = () =>
    sending().catch((error: unknown) => {
      missing.length = 0; // the others end with the part that they are at
      throw error;
    });
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  const Parts = [...tags].sort(([a], [b]) => a - b).map(([PartNumber, ETag]) => ({ PartNumber, ETag }));
  try {
    await patiently(() => s3().send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } })), signal);
    forget(UploadId);
  } catch (error) {
    // what was stored does not fit together: the next try begins anew
    if (!passing(error)) await discard({ bucket: Bucket, key: Key, id: UploadId, name: file.name, size: file.size, changed: file.lastModified });
    throw error;
  }
}
