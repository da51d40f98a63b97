/** A time of day in UTC: `12:01:33Z`. */
export function clock(wall: number): string {
  return `${new Date(wall * 1000).toISOString().slice(11, 19)}Z`
}

/** A moment in UTC, to the second: `2027-01-15T08:01:00Z`. */
export function isoInstant(wall: number): string {
  return new Date(Math.floor(wall) * 1000).toISOString().replace('.000Z', 'Z')
}
