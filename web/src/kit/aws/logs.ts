import { CloudWatchLogsClient } from "@aws-sdk/client-cloudwatch-logs";

import { once, settings } from "../clients";

export const logs = once(() => new CloudWatchLogsClient(settings()));
