import Box from "@cloudscape-design/components/box";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { Link, useLocation, useRouteError } from "react-router";

import { ErrorPanel } from "../kit/errors";

/** A page that broke tells how; the rest of the workplace stays usable. */
export function PageFault() {
  return <ErrorPanel error={useRouteError()} retry={() => location.reload()} />;
}

export function NotFound() {
  const { pathname } = useLocation();
  return (
    <Box padding={{ vertical: "xxxl" }} textAlign="center">
      <SpaceBetween size="s">
        <Box variant="h1">There is no such page</Box>
        <Box color="text-body-secondary">{pathname}</Box>
        <Link className="text-link" to="/">Go to the overview</Link>
      </SpaceBetween>
    </Box>
  );
}
