/** JSON on several lines, anything else as it came. */
export function pretty(text: string, type: string | undefined): string {
  if (!/json/.test(type ?? "") || text.length > 100_000) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text; // it said JSON and is not: shown as it came
  }
}
