import { CloudWatchLogsClient, DescribeLogStreamsCommand } from "@aws-sdk/client-cloudwatch-logs";

import { once, settings } from "../clients";

export const logs = once(() => new CloudWatchLogsClient(settings()));

/** The names of all streams of a group that begin so, in their order; none where nothing was ever logged to the group. */
export async function streams(logGroupName: string, logStreamNamePrefix: string, abortSignal: AbortSignal): Promise<string[]> {
  const found: string[] = [];
  let nextToken: string | undefined;
  try {
    do {
      const page = await logs().send(new DescribeLogStreamsCommand({ logGroupName, logStreamNamePrefix, nextToken }), { abortSignal });
      found.push(...(page.logStreams ?? []).map((s) => s.logStreamName!));
      nextToken = page.nextToken;
    } while (nextToken);
  } catch (error) {
    if ((error as Error).name !== "ResourceNotFoundException") throw error;
  }
  return found;
}
