/**
 * Uploads in parts, so that a file of any size shows how far it is and goes on where it stopped: parts that an earlier, broken try has
 * stored are found by the key and not sent again.
 */
import { AbortMultipartUploadCommand, CompleteMultipartUploadCommand, CreateMultipartUploadCommand, ListMultipartUploadsCommand, ListPartsCommand, PutObjectCommand, UploadPartCommand, type Part } from "@aws-sdk/client-s3";

import { s3 } from "../../kit/aws/s3";
import { lookup } from "../../kit/lookup";

/** Bytes of a part, and the size up to which a file goes in one request. */
const PART = 8 * 1024 * 1024;
/** Parts at once. */
const PARALLEL = 3;
/** S3 takes at most so many parts. */
const PARTS = 10_000;

const TYPES = lookup({ csv: "text/csv", json: "application/json", jsonl: "application/jsonlines", txt: "text/plain", md: "text/plain", parquet: "application/vnd.apache.parquet", png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg" });

const typeOf = (file: File) => file.type || TYPES[file.name.split(".").pop()!.toLowerCase()] || "application/octet-stream";

async function bytes(blob: Blob): Promise<Uint8Array> {
  return new Uint8Array(await blob.arrayBuffer());
}

/** The unfinished upload of that key, if there is one whose parts are of our size. */
async function unfinished(Bucket: string, Key: string, size: number): Promise<{ id: string; parts: Part[] } | undefined> {
  const { Uploads = [] } = await s3().send(new ListMultipartUploadsCommand({ Bucket, Prefix: Key }));
  const id = Uploads.filter((u) => u.Key === Key).at(-1)?.UploadId;
  if (!id) return undefined;
  const parts: Part[] = [];
  let marker: string | undefined;
  do {
    const page = await s3().send(new ListPartsCommand({ Bucket, Key, UploadId: id, PartNumberMarker: marker }));
    parts.push(...(page.Parts ?? []));
    marker = page.IsTruncated ? page.NextPartNumberMarker : undefined;
  } while (marker);
  return parts.every((p) => p.Size === size) ? { id, parts } : undefined;
}

/**
 * @param told is called with the share that is stored, from 0 to 1
 * @param signal ends it; what is stored so far stays, for the next try
 */
export async function upload(Bucket: string, Key: string, file: File, told: (share: number) => void, signal: AbortSignal): Promise<void> {
  const ContentType = typeOf(file);
  if (file.size <= PART) {
    await s3().send(new PutObjectCommand({ Bucket, Key, Body: await bytes(file), ContentType }), { abortSignal: signal });
    told(1);
    return;
  }
  const size = Math.max(PART, Math.ceil(file.size / PARTS / PART) * PART);
  const count = Math.ceil(file.size / size);
  const found = await unfinished(Bucket, Key, size);
  const UploadId = found?.id ?? (await s3().send(new CreateMultipartUploadCommand({ Bucket, Key, ContentType }))).UploadId!;
  const tags = new Map<number, string>(found?.parts.map((p) => [p.PartNumber!, p.ETag!]));
  const missing = Array.from({ length: count }, (_, i) => i + 1).filter((n) => !tags.has(n));
  told(tags.size / count);
  const worker = async () => {
    for (let n = missing.shift(); n !== undefined; n = missing.shift()) {
      const Body = await bytes(file.slice((n - 1) * size, n * size));
      const { ETag } = await s3().send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: n, Body }), { abortSignal: signal });
      tags.set(n, ETag!);
      told(tags.size / count);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  const Parts = [...tags].sort(([a], [b]) => a - b).map(([PartNumber, ETag]) => ({ PartNumber, ETag }));
  try {
    await s3().send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }));
  } catch (error) {
    // what was stored does not fit together: the next try begins anew
    await s3().send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
    throw error;
  }
}
