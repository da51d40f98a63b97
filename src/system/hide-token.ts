/**
 * Everybody on a host may list its processes with their arguments, and a token is for one pair of eyes: what
 * `admit confirm TOKEN` was started with is written over as the first thing that this program does. `admit confirm -`
 * never has it there at all.
 */
export function hideToken(args: readonly string[]): void {
  const command = args.indexOf('confirm')
  if (command >= 0 && args.slice(command + 1).some((word) => !word.startsWith('-'))) {
    process.title = 'admit confirm'
  }
}
