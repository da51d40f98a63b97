import { whoAmI, whoAmILines } from '../../host/whoami.ts'
import { printable } from '../../base/terminal.ts'
import type { Context } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { EXIT } from '../exit-code.ts'

/** `admit whoami`: what this machine is to the machines around it, and the line that a policy elsewhere would need. */
export async function whoami(context: Context): Promise<ExitCode> {
  const { output, system } = context
  const { facts, notes } = await system.hostFacts('all')
  const who = whoAmI(facts, await system.caller(facts))
  for (const line of whoAmILines(who)) output.say(printable(line))
  const listed = who.interfaces.find((link) => link.up && link.mac !== undefined && link.addresses.length > 0)
  if (listed !== undefined) {
    output.say()
    output.say('In the policy of a server on the same link, this machine is:')
    output.say(`  this-machine: { mac: ${listed.mac}, admin: true, unseen: true }`)
    output.say('A server that is reached through a gateway never sees this MAC: list an address there.')
  }
  for (const note of notes) output.warn(`note: ${printable(note)}`)
  output.document('whoami', { ...who })
  return EXIT.done
}
