/** An asynchronous request: sent at once, its answer an object that comes later. */
import { GetObjectCommand, HeadObjectCommand } from "@aws-sdk/client-s3";
import { InvokeEndpointAsyncCommand } from "@aws-sdk/client-sagemaker-runtime";

import { runtime } from "../../kit/aws/runtime";
import { s3 } from "../../kit/aws/s3";

/** Milliseconds between two looks: nothing announces an object of S3 to a browser. */
const EVERY = 500;

export interface Place {
  Bucket: string;
  Key: string;
}

const place = (uri: string | undefined): Place | undefined => {
  const [, Bucket, Key] = /^s3:\/\/([^/]+)\/(.+)$/.exec(uri ?? "") ?? [];
  return Bucket && Key ? { Bucket, Key } : undefined;
};

async function there(at: Place | undefined, abortSignal: AbortSignal): Promise<boolean> {
  if (!at) return false;
  try {
    await s3().send(new HeadObjectCommand(at), { abortSignal });
    return true;
  } catch (error) {
    if ((error as Error).name === "NotFound" || (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode === 404) return false;
    throw error;
  }
}

const pause = (signal: AbortSignal) =>
  new Promise<void>((done, fail) => {
    const timer = setTimeout(done, EVERY);
    signal.addEventListener("abort", () => (clearTimeout(timer), fail(signal.reason as Error)), { once: true });
  });

export interface Later {
  body: Uint8Array;
  type: string | undefined;
  at: string;
  failed: boolean;
}

/**
 * @param told is given the place of the answer as soon as the request is taken
 * @param signal ends the waiting; the request goes on
 */
export async function askLater(input: { EndpointName: string; ContentType: string; Accept?: string; Body: Uint8Array }, told: (at: string) => void, signal: AbortSignal): Promise<Later> {
  const { OutputLocation, FailureLocation } = await runtime().send(new InvokeEndpointAsyncCommand(input), { abortSignal: signal });
  told(OutputLocation!);
  const places = [place(OutputLocation), place(FailureLocation)] as const;
  for (;;) {
    for (const [i, at] of places.entries()) {
      if (!at || !(await there(at, signal))) continue;
      const object = await s3().send(new GetObjectCommand(at), { abortSignal: signal });
      return { body: await object.Body!.transformToByteArray(), type: object.ContentType, at: `s3://${at.Bucket}/${at.Key}`, failed: i === 1 };
    }
    await pause(signal);
  }
}
