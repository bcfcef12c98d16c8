import { IAMClient } from "@aws-sdk/client-iam";

import { once, settings } from "../clients";

export const iam = once(() => new IAMClient(settings()));
