/** What is on its way: seen, and said to who does not see it. */
import Spinner, { type SpinnerProps } from "@cloudscape-design/components/spinner";

export function Waiting({ size }: Pick<SpinnerProps, "size">) {
  return (
    <span role="status" aria-busy="true" aria-label="Loading">
      <Spinner size={size} />
    </span>
  );
}
