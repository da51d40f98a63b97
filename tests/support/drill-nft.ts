import { chmodSync, existsSync, mkdtempSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RunCommand } from '../../src/system/command.ts'
import { findProgram } from '../../src/system/command.ts'

/** What nft may do instead of what it was asked. */
export type NftFault = keyof typeof FAULTS

/**
 * By name, as parts of a shell script in which `asked` runs the real program. The lies, which exit 0, are for calls
 * that load a text: only who reads back finds them.
 */
const FAULTS = {
  fails: 'refuse',
  'fails having done it': 'asked "$@"; refuse',
  'is killed': 'kill -KILL $$',
  'is killed having done it': 'asked "$@"; kill -KILL $$',
  'never ends': 'hold',
  'never ends having done it': 'asked "$@"; hold',
  'does nothing and succeeds': 'exit 0',
  'loses a rule': "change '0,/ accept( comment .*)?$/{/ accept( comment .*)?$/d}'",
  // A transaction says `add element`, a whole table `elements = { … }` over one line or several.
  'loses elements':
    "change '0,/^add element /{/^add element /d}; 0,/elements = \\{[^}]*$/{s/= \\{[^,]*,/= {/}; 0,/elements = \\{.*\\}/{/elements = \\{.*\\}/d}'",
  'lets everyone in': 'asked "$@" && "$real" insert rule inet admit input accept',
} as const satisfies Readonly<Record<string, string>>

export const NFT_FAULTS = Object.keys(FAULTS) as readonly NftFault[]
export const NFT_LIES = [
  'does nothing and succeeds',
  'loses a rule',
  'loses elements',
  'lets everyone in',
] as const satisfies readonly NftFault[]

export interface NftPlan {
  /** Which call is at fault, counted from 1; without one they are only counted. */
  readonly at?: number
  readonly fault?: NftFault
  /** Count only calls that change the kernel by a text: `-f` without `-c`. */
  readonly loadsOnly?: boolean
}

/** A program to be run in nft's place. */
export interface NftStandIn {
  readonly path: string
  /**
   * Put in front of a command: it and whatever it starts find the stand-in where nft is. They do not see what is
   * mounted later.
   */
  readonly before: readonly string[]
  /** The arguments of each call that counted, in order. */
  calls(): readonly string[]
  /** Has the fault happened? A lie that found nothing to leave out has not. */
  happened(): boolean
  /** Is a call being held now (`never ends`)? */
  holds(): boolean
}

/** Makes a stand-in in a folder of the drill's. */
export function nftStandIn(folder: string, plan: NftPlan = {}): NftStandIn {
  const place = realpathSync(findProgram('nft') ?? '/usr/sbin/nft')
  const own = mkdtempSync(join(folder, 'nft-'))
  const path = join(own, 'nft')
  const read = (name: string): string =>
    existsSync(join(own, name)) ? readFileSync(join(own, name), 'utf8') : ''
  writeFileSync(join(own, 'count'), '0\n')
  writeFileSync(join(own, 'real'), '')
  writeFileSync(path, script(own, place, plan))
  chmodSync(path, 0o755)
  // The real program moves to `real` before the stand-in covers its place.
  const cover =
    'place=$1 own=$2; shift 2; mount --bind "$place" "$own/real" && mount --bind "$own/nft" "$place" && exec "$@"'
  return {
    path,
    before: ['unshare', '--mount', 'sh', '-c', cover, 'sh', place, own],
    calls: () => read('calls').split('\n').slice(0, -1),
    happened: () => read('happened') !== '',
    holds: () => read('held') !== '',
  }
}

/** The same for what runs in this process. */
export function throughStandIn(run: RunCommand, standIn: NftStandIn): RunCommand {
  const replaced = (word: string): string => (word === 'nft' ? standIn.path : word)
  // An nft that changes something is started behind the program that ties its life to this process.
  return (program, args, options) =>
    run(replaced(program), program === 'setpriv' ? args.map(replaced) : args, options)
}

function script(own: string, place: string, { at = 0, fault = 'fails', loadsOnly = false }: NftPlan): string {
  return `#!/bin/sh
# Stands in for nft in a drill: tests/support/drill-nft.ts.
own='${own}'
real=$own/real
[ -s "$real" ] || real='${place}'

# Which text a call loads, and whether it changes anything.
text= last= changes=
for word; do
  case $last in -f | --file) text=$word ;; esac
  last=$word
done
case " $* " in *' -c '* | *' --check '*) ;; *) changes=$text ;; esac

counts=${loadsOnly ? '$changes' : 'yes'}
[ "$counts" ] || exec "$real" "$@"
exec 9>>"$own/lock"
flock 9
n=$(($(cat "$own/count") + 1))
echo "$n" >"$own/count"
echo "$*" >>"$own/calls"
exec 9>&-
[ "$n" = ${at} ] || exec "$real" "$@"

echo "$*" >"$own/happened"
asked() { "$real" "$@"; }
refuse() { echo 'Error: Could not process rule: Input/output error' >&2; exit 1; }
hold() { echo held >"$own/held"; while :; do sleep 1; done; }
change() {
  case $text in - | /dev/stdin) cat ;; ?*) cat "$text" ;; esac >"$own/asked"
  sed -E "$1" "$own/asked" >"$own/told"
  ! cmp -s "$own/asked" "$own/told" || rm "$own/happened"
  "$real" -f "$own/told"
}
${FAULTS[fault]}
`
}
