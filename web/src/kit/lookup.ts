/** A table that is asked by text from outside: it has its own entries, and nothing that every object has ("constructor"). */
export const lookup = <T>(entries: Record<string, T>): Record<string, T> => Object.assign(Object.create(null) as Record<string, T>, entries);
