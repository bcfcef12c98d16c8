import { SageMakerClient } from "@aws-sdk/client-sagemaker";

import { once, settings } from "../clients";

export const sagemaker = once(() => new SageMakerClient(settings()));
