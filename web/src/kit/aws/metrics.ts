import { CloudWatchClient } from "@aws-sdk/client-cloudwatch";

import { once, settings } from "../clients";

export const cloudwatch = once(() => new CloudWatchClient(settings()));
