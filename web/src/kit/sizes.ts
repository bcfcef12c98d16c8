/** Quantities with the unit that makes them short. Pure. */

/** Of so many digits, and never as a power of ten. */
const digits = (value: number, most: number) => String(Number(value.toPrecision(most)));

/** In the first unit that needs no more than three digits before the point; each is a thousand of the one before. */
function measured(value: number, units: readonly string[], most: number): string {
  let at = 0;
  let left = value;
  while (at < units.length - 1 && Number(left.toPrecision(most)) >= 1000) {
    left /= 1000;
    at += 1;
  }
  return `${digits(left, left >= 1000 ? 21 : most)} ${units[at]!}`;
}

/** 12 B, 3.4 KB. */
export const size = (bytes: number | undefined) => (bytes === undefined ? "–" : measured(bytes, ["B", "KB", "MB", "GB", "TB", "PB"], 3));

/** 0.4 Wh, 120 Wh, 3.2 kWh. */
export const power = (wattHours: number) => (wattHours > 0 && wattHours < 0.01 ? "< 0.01 Wh" : measured(wattHours, ["Wh", "kWh", "MWh", "GWh"], 3));
