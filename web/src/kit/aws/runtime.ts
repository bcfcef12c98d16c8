import { SageMakerRuntimeClient } from "@aws-sdk/client-sagemaker-runtime";

import { once, settings } from "../clients";

export const runtime = once(() => new SageMakerRuntimeClient(settings()));
