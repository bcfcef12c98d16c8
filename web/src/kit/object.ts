/** Objects of S3, in part. */
import { GetObjectCommand } from "@aws-sdk/client-s3";

import { s3 } from "./aws/s3";

/** The first bytes of an object, and how many it has in all. */
export async function head(Bucket: string, Key: string, bytes: number, abortSignal?: AbortSignal): Promise<{ body: Uint8Array<ArrayBuffer>; size: number; type: string }> {
  const get = (Range?: string) => s3().send(new GetObjectCommand({ Bucket, Key, Range }), { ...(abortSignal && { abortSignal }) });
  const answer = await get(`bytes=0-${bytes - 1}`).catch((error: unknown) => {
    if ((error as Error).name === "InvalidRange") return get(); // it is empty: no range is within it
    throw error;
  });
  const body = await answer.Body!.transformToByteArray();
  const size = Number(answer.ContentRange?.split("/").pop() ?? body.length);
  return { body: new Uint8Array(body), size, type: answer.ContentType ?? "" };
}
