/** The state of a view lives in the address, so that a link shows what its sender saw. */
import { useCallback } from "react";
import { useSearchParams } from "react-router";

export type Values = Record<string, string | undefined>;

/** `[read, write]`: an empty or undefined value leaves the address. */
export function useView(): [(name: string, otherwise?: string) => string, (values: Values) => void] {
  const [params, setParams] = useSearchParams();
  const read = useCallback((name: string, otherwise = "") => params.get(name) ?? otherwise, [params]);
  const write = useCallback(
    (values: Values) =>
      setParams(
        (old) => {
          const next = new URLSearchParams(old);
          for (const [name, value] of Object.entries(values)) {
            if (value) next.set(name, value);
            else next.delete(name);
          }
          return next;
        },
        { replace: true },
      ),
    [setParams],
  );
  return [read, write];
}
