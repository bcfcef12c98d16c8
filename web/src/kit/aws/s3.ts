import { S3Client } from "@aws-sdk/client-s3";

import { once, settings } from "../clients";

/** Without the browser's cache: it asks for what it lacks of a range only, and a range that was changed has no valid signature. */
const requestHandler = { requestInit: () => ({ cache: "no-store" as const }) };

export const s3 = once(() => new S3Client({ ...settings(), forcePathStyle: true, requestHandler }));
