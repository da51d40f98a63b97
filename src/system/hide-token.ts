/**
 * Everybody on a host may list its processes with their arguments, and a token is for one pair of eyes: what
 * `admit confirm TOKEN` was started with is written over as the first thing that this program does. `admit confirm -`
 * never has it there at all.
 */
const command = process.argv.indexOf('confirm')
if (command > 0 && process.argv.slice(command + 1).some((word) => !word.startsWith('-'))) {
  process.title = 'admit confirm'
}
