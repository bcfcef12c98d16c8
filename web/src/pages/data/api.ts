import { DeleteObjectsCommand, GetObjectCommand, ListBucketsCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";

import { s3 } from "../../kit/aws/s3";
import type { Hit } from "../../kit/page";
import { save } from "../../kit/save";

export const buckets = async (abortSignal?: AbortSignal) => (await s3().send(new ListBucketsCommand({}), { ...(abortSignal && { abortSignal }) })).Buckets ?? [];

export async function find(text: string): Promise<Hit[]> {
  return (await buckets()).filter((b) => b.Name!.includes(text)).slice(0, 5).map((b) => ({ kind: "Bucket", name: b.Name!, href: `/data/${b.Name}` }));
}

/** Everything below a prefix, page by page. */
async function* below(Bucket: string, Prefix: string): AsyncGenerator<string[]> {
  let ContinuationToken: string | undefined;
  do {
    const page = await s3().send(new ListObjectsV2Command({ Bucket, Prefix, ContinuationToken }));
    yield (page.Contents ?? []).map((o) => o.Key!);
    ContinuationToken = page.NextContinuationToken;
  } while (ContinuationToken);
}

async function removePage(Bucket: string, keys: string[]): Promise<number> {
  if (keys.length === 0) return 0;
  const { Errors = [] } = await s3().send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: keys.map((Key) => ({ Key })), Quiet: true } }));
  if (Errors[0]) throw Object.assign(new Error(`${Errors[0].Key}: ${Errors[0].Message}`), { name: Errors[0].Code ?? "Error" });
  return keys.length;
}

/** Delete objects, and whole folders (keys that end in a slash); how many objects went. */
export async function remove(Bucket: string, keys: string[]): Promise<number> {
  let gone = await removePage(Bucket, keys.filter((k) => !k.endsWith("/")));
  for (const folder of keys.filter((k) => k.endsWith("/"))) {
    for await (const page of below(Bucket, folder)) gone += await removePage(Bucket, page);
  }
  return gone;
}

export async function download(Bucket: string, Key: string): Promise<void> {
  const answer = await s3().send(new GetObjectCommand({ Bucket, Key }));
  save(Key, await new Response(answer.Body!.transformToWebStream()).blob());
}
